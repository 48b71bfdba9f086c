"""`atlas-ops demo`: the whole way from a fault to a page, on this machine."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from atlas_ops.catalog import build_catalog
from atlas_ops.cli.exporter_settings import servers_from_flags
from atlas_ops.render import dashboards
from atlas_ops.simulator import SCENARIOS, Scenario, scenario_by_name
from atlas_ops.stage.demo import Demo, Result, running
from atlas_ops.stage.observer import Step
from atlas_ops.stage.preview import Preview, built_page

_EPILOG = """\
What runs: a simulated fleet of two vLLM servers and two GPUs, and for real: the exporter, Prometheus, Alertmanager, the
pager, and a stand-in for Slack that enforces Slack's limits. All on loopback ports that are free. The settings profile
`demo` shortens every window to a twentieth, so that minutes become seconds; do not use it in production.
What has no real counterpart here (autoscaler, drift detectors) the simulator tells Prometheus itself.

examples:
  atlas-ops demo --list                              every scenario: faults by family, and what only looks like one
  atlas-ops demo                                     one fault, then look around until Ctrl-C
  atlas-ops demo --once --scenario queue_backlog     inject, page, mend, resolve; prints the timeline
  atlas-ops demo --server http://127.0.0.1:8000      watch a real server as well

exit codes:
  0  the alert came and was resolved (of what only looks like a fault: none came); or stopped by Ctrl-C without --once
  1  it did not
  2  the command line is wrong
  4  a program is missing, or a part did not start
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "demo",
        help="run the whole way from a fault to a page on this machine",
        description="Run the whole way from a fault to a Slack page on this machine, and tell every step.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scenario", default="kv_pressure", metavar="NAME", help="one of --list (default: %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="tell every scenario, and play none")
    parser.add_argument("--once", action="store_true", help="play the scenario once, print the timeline, and end")
    parser.add_argument("--server", action="append", default=[], metavar="URL[=RUNTIME]", help="watch this server too")
    parser.add_argument(
        "--folder", type=Path, help="keep configuration, logs and data here (default: a temporary folder)"
    )
    parser.add_argument("--traces", type=Path, metavar="DIR", help="let requests come as in a trace, see `simulate`")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="how long it is switched on (default: the scenario's own time)",
    )


def run(args: argparse.Namespace) -> int:
    """Play the demo; see the exit codes in the help."""
    if args.list:
        _list()
        return 0
    signal.signal(signal.SIGTERM, _interrupt)  # so that a plain `kill` takes everything down as Ctrl-C does
    scenario = scenario_by_name(args.scenario)
    servers = servers_from_flags(args.server)
    with contextlib.ExitStack() as cleanup:
        folder = args.folder or Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="atlas-ops-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"starting: simulator, exporter, Prometheus, Alertmanager, pager ({folder})", flush=True)
        with (
            running(folder, scenario, servers=servers, traces=args.traces, tell=_tell) as demo,
            _preview(demo) as preview,
        ):
            _introduce(demo, preview)
            result = demo.run(active_seconds=args.seconds)
            _report(result)
            if not args.once:
                _stay()
    return 0 if result.passed else 1


def _list() -> None:
    families = {fault.name: fault.family.value for fault in build_catalog().faults}
    groups: dict[str, list[Scenario]] = {}
    for scenario in SCENARIOS:
        family = families.get(scenario.expected_fault or "", "nothing is wrong")
        groups.setdefault(family, []).append(scenario)
    width = max(len(scenario.name) for scenario in SCENARIOS)
    for family, scenarios in groups.items():
        print(f"{family}:")
        for scenario in scenarios:
            raises = f"{scenario.expected_fault}: " if scenario.expected_fault else ""
            print(f"  {scenario.name:{width}}  {raises}{scenario.description}")


def _preview(demo: Demo) -> contextlib.AbstractContextManager[Preview | None]:
    """Return the preview of the dashboards, where its page is built."""
    page, settings = built_page(), demo.stack.settings
    if page is None:
        return contextlib.nullcontext()
    texts = dashboards.render(build_catalog(settings.parameters), settings)
    return Preview(texts, settings, page=page, prometheus=demo.stack.addresses.prometheus)


def _introduce(demo: Demo, preview: Preview | None) -> None:
    addresses = demo.stack.addresses
    print("settings profile: demo (every window a twentieth of production's; not for production)")
    print(f"  exporter      {addresses.exporter}/metrics")
    print(f"  Prometheus    {addresses.prometheus}/alerts")
    print(f"  Alertmanager  {addresses.alertmanager}")
    print(f"  pager         {addresses.pager}/   (incidents and runbooks)")
    if preview is not None:
        print(f"  dashboards    {preview.url}")
    scenario, pace = demo.scenario, demo.pace
    print(f"scenario: {scenario.name}: {scenario.description}")
    print(f"  {pace.calm:.0f} s of calm, then {pace.active:.0f} s for what happens (here a minute takes three seconds)")
    if scenario.history_days:
        print(
            f"  its rule looks back on {scenario.history_days:g} days, which a live run has not seen: expect no alert"
        )
    sys.stdout.flush()


def _tell(step: Step) -> None:
    print(f"{step.seconds:7.1f} s  {step.text}", flush=True)


def _report(result: Result) -> None:
    print(f"{'PASSED' if result.passed else 'FAILED'}: {result.verdict}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _stay() -> None:
    print("still running; look around, Ctrl-C stops everything", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
