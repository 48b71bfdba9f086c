"""`atlas-ops gate`: compares a canary with the baseline, and says pass, fail or cannot tell."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.cli import machine, prometheus_parts
from atlas_ops.cli.numbers import finite
from atlas_ops.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from atlas_ops.gate.judge import Judgement
    from atlas_ops.gate.metrics import Tolerances
    from atlas_ops.gate.runs import Run

_EPILOG = """\
Runs are compared, not requests: requests of one run share its weather, so thousands of them prove nothing. Each run gives its
median, p90 and p99 of the request latency, time to first token and inter-token latency, its share of errors and its tokens per
second, as far as its file tells them. A metric FAILS where the change is above --margin with certainty (Welch's t test on
logarithms; of releases that do not differ at most 1 in 100 fails, of those worse by just the margin 5 in 100, all metrics
together). All PASS where a change by --detect or more is excluded (5 % error). Otherwise the gate cannot tell, and says how many
more runs it takes. It wants 5 runs on each side, and 5 requests beyond a quantile in each run: 500 in all for a p99.

No pass is given where the canary had less load than the baseline by --detect, where half of the baseline's own requests failed, or
where nobody says how many failed.

files      one run each, of k6 (--out json=FILE or csv=FILE, --summary-export FILE), Locust (--csv: NAME_stats.csv,
           NAME_stats_history.csv), vllm bench serve (--save-result, better with --save-detailed), sglang.bench_serving (--output-file, with
           --output-details), AIPerf (profile_export.jsonl, profile_export_aiperf.json), GenAI-Perf, or JSON lines, one request a
           line: latency_seconds, and optional start_seconds, time_to_first_token_seconds, inter_token_latency_seconds,
           generation_tokens, error, run; the same file twice, or a copy, is refused
--run      runs load in turns (A B B A ...) and stops early, no shell: {url} and {output} are filled in
Prometheus every window is a run, at the same time on both sides. Histograms know no quantiles, so what is compared is the share
           of requests slower than a bucket bound, one near the baseline's median, p90 and p99; --margin becomes the rise of that
           share which so much slower requests would make. Where no bound that both sides have lies among the requests, their mean
           is compared. Windows without requests of both sides do not count; a server on both sides is refused. Throughput and cost
           are not compared: traffic decides them. Energy per token is, where the GPUs of both sides are known
           (atlas_gpu_workload_info) and equally busy, within 10 %

