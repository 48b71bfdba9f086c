"""`atlas-ops diagnose`: asks Prometheus the checks of a runbook, and ranks the causes of an alert in a terminal."""

from __future__ import annotations

import argparse
import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from atlas_ops import shipped
from atlas_ops.catalog import conventions
from atlas_ops.cli import place, prometheus_parts
from atlas_ops.errors import UsageError
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.diagnosis.ask import SECONDS, diagnose, prometheus
from atlas_ops.pager.diagnosis.checks import Check
from atlas_ops.pager.diagnosis.verdict import Diagnosis, Finding, Standing
from atlas_ops.pager.runbooks import runbook
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.prometheus import Prometheus

_WIDTH = 110
_MARKS = {Standing.LIKELY: "LIKELY", Standing.UNKNOWN: "unknown", Standing.UNLIKELY: "unlikely"}
_EPILOG = f"""\
Without --label the alerts of that name which fire in Prometheus now are diagnosed.

examples:
  atlas-ops diagnose KvCachePressure                                   the one that fires
  atlas-ops diagnose KvCachePressure --label model=llama-3-8b --label server=10.0.0.7:8000
  atlas-ops diagnose GpuLost --label node=gpu-07 --prometheus http://prometheus:9090 --json

exit codes:
  0  asked; the causes are printed, the likeliest first
  2  there is no such runbook, it has no checks, no alert of that name fires, or the file with the login has mistakes
  3  the settings file or the checks of the runbook have mistakes (all of them are listed)
  4  Prometheus answers no question within {SECONDS:.0f} s, or refuses the login
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "diagnose",
        help="ask Prometheus why an alert fires, and rank the causes",
        description="Ask Prometheus the checks of an alert's runbook, and rank the causes by evidence.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fault", metavar="FAULT", help="name of an alert, such as KvCachePressure")
    parser.add_argument(
        "--label", action="append", default=[], metavar="NAME=VALUE", help="a label of the alert; as often as needed"
    )
    prometheus_parts.add(parser, "default: links.prometheus of the settings", required=False)
    parser.add_argument("--runbooks", type=Path, metavar="DIR", help="folder of runbooks (default: those of atlas-ops)")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print it; see the exit codes in the help."""
    configured = place.read_config(args)
    login = prometheus_parts.login(args, configured)
    asked = _checks(place.existing(args.runbooks) if args.runbooks else shipped.folder("runbooks"), args.fault)
    given = _given(args.label)
    with prometheus_parts.client(args, configured, timeout_seconds=SECONDS) as client:
        client.check_query("1")  # nobody there is an error of its own, not five unknown causes
        alerts = (given,) if given else _firing(args.fault, client)
    query = prometheus(client.url, http_config=login)
    found = [(labels, diagnose(asked, _values(labels, client.url), query)) for labels in alerts]
    if args.json:
        print(json.dumps([{"labels": dict(labels), **diagnosis.to_json()} for labels, diagnosis in found], indent=2))
    else:
        print("\n\n".join("\n".join(_told(args.fault, labels, diagnosis)) for labels, diagnosis in found))
    return 0


def _checks(folder: Path, fault: str) -> tuple[Check, ...]:
    book = runbook.load(folder, fault)
    if book is None:
        names = {name.lower(): name for _, name in runbook.names(folder)}
        near = difflib.get_close_matches(fault.lower(), names, n=3)
        step = f"did you mean {' or '.join(names[one] for one in near)}?" if near else "`atlas-ops explain` lists them"
        raise UsageError(f"there is no runbook for {fault!r}", next_step=step)
    found = checks.read(book.text, f"runbooks/{book.family}/{book.fault}.md")
    if not found:
        raise UsageError(
            f"the runbook of {fault} has no checks", next_step="its section Diagnosis says what to look at"
        )
    return found


def _given(labels: list[str]) -> dict[str, str]:
    pairs = [label.partition("=") for label in labels]
    wrong = [label for label, (name, sign, _) in zip(labels, pairs, strict=True) if not (name and sign)]
    if wrong:
        raise UsageError(f"--label {wrong[0]!r}: expected NAME=VALUE", next_step="such as --label model=llama-3-8b")
    return {name: value for name, _, value in pairs}


def _firing(fault: str, client: Prometheus) -> tuple[Mapping[str, str], ...]:
    alerts = [alert for alert in client.alerts() if alert.name == fault and alert.state == "firing"]
    if not alerts:
        step = "name the alert with --label, such as --label model=llama-3-8b"
        raise UsageError(f"no {fault} fires in Prometheus at {client.url}", next_step=step)
    return tuple(alert.labels for alert in alerts)


def _values(labels: Mapping[str, str], url: str) -> Values:
    """Return the labels by people's words as well, whichever of the two were given."""
    words = {word: labels[label] for word, label in conventions.ALERT_LABELS.items() if label in labels}
    return {**words, **labels, "prometheus": url}


def _told(fault: str, labels: Mapping[str, str], diagnosis: Diagnosis) -> Iterator[str]:
    where = ", ".join(f"{name}={value}" for name, value in labels.items() if name not in ("alertname", "severity"))
    yield f"{fault}  {where}"
    for finding in diagnosis.findings:
        yield from _finding(finding)
    if not diagnosis.likely:
        yield "No check has found the cause: go through the section Diagnosis of the runbook by hand."


def _finding(finding: Finding) -> Iterator[str]:
    yield f"\n  {_MARKS[finding.standing]:9}{finding.cause}"
    told = textwrap.wrap(finding.told, _WIDTH - 11)
    yield from (f"{'':11}{line}" for line in told)
    if finding.next_step and finding.standing is Standing.LIKELY:
        yield f"{'':11}-> {finding.next_step}"
