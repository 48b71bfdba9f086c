"""`atlas-ops drift labels`: joins predictions with labels that arrived late, and says whether the model has become worse."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import drift_parts, machine
from atlas_ops.cli.numbers import finite
from atlas_ops.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from atlas_ops.drift.labels.join import Joined
    from atlas_ops.drift.labels.outcome import Wish
    from atlas_ops.drift.labels.side import Columns, Side, Source

_DAY = 86_400.0
_EPILOG = """\
PREDICTIONS is a file or folder of Parquet, CSV or JSON lines; LABELS as well, or a database: sqlite:////folder/file.db or
postgresql://user@host/database (password in PGPASSWORD), with --query or --table; it is read in a read-only transaction. Both are
streamed, and joined in parts that lie in $TMPDIR meanwhile: 24 bytes for each row, hashes of identifiers and no text. Identifiers
that stand twice with one value count once; with different values they are left out, unless --label-time says which label is the latest,
and where these are 5 % or more there is no "no worse"; what has no partner is counted, and not judged: where only what went wrong
gets a label, let --query give the others theirs (the third example).

Text, yes-or-no, and whole numbers with at most 20 different values are classes: accuracy, and precision and recall of each class, with
Wilson's intervals. Other numbers: mean and median absolute error, and mean error. Labels of one hour and of one day share its weather:
an interval counts them as the fewer independent ones that the differences between hours and days say they are worth. So many days
with labels are needed to know that: five at the least, a baseline of two weeks or more is better.

The model is WORSE where accuracy, or precision or recall of a class, is lower by more than --margin with certainty (or an error greater;
1 % error, all metrics together), and no worse where a loss of accuracy (a rise of the mean error) by --detect or more is excluded
(5 % error). Otherwise it cannot be told, and how many labels or days it takes is printed.

examples:
  atlas-ops drift labels predictions/ labels.csv --key request_id --prediction class --label truth --time at \\
                         --baseline 2026-09-01/2026-10-01
  atlas-ops drift labels predictions.parquet postgresql://reader@db/fraud --table reviews --key request_id \\
                         --prediction score --threshold 0.5 --label is_fraud --time at --settled 30 --baseline 97%
  atlas-ops drift labels predictions.parquet postgresql://reader@db/fraud --key request_id --prediction score --threshold 0.5 \\
                         --label is_fraud --time at --settled 60 --baseline 97% --query 'SELECT request_id, c.id IS NOT NULL
                         AS is_fraud FROM requests LEFT JOIN chargebacks AS c USING (request_id)'
  atlas-ops drift labels p.jsonl l.jsonl --key id --prediction minutes --label minutes --baseline 12.5

The JSON has `verdict` ("worse", "no worse", "cannot tell", "not compared"), `why`, `labels_needed`, `days_needed`,
`baseline_labels_needed`, `now`, `baseline`, `windows` (each `start`, `end`, `predictions`, `labels`, `metrics`), `changes`, `ages`, what
became of the rows, and `notes`.

exit codes:
  0  no worse; or there was no --baseline to compare with
  1  worse
  2  the command line or the data is wrong
  3  it cannot be told; how many labels, or days, are needed is printed
  4  numpy, pyarrow (with --html: matplotlib) is not installed, the database does not answer, or a file cannot be written