examples:
  atlas-ops gate --baseline old/*.json --canary new/*.json --junit gate.xml --markdown gate.md
  atlas-ops gate --run 'k6 run --out json={output} -e URL={url} load.js' --baseline-url http://old:8000 \\
                 --canary-url http://new:8000 --runs 10
  atlas-ops gate --run 'locust --headless -f load.py -u 8 -t 60s --host {url} --csv {output}' \\
                 --baseline-url http://old:8000 --canary-url http://new:8000
  atlas-ops gate --prometheus http://prometheus:9090 --model llama-3-8b --baseline-selector 'server=~"old.*"' \\
                 --canary-selector 'server=~"new.*"' --runs 8 --run-minutes 10

exit codes:
  0  pass
  1  fail: the canary is worse
  2  the command line or the file of --http-config is wrong, or a result cannot be read or compared
  3  cannot tell: more runs are needed, one side does not tell a metric, or the two are not to be compared so
  4  Prometheus does not answer, the load command is not installed, or an extra is missing
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "gate",
        help="compare a canary with the baseline: pass, fail or cannot tell",
        description="Compare a canary with the baseline, from results of load tests, by running load, or from Prometheus.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for side in ("baseline", "canary"):
        parser.add_argument(
            f"--{side}", type=Path, nargs="+", default=[], metavar="FILE", help=f"results of the {side}"
        )
    _add_load(parser)
    _add_prometheus(parser)
    _add_limits(parser)
    for name, what in (
        ("junit", "as JUnit XML"),
        ("markdown", "as Markdown"),
        ("json", "as JSON"),
        ("plot", "as an SVG plot"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the result there {what}")


def _add_load(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run load")
    group.add_argument("--run", metavar="COMMAND", help="the load generator, with {url} and {output}")
    group.add_argument("--baseline-url", metavar="URL")
    group.add_argument("--canary-url", metavar="URL")
    group.add_argument(
        "--warm-up", type=int, default=1, metavar="N", help="runs on each side that do not count (%(default)s)"
    )
    group.add_argument(
        "--timeout", type=finite, default=3600.0, metavar="S", help="seconds that one run may take (%(default)g)"
    )
    group.add_argument("--keep", type=Path, metavar="DIR", help="keep the results in this folder")


def _add_prometheus(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("from Prometheus")
    prometheus_parts.add(group, required=False)
    group.add_argument("--model", metavar="NAME")
    for side in ("baseline", "canary"):
        group.add_argument(
            f"--{side}-selector", metavar="MATCHERS", help=f"which series are the {side}'s, as in PromQL"
        )
    group.add_argument("--run-minutes", type=finite, default=10.0, metavar="M", help="length of a window (%(default)g)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs", type=int, default=8, metavar="N", help="runs or windows on each side, at most (%(default)s)"
    )
    for name, default, words in (
        ("margin", "5%", "a change that is allowed"),
        ("detect", "20%", "a change that has to be found"),
        ("error-margin", "0.5%", "percentage points of errors that are allowed"),
        ("error-detect", "2%", "percentage points of errors that have to be found"),
    ):
        parser.add_argument(
            f"--{name}", type=_percent, default=default, metavar="P%", help=f"{words} ({default})".replace("%", "%%")
        )
    parser.add_argument("--skip-runs", type=int, default=0, metavar="N", help="leave out the first runs of each side")
    parser.add_argument(
        "--skip-seconds", type=finite, default=0.0, metavar="S", help="leave out what began in a run's first seconds"
    )
    parser.add_argument(
        "--gpu-cost", type=finite, metavar="C", help="cost of an hour of all the GPUs that the baseline runs on"
    )
    parser.add_argument("--canary-gpu-cost", type=finite, metavar="C", help="the canary's, where it differs")


def run(args: argparse.Namespace) -> int:
    """Judge; see the exit codes in the help."""
    _check(args)
    from atlas_ops.detect.gate import Verdict  # noqa: PLC0415 - numpy

    judgement = _judgement(args)
    from atlas_ops.gate.report import terminal  # noqa: PLC0415

    print(terminal.text(judgement), end="")
    _write(args, judgement)
    return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.CANNOT_TELL: 3}[judgement.verdict]


def _check(args: argparse.Namespace) -> None:
    ways = {"--baseline and --canary": args.baseline or args.canary, "--run": args.run, "--prometheus": args.prometheus}
    if sum(map(bool, ways.values())) != 1:
        raise UsageError(f"give one of {', '.join(ways)}", next_step="atlas-ops gate --help has examples")
    needed = {
        "--run": ("baseline_url", "canary_url"),
        "--prometheus": ("model", "baseline_selector", "canary_selector"),
    }.get(next(way for way, given in ways.items() if given), ("baseline", "canary"))
    missing = [f"--{name.replace('_', '-')}" for name in needed if not getattr(args, name)]
    if missing:
        raise UsageError(f"{' and '.join(missing)} is missing", next_step="atlas-ops gate --help has examples")
    if args.http_config and not args.prometheus:
        raise UsageError("--http-config needs --prometheus", next_step="leave it out, or name the Prometheus as well")
    if args.prometheus and (args.gpu_cost or args.canary_gpu_cost):
        raise UsageError(
            "--gpu-cost is for results of load: in Prometheus traffic decides how many tokens a paid hour has",
            next_step="leave it out; energy per token is compared where GPUs are known",
        )
    if args.detect <= args.margin or args.error_detect <= args.error_margin:
        raise UsageError(
            "--detect has to be above --margin, and --error-detect above --error-margin", next_step="raise it"
        )
    positive = [name for name in ("gpu_cost", "canary_gpu_cost") if getattr(args, name) is not None]
    for name in (*positive, "runs", "timeout", "run_minutes"):
        if not getattr(args, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} has to be above 0", next_step="give a larger number")
    if min(args.skip_runs, args.skip_seconds, args.warm_up) < 0:
        raise UsageError("--skip-runs, --skip-seconds and --warm-up cannot be below 0", next_step="give 0 or more")
    machine.need("drift", "numpy")
    if args.plot:
        machine.need("charts", "matplotlib")


def _judgement(args: argparse.Namespace) -> Judgement:
    from atlas_ops.gate import reading  # noqa: PLC0415 - numpy
    from atlas_ops.gate.metrics import Tolerances  # noqa: PLC0415
    from atlas_ops.gate.reading import twice  # noqa: PLC0415

    tolerances = Tolerances(
        margin=args.margin, detect=args.detect, error_margin=args.error_margin, error_detect=args.error_detect
    )
    if args.run:
        return _run_load(args, tolerances)
    if args.prometheus:
        return _from_prometheus(args, tolerances)
    twice.check([*args.baseline, *args.canary])
    sides = [reading.read(files, args.skip_seconds)[args.skip_runs :] for files in (args.baseline, args.canary)]
    return _judged(args, tolerances, sides[0], sides[1])


def _judged(
    args: argparse.Namespace, tolerances: Tolerances, baseline: Sequence[Run], canary: Sequence[Run], looks: int = 1
) -> Judgement:
    from atlas_ops.gate.judge import judge  # noqa: PLC0415 - numpy
    from atlas_ops.gate.metrics import standard  # noqa: PLC0415

    if (cost := args.gpu_cost or args.canary_gpu_cost) is not None:
        baseline = [run.priced(args.gpu_cost or cost) for run in baseline]
        canary = [run.priced(args.canary_gpu_cost or cost) for run in canary]
    return judge(baseline, canary, standard(tolerances), tolerances, looks=looks)


def _run_load(args: argparse.Namespace, tolerances: Tolerances) -> Judgement:
    from atlas_ops.gate import interleaved  # noqa: PLC0415 - numpy

    # A pipeline that is cancelled sends SIGTERM, and the load must end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="atlas-ops-gate-") as scratch:
        plan = interleaved.Plan(
            command=args.run,
            urls=(args.baseline_url, args.canary_url),
            runs=args.runs,
            warm_up=args.warm_up,
            folder=_folder(args.keep) if args.keep else Path(scratch),
            timeout_seconds=args.timeout,
            skip_seconds=args.skip_seconds,
        )
        return interleaved.judged(
            plan,
            lambda baseline, canary: _judged(args, tolerances, baseline, canary, plan.looks),
            lambda text: print(text, file=sys.stderr, flush=True),
        )


def _from_prometheus(args: argparse.Namespace, tolerances: Tolerances) -> Judgement:
    from atlas_ops.gate import histograms  # noqa: PLC0415 - numpy
    from atlas_ops.gate.judge import judge  # noqa: PLC0415
    from atlas_ops.gate.windows import Windows  # noqa: PLC0415

    windows = Windows(count=args.runs, seconds=60 * args.run_minutes)
    selectors = (args.baseline_selector, args.canary_selector)
    with prometheus_parts.client(args) as client:
        found = histograms.read(client, args.model, selectors, windows, tolerances)
    return judge(found.baseline, found.canary, found.metrics, tolerances, known=found.doubts)


def _write(args: argparse.Namespace, judgement: Judgement) -> None:
    from atlas_ops.gate.report import document, junit, markdown  # noqa: PLC0415 - numpy

    for path, form in ((args.junit, junit), (args.markdown, markdown), (args.json, document)):
        if path:
            machine.write(path, form.text(judgement))
    if args.plot:
        from atlas_ops.gate.report import plot  # noqa: PLC0415 - matplotlib

        machine.write(args.plot, plot.svg(judgement))


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be made: {error.strerror}", next_step="give another folder") from error
    if any(path.iterdir()):
        raise UsageError(
            f"--keep: {path} is not empty", next_step="give a new folder: old results must not be taken for new ones"
        )
    return path.absolute()


def _percent(text: str) -> float:
    number = text.removesuffix("%").strip()
    try:
        if not text.endswith("%"):
            raise ValueError
        value = float(number) / 100
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected per cent such as 20%") from None
    if not 0 < value < 10:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected more than 0% and less than 1000%")
    return value
