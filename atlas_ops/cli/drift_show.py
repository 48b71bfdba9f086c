"""`atlas-ops drift show`: prints and plots a reference."""

from __future__ import annotations

import argparse
from pathlib import Path

from atlas_ops.cli import drift_parts, machine

_EPILOG = """\
examples:
  atlas-ops drift show fraud.json
  atlas-ops drift show fraud.json --html fraud.html

exit codes:
  0  printed
  2  the file is no reference, or is damaged
  4  numpy is not installed (with --html: matplotlib), or the page cannot be written
"""


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    parser = actions.add_parser(
        "show",
        help="print a reference, and plot it",
        description="Print what a reference holds: features, the shares of their bins, and what it lacks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="a file that `drift fit` wrote")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots, which needs no network")


def run(args: argparse.Namespace) -> int:
    """Print it; see the exit codes in the help."""
    machine.need("drift", "numpy", "pyarrow")
    if args.html:
        machine.need("charts", "matplotlib")
    reference = drift_parts.reference(args.reference)
    from atlas_ops.drift.report import text  # noqa: PLC0415 - numpy

    print(text.reference(reference), end="")
    if args.html:
        from atlas_ops.drift.report import page  # noqa: PLC0415 - matplotlib

        machine.write(args.html, page.reference(reference))
    return 0
