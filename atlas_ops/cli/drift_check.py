"""`atlas-ops drift check`: compares live data with a reference, and says whether it drifted."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import drift_parts, machine

if TYPE_CHECKING:
    from atlas_ops.detect.statistics import Floats
    from atlas_ops.drift.reference import Reference

_EPILOG = """\
The live rows are judged by the reference's own spread: with two weeks of times or more, each hour, six hours and day by what is
usual at that hour of the week; else all live rows by how parts of the reference differ from its other parts. So many rows alone
are no drift. One of a hundred checks of data that has not drifted is meant to say drift, however much data it is
(docs/drift-measured.md has what was measured). PSI, KS and JS are printed to explain; they decide nothing. "No drift" is said
only where a shift of half a standard deviation, or of ten points of a share, would have been seen. Vectors of another length
than those of the reference count as missing, and are told. A reference with a detector of alibi-detect (`drift fit --detector`)
is judged by that detector's p-values, in at most 20,000 live rows.

examples:
  atlas-ops drift check fraud.json yesterday.parquet
  atlas-ops drift check fraud.json live/ --json drift.json --html drift.html

The JSON has `format`, `version`, `model`, `verdict` ("drift", "no drift", "cannot tell"), `why`, `rows`, `rows_needed`
(with two weeks of times or more: between `start` and `end`; more time adds none), `hours_needed` (of history), `start`, `end` (Unix
seconds or null), `notes`, and `features`: for each `name`, `kind`, `drifted`, `of_limit` (1 and above is drift), `psi`, `ks` (null
for categories), `js`, `chi2`, `rows`, `bins`, `reference` and `live` (counts of the bins), and `moves`: for each `statistic`,
`words`, `value`, `usual`, `score`, `limit`, `since`.

exit codes:
  0  no drift
  1  drift
  2  the command line, the reference or the data is wrong
  3  it cannot be told; how many rows are needed is printed
  4  numpy, pyarrow (with --html: matplotlib) is not installed, or a file cannot be written
"""


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    parser = actions.add_parser(
        "check",
        help="compare live data with a reference",
        description="Say whether live data has drifted from a reference, which features moved, how, and since when.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", type=Path, metavar="REFERENCE", help="a file that `drift fit` wrote")
    parser.add_argument(
        "live", nargs="+", type=Path, metavar="LIVE", help="a file or folder of Parquet, CSV or JSON lines"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="refuse a reference of another model")
    parser.add_argument("--time", metavar="COLUMN", help="column of the rows' times (default: that of the reference)")
    drift_parts.add_licence(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict there, for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots, which needs no network")


def run(args: argparse.Namespace) -> int:
    """Compare; see the exit codes in the help."""
    machine.need("drift", "numpy", "pyarrow")
    if args.html:
        machine.need("charts", "matplotlib")
    reference = drift_parts.reference(args.reference, model=args.model)
    from atlas_ops.drift import check, detector, live  # noqa: PLC0415 - numpy and pyarrow
    from atlas_ops.drift.report import document, text  # noqa: PLC0415

    if reference.detector is not None:
        detector.agree(args.accept_alibi_licence)
        machine.need("alibi", "alibi_detect")
    told = drift_parts.progress()
    found = live.read(reference, args.live, time=args.time, told=lambda rows: told("counting", rows))
    verdict = check.check(reference, found)
    if reference.detector is not None:
        verdict = detector.judged(verdict, reference, args.reference, _rows(reference, args))
    print(text.verdict(verdict), end="")
    if args.json:
        machine.write(args.json, json.dumps(document.document(reference, verdict), indent=1, allow_nan=False) + "\n")
    if args.html:
        from atlas_ops.drift.report import page  # noqa: PLC0415 - matplotlib

        machine.write(args.html, page.verdict(verdict, reference))
    return verdict.standing.value


def _rows(reference: Reference, args: argparse.Namespace) -> Floats:
    """Return a sample of the live rows."""
    from atlas_ops.drift import live, rows  # noqa: PLC0415 - numpy and pyarrow

    told = drift_parts.progress()
    return rows.sample(*live.opened(reference, args.live, args.time), lambda number: told("sampling", number))
