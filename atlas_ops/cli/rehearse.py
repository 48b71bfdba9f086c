"""`atlas-ops rehearse`: every scenario through a real Prometheus, faster than real time, and a table of what came of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import machine, place
from atlas_ops.errors import UsageError
from atlas_ops.simulator import SCENARIOS, Scenario
from atlas_ops.simulator.trace import read_traces

if TYPE_CHECKING:
    from atlas_ops.rehearsal.rehearse import Plan, Result, Run
    from atlas_ops.rehearsal.report import Grid

_EPILOG = """\
Each scenario is played in simulated time: calm, the fault, and the time after it. What the exporter would have published is
loaded into an empty Prometheus, which is asked for every rule at every evaluation; `for`, `keep_firing_for` and inhibition
are done here as Prometheus and Alertmanager do them. So hours take seconds, and nothing has to be mocked but time. It needs
the program `prometheus` and the extra `rehearse` (numpy).

detected        the fault's own alert was told while the fault was on, or within 5 minutes after
after           from the beginning of the fault to its alert; Alertmanager's group_wait (10 s) comes on top
wrong pages     pages of anything else that no inhibition holds back, and any page before the fault
again           how often somebody was told of the same fault again

examples:
  atlas-ops rehearse                                       every scenario once
  atlas-ops rehearse --seeds 5 --output REHEARSAL.md       five times each, as a page of your docs
  atlas-ops rehearse --scenario 'gpu_*' --scenario calm    some of them; a name may be a pattern
  atlas-ops rehearse --config atlas-ops.yaml               with your limits and objectives
  atlas-ops rehearse --against rules.yml                   what other rules make of the same scenarios

With --against, the alerts have names of their own: one that wakes somebody (severity page or critical, or none) notices a
fault when it begins while the fault is on and was silent before. It is scored twice: with what a stock installation
publishes (vLLM's own page, the default counters of dcgm-exporter, `up`), and with every signal, ours too. There are no
metrics of Kubernetes or of the host, and no series ALERTS: a rule that reads it never fires here.

exit codes:
  0  every fault was detected by its right name, and nobody was woken for anything else; or --against was given
  1  a fault was missed, there was a wrong page, or what only looks like a fault was paged
  2  the command line is wrong
  3  the settings file or the rule file has mistakes (all of them are listed)
  4  Prometheus or numpy is not installed
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "rehearse",
        help="play every fault and every look-alike through the rules, and say what was told",
        description="Play scenarios through a rule engine, faster than real time, and print what was detected and when.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="a scenario, or a pattern such as 'gpu_*'; may be given again (default: all)",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="how often each is played, with other chances (%(default)s)"
    )
    parser.add_argument(
        "--traces",
        type=Path,
        metavar="DIR",
        help="let requests come as in these recorded traces (Azure's CSV, Mooncake's JSON lines; default: a fitted process)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="RULES.yml",
        help="score the rules of this file in place of ours (a rule file of Prometheus, or a PrometheusRule)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables there too, as Markdown")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="runs at a time (default: one for each core)"
    )
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Rehearse; see the exit codes in the help."""
    machine.need("rehearse", "numpy")
    if args.seeds < 1 or args.jobs < 1:
        raise UsageError("--seeds and --jobs have to be 1 or more", next_step="give a larger number")
    from atlas_ops.rehearsal import rehearse, report, rules  # noqa: PLC0415 - numpy

    plan = rehearse.Plan(
        settings=place.read_config(args),
        traces=read_traces(args.traces) if args.traces else (),
        against=rules.read(args.against) if args.against else (),
    )
    scenarios = _chosen(args.scenario)
    runs = [rehearse.Run(scenario=scenario, seed=seed) for seed in range(1, args.seeds + 1) for scenario in scenarios]
    rehearse.check(plan.against)
    began = time.monotonic()
    results = _results(runs, plan, args.jobs)
    taken = f"{len(runs)} runs in {_span(time.monotonic() - began)}"
    grids, passed = _judged(results, plan)
    print(f"{report.text(grids)}{taken}")
    if args.output:
        machine.write(args.output, report.markdown(grids, heading="Rehearsal", preface=_preface(args, taken)))
    return 0 if passed else 1


def _results(runs: Sequence[Run], plan: Plan, jobs: int) -> list[Result]:
    """Do the runs, and tell of each as it ends; return how they went, in the order of the runs."""
    from atlas_ops.rehearsal import rehearse  # noqa: PLC0415 - numpy

    found: dict[tuple[str, int], Result] = {}
    for result in rehearse.rehearse(runs, plan, jobs=jobs):
        one = result[0] if isinstance(result, tuple) else result
        found[one.scenario, one.seed] = result
        word = "" if isinstance(result, tuple) else "ok    " if result.passed else "FAIL  "
        print(f"{len(found):4d}/{len(runs)}  {word}{one.scenario} (seed {one.seed})", file=sys.stderr, flush=True)
    return [found[run.scenario.name, run.seed] for run in runs]


def _judged(results: Sequence[Result], plan: Plan) -> tuple[tuple[Grid, ...], bool]:
    """Return the tables, and whether our rules did what they should; of those of others nothing is demanded."""
    from atlas_ops.rehearsal import foreign_report, report  # noqa: PLC0415 - numpy

    heard = [one for result in results if isinstance(result, tuple) for one in result]
    verdicts = [result for result in results if not isinstance(result, tuple)]
    if plan.against:
        return foreign_report.grids(heard, plan.against), True
    return report.grids(verdicts), all(verdict.passed for verdict in verdicts)


def _chosen(patterns: Sequence[str]) -> tuple[Scenario, ...]:
    names = [scenario.name for scenario in SCENARIOS]
    unknown = [pattern for pattern in patterns if not _matching(names, [pattern])]
    if unknown:
        raise UsageError(f"no scenario is called {', '.join(unknown)}", next_step=f"known: {', '.join(names)}")
    chosen = set(_matching(names, patterns or ["*"]))
    return tuple(scenario for scenario in SCENARIOS if scenario.name in chosen)


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _preface(args: argparse.Namespace, taken: str) -> str:
    words = ["atlas-ops rehearse", f"--seeds {args.seeds}", *(f"--scenario '{name}'" for name in args.scenario)]
    words += ["--traces DIR"] if args.traces else []
    words += [f"--against {args.against.name}"] if args.against else []
    return f"Made by `{' '.join(words)}`: {taken}. `atlas-ops rehearse --help` says what the columns mean."


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
