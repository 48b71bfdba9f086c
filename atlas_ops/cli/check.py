"""`atlas-ops check`: proves offline that alerts, dashboards, runbooks and dialects fit together."""

from __future__ import annotations

import argparse
from pathlib import Path

from atlas_ops import check, shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import place

_EPILOG = """\
What is checked: generated files are up to date and none is stray; every fault has a whole runbook, every link and anchor
leads somewhere; every metric is one that atlas-ops publishes; every dashboard is one that Grafana imports, explains itself
and asks for nothing that no runtime can answer; the rules load in Prometheus, Alertmanager's configuration loads, the
tests of the rules pass, each fault has a case in which it fires and one in which it stays silent, and no server is
measured by the exporter and by rules of native metrics at the same time.
Nothing is sent over a network. promtool and amtool have to be installed.

examples:
  atlas-ops check                                        here, or the files of the installed package
  atlas-ops check monitoring --config atlas-ops.yaml     a folder that was built with these settings

exit codes:
  0  nothing found
  1  findings, each with file, line and next step
  2  the folder does not exist
  3  the settings file has mistakes (all of them are listed)
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "check",
        help="prove offline that alerts, dashboards, runbooks and dialects fit together",
        description="Prove offline that alerts, dashboards, runbooks and dialects fit together.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR",
        help="what to check (default: here, when here are alerts/ or a checkout; else the shipped files)",
    )  # fmt: skip
    place.add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print every finding; see the exit codes in the help."""
    root = place.existing(args.folder) if args.folder else _default()
    settings = place.read_config(args)
    config = str(args.config or "atlas-ops.yaml")
    findings = check.run(root, build_catalog(settings.parameters), settings, config=config)
    for finding in findings:
        print(f"{finding.file}:{finding.line}: {finding.message}\n  -> {finding.next_step}")
    count = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "nothing found"
    print(f"checked {root.resolve()}: {count}")
    return 1 if findings else 0


def _default() -> Path:
    here = Path()
    return here if place.is_tree(here) else shipped.root()
