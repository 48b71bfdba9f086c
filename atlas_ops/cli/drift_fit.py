"""`atlas-ops drift fit`: makes a reference of data files."""

from __future__ import annotations

import argparse
from pathlib import Path

from atlas_ops.cli import drift_parts
from atlas_ops.errors import EnvironmentProblem

_EPILOG = """\
Data is Parquet, CSV or JSON lines, by the ending of the file; a folder stands for all such files in it. It is read twice, in
batches: memory does not grow with it. It should be what the model meets when all is well: four weeks or more with times are best,
for then the reference knows what is usual at each hour of the week.

What a column becomes: numbers get ten bins of equal shares; text, yes-or-no, and whole numbers with at most 20 different values
are categories (the 20 most frequent have bins of their own); lists of numbers of one length are embeddings. Left out, and said so:
times other than --time, constant or empty columns, and text that hardly ever repeats. No row and no value is kept, only the edges
of bins, the names of frequent categories, counts, and centres of embeddings.

examples:
  atlas-ops drift fit march.parquet --output fraud.json
  atlas-ops drift fit logs/ --model chat --time at --columns prompt_tokens finish_reason --output chat.json
  atlas-ops drift fit rows.csv more.csv --embedding vector --output search.json

exit codes:
  0  the reference is written
  2  the command line or the data is wrong
  4  numpy or pyarrow is not installed, or the file cannot be written
"""


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action and its arguments."""
    parser = actions.add_parser(
        "fit",
        help="make a reference of data files",
        description="Learn from data what is usual, and write it to a small JSON file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="a file or folder")
    parser.add_argument("--output", type=Path, required=True, metavar="REFERENCE", help="the JSON file to write")
    parser.add_argument(
        "--model", default="", metavar="NAME", help="name of the model (default: that of the output file)"
    )
    parser.add_argument(
        "--time",
        metavar="COLUMN",
        help="column of the rows' times (default: the only one that holds times, if there is one)",
    )
    parser.add_argument("--columns", nargs="+", default=[], metavar="COLUMN", help="watch these alone (default: all)")
    parser.add_argument("--embedding", metavar="COLUMN", help="a column of embeddings to watch beside --columns")


def run(args: argparse.Namespace) -> int:
    """Make the reference; see the exit codes in the help."""
    drift_parts.need("drift", "numpy", "pyarrow")
    from atlas_ops.drift import fit, reference  # noqa: PLC0415 - numpy and pyarrow

    wish = fit.Wish(
        model=args.model or args.output.stem, time=args.time, columns=tuple(args.columns), embedding=args.embedding
    )
    made = fit.fit(args.data, wish, drift_parts.progress())
    try:
        reference.write(made, args.output)
    except OSError as error:
        raise EnvironmentProblem(
            f"{args.output} cannot be written: {error.strerror}", next_step="check the folder"
        ) from error
    print(f"{args.output}: model {made.model}, {made.rows:,} rows, {len(made.features)} features")
    for note in made.notes:
        print(f"note: {note}")
    return 0