"""


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    parser = actions.add_parser(
        "labels",
        help="join predictions with late labels: is the model worse?",
        description="Join predictions with labels that arrived late, by request, and say whether the model has become worse.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="a file or folder")
    parser.add_argument("labels", metavar="LABELS", help="a file or folder, or the address of a database")
    parser.add_argument("--key", required=True, metavar="COLUMN", help="identifier of the request, on both sides")
    parser.add_argument("--label-key", metavar="COLUMN", help="what it is called in LABELS (default: as --key)")
    parser.add_argument("--prediction", required=True, metavar="COLUMN", help="column of the predictions")
    parser.add_argument("--label", required=True, metavar="COLUMN", help="column of the labels")
    parser.add_argument("--time", metavar="COLUMN", help="times of the predictions; needed for times and windows")
    parser.add_argument(
        "--label-time",
        metavar="COLUMN",
        help="times of the labels: the latest of a request holds (default: they must agree)",
    )
    parser.add_argument("--query", metavar="SQL", help="the query for labels in a database")
    parser.add_argument("--table", metavar="NAME", help="or the table, also SCHEMA.NAME")
    _add_judgement(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it there, for machines")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a plot, which needs no network")


def _add_judgement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline",
        metavar="FROM/TO|N",
        help="compare with the predictions from FROM up to, not including, TO (ISO 8601; UTC without a zone), or with an accuracy "
        "(0.97 or 97%%) or a mean absolute error",
    )
    parser.add_argument("--since", metavar="TIME", help="judge predictions from then on (default: after the baseline)")
    parser.add_argument(
        "--settled",
        type=finite,
        default=0.0,
        metavar="DAYS",
        help="leave out predictions younger than this, by the latest",
    )
    parser.add_argument("--per", choices=("day", "week"), default="day", help="length of a window (%(default)s)")
    parser.add_argument("--kind", choices=("class", "number"), help="what labels are (default: by their values)")
    parser.add_argument("--threshold", type=finite, metavar="N", help="predictions from N on are class 1, others 0")
    parser.add_argument(
        "--margin", type=_percent, metavar="P%", help="a loss that is allowed (1 point of accuracy; 5 %% of an error)"
    )
    parser.add_argument(
        "--detect", type=_percent, metavar="P%", help="a loss that has to be excluded (5 points; 20 %% of an error)"
    )


def run(args: argparse.Namespace) -> int:
    """Join and judge; see the exit codes in the help."""
    machine.need("drift", "numpy", "pyarrow")
    if args.html:
        machine.need("charts", "matplotlib")
    wish = _wish(args)
    from atlas_ops.drift.labels import document, text  # noqa: PLC0415 - numpy and pyarrow
    from atlas_ops.drift.labels.outcome import outcome  # noqa: PLC0415

    found = outcome(_joined(args), wish)
    print(text.text(found), end="")
    if args.json:
        machine.write(args.json, json.dumps(document.document(found), indent=1, allow_nan=False) + "\n")
    if args.html:
        from atlas_ops.drift.labels import page  # noqa: PLC0415 - matplotlib

        machine.write(args.html, page.page(found))
    return found.verdict.standing.value if found.verdict else 0


def _joined(args: argparse.Namespace) -> Joined:
    from atlas_ops.drift.labels import join, sides  # noqa: PLC0415 - numpy and pyarrow
    from atlas_ops.drift.labels.files import Files  # noqa: PLC0415
    from atlas_ops.drift.labels.side import Columns  # noqa: PLC0415

    of_predictions = Columns(key=args.key, value=args.prediction, time=args.time)
    of_labels = Columns(key=args.label_key or args.key, value=args.label, time=args.label_time)
    predictions, labels = Files(args.predictions, of_predictions), _labels(args, of_labels)
    told = drift_parts.progress()
    try:
        with tempfile.TemporaryDirectory(prefix="atlas-ops-labels-") as made:
            folder = Path(made)
            one = sides.read(
                predictions, of_predictions, folder / "predictions",
                lambda rows: told("predictions", rows), threshold=args.threshold,
            )  # fmt: skip
            if args.time:
                _check_times(one, args.time)
            other = sides.read(labels, of_labels, folder / "labels", lambda rows: told("labels", rows))
            if args.label_time:
                _check_times(other, args.label_time)
            return join.join(one, other, timed=bool(args.time), labels_timed=bool(args.label_time), kind=args.kind)
    except OSError as error:
        raise EnvironmentProblem(
            f"the parts of the join cannot be written: {error.strerror}",
            next_step="set TMPDIR to a folder with more room",
        ) from error


def _labels(args: argparse.Namespace, columns: Columns) -> Source:
    if "://" not in args.labels:
        if args.query or args.table:
            raise UsageError(
                "--query and --table are for a database",
                next_step="give its address, such as postgresql://reader@db/fraud",
            )
        from atlas_ops.drift.labels.files import Files  # noqa: PLC0415 - pyarrow

        return Files(Path(args.labels), columns)
    if bool(args.query) == bool(args.table):
        raise UsageError("a database needs either --query or --table", next_step="such as --table labels")
    from atlas_ops.drift.labels.sql import Database  # noqa: PLC0415 - sqlalchemy

    return Database(args.labels, query=args.query, table_name=args.table, environment=os.environ)


def _check_times(side: Side, column: str) -> None:
    from atlas_ops.drift.fit import check_times, check_untimed  # noqa: PLC0415 - numpy

    if side.span[0] <= side.span[1]:
        check_times(*side.span, column)
        check_untimed(side.untimed, side.rows - side.without_key - side.without_value, column)


def _wish(args: argparse.Namespace) -> Wish:
    """Return what was asked for; UsageError for what does not fit together."""
    baseline = _baseline(args.baseline) if args.baseline else None
    timed = [name for name, given in (("--since", args.since), ("--settled", args.settled)) if given]
    timed += ["--baseline FROM/TO"] if isinstance(baseline, tuple) else []
    if timed and not args.time:
        raise UsageError(
            f"{' and '.join(timed)} needs --time COLUMN", next_step="name the column of the predictions' times"
        )
    if args.settled < 0:
        raise UsageError("--settled cannot be below 0", next_step="give days, such as --settled 7")
    from atlas_ops.drift.labels.outcome import Wish  # noqa: PLC0415 - numpy
    from atlas_ops.drift.labels.quality import Per  # noqa: PLC0415

    return Wish(
        baseline=baseline,
        since=_moment(args.since, "--since") if args.since else None,
        settled=args.settled * _DAY,
        per=Per(args.per),
        margin=args.margin,
        detect=args.detect,
    )


def _baseline(text: str) -> float | tuple[float, float]:
    if "/" in text:
        first, _, last = text.partition("/")
        start, end = _moment(first, "--baseline"), _moment(last, "--baseline")
        if start >= end:
            raise UsageError(f"--baseline: {text} ends before it begins", next_step="write FROM/TO")
        return start, end
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(
            f"--baseline: found {text!r}",
            next_step="expected FROM/TO such as 2026-09-01/2026-10-01, or a number such as 97%",
        )
    return number


def _moment(text: str, option: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option}: found {text!r}", next_step="expected a time such as 2026-09-01 or 2026-09-01T12:00:00+02:00"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _percent(text: str) -> float:
    try:
        if not text.endswith("%"):
            raise ValueError
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected per cent such as 5%") from None
    if not 0 <= value < 10:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected at least 0% and less than 1000%")
    return value
