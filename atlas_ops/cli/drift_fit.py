"""`atlas-ops drift fit`: makes a reference of data files, or of what Prometheus knows."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import drift_parts, machine, prometheus_parts
from atlas_ops.drift.printable import printable
from atlas_ops.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from atlas_ops.drift.fit import Wish
    from atlas_ops.drift.reference import Reference

_WEEK, _MOST_WEEKS = 604_800.0, 1_000.0
_EPILOG = """\
Data is Parquet, CSV or JSON lines, by the ending of the file; a folder stands for all such files in it. It is read twice, in
batches: memory does not grow with it. It should be what the model meets when all is well: four weeks or more with times are best,
for then the reference knows what is usual at each hour of the week.

What a column becomes: numbers get ten bins of equal shares; text, yes-or-no, and whole numbers with at most 20 different values
are categories (the 20 most frequent have bins of their own); lists of numbers of one length are embeddings. Left out, and said so:
times other than --time, constant or empty columns, and text that hardly ever repeats. Rows without a time are left out too; more than
a tenth of them is an error, here and in `drift check`. A category of more than 200 characters counts as "other". No row is kept,
only the edges of bins (values of the data, the least and the greatest among them), the names of frequent categories, counts, and
centres of embeddings.

With --prometheus, what the runtimes of LLM servers count becomes features: lengths of prompts and answers, whose bins are the buckets of
the servers' own histograms, and why answers end (finish_reason). With --bins as well, so does what the servers count themselves by that
reference (docs/drift.md, Counting features in your server): its bins stay, everything else is learned from the weeks that Prometheus knows.

With --detector, `drift check` asks a detector of alibi-detect (atlas-ops[alibi]) instead of the reference's own limits: KSDrift and
CVMDrift test numbers, ChiSquareDrift categories, TabularDrift both, FETDrift categories of two values. Then a sample of at most 20,000
of your rows is kept beside the reference, in REFERENCE.rows.npz. These detectors look at files alone; `atlas-ops watch` does not run them.
Licence: the Business Source License 1.1, no use in production without one from Seldon Technologies; you have to accept it.

examples:
  atlas-ops drift fit march.parquet --output fraud.json
  atlas-ops drift fit logs/ --model chat --time at --columns prompt_tokens finish_reason --output chat.json
  atlas-ops drift fit rows.csv more.csv --embedding vector --output search.json
  atlas-ops drift fit --prometheus http://prometheus:9090 --model llama-3-8b --weeks 4 --output llama.json
  atlas-ops drift fit --prometheus http://prometheus:9090 --model fraud --bins fraud.json --output fraud-live.json
  atlas-ops drift fit march.parquet --detector alibi:KSDrift --accept-alibi-licence --output compared.json

exit codes:
  0  the reference is written
  2  the command line, the file of --http-config or the data is wrong
  4  numpy or pyarrow is not installed, the file cannot be written, or Prometheus does not answer
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
    parser.add_argument("data", nargs="*", type=Path, metavar="DATA", help="a file or folder")
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
    prometheus_parts.add(parser, "learn from what this Prometheus knows of --model, not from DATA", required=False)
    parser.add_argument("--weeks", type=float, default=4.0, metavar="N", help="how much of its past (default: 4)")
    parser.add_argument(
        "--bins",
        type=Path,
        metavar="REFERENCE",
        help="with --prometheus: the reference that the servers count their features by",
    )
    parser.add_argument("--embedding", metavar="COLUMN", help="a column of embeddings to watch beside --columns")
    parser.add_argument(
        "--detector", metavar="alibi:NAME", help="let this detector of alibi-detect decide in `drift check`"
    )
    parser.add_argument(
        "--p-value", type=float, default=0.05, metavar="P", help="of --detector, shared by all features (default: 0.05)"
    )
    drift_parts.add_licence(parser)


def run(args: argparse.Namespace) -> int:
    """Make the reference; see the exit codes in the help."""
    machine.need("drift", "numpy", "pyarrow")
    if bool(args.data) == bool(args.prometheus):
        raise UsageError("give either DATA or --prometheus URL", next_step="see --help for examples")
    if (args.bins or args.http_config) and not args.prometheus:
        flag = "--bins" if args.bins else "--http-config"
        raise UsageError(f"{flag} needs --prometheus URL", next_step="see --help for examples")
    if args.detector and args.prometheus:
        raise UsageError("--detector needs rows, and Prometheus has none", next_step="give DATA")
    from atlas_ops.drift import reference  # noqa: PLC0415 - numpy and pyarrow

    try:
        made = _of_prometheus(args) if args.prometheus else _of_files(args)
        reference.write(made, args.output)
    except OSError as error:
        raise EnvironmentProblem(
            f"{args.output} cannot be written: {error.strerror}", next_step="check the folder"
        ) from error
    print(printable(f"{args.output}: model {made.model}, {made.rows:,} rows, {len(made.features)} features"))
    for note in made.notes:
        print(printable(f"note: {note}"))
    return 0


def _of_files(args: argparse.Namespace) -> Reference:
    from atlas_ops.drift import detector, fit, live, rows  # noqa: PLC0415 - numpy and pyarrow

    told = drift_parts.progress()
    if not args.detector:
        return fit.fit(args.data, _wish(args), told)
    chosen = detector.choice(args.detector, args.p_value, accepted=args.accept_alibi_licence)
    machine.need("alibi", "alibi_detect")
    made = fit.fit(args.data, _wish(args), told)
    sampled = rows.sample(*live.opened(made, args.data), lambda number: told("sampling", number))
    return detector.kept(made, chosen, sampled, args.output)


def _wish(args: argparse.Namespace) -> Wish:
    from atlas_ops.drift.fit import Wish  # noqa: PLC0415 - numpy and pyarrow

    return Wish(
        model=args.model or args.output.stem, time=args.time, columns=tuple(args.columns), embedding=args.embedding
    )


def _of_prometheus(args: argparse.Namespace) -> Reference:
    if not args.model:
        raise UsageError("--prometheus needs --model NAME", next_step="such as --model llama-3-8b")
    if not 0 < args.weeks <= _MOST_WEEKS:
        raise UsageError(
            f"--weeks: expected a number above 0, at most {_MOST_WEEKS:.0f}, found {args.weeks:g}",
            next_step="such as --weeks 4",
        )
    from atlas_ops.drift import prometheus_fit  # noqa: PLC0415 - numpy

    bins = drift_parts.reference(args.bins, model=args.model, bins_only=True) if args.bins else None
    told, end = drift_parts.progress("windows of five minutes"), time.time()
    with prometheus_parts.client(args) as client:
        return prometheus_fit.fit(
            client, args.model, end - args.weeks * _WEEK, end, bins, lambda windows: told("reading", windows)
        )
