"""`atlas-ops capacity`: what a model's servers carry, whether they do for a forecast, and what it costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops import settings
from atlas_ops.cli import machine, prometheus_parts
from atlas_ops.errors import ConfigError, DataError, UsageError

if TYPE_CHECKING:
    from atlas_ops.capacity.report.told import Told

_MOST_DAYS = 366.0
_EPILOG = """\
Read are windows of five minutes of every server. What is told:
  Little's law   arrivals times time in the server, from counters and histograms, against the gauges of running and waiting
                 requests; where the two differ, what that may mean
  saturation     throughput against concurrency, fitted with the curve of a queue; "at least" where no server was ever full
  objective      the rate up to which each latency objective of the settings was kept, judged at a bucket bound
  usable         the least of these, and of the share capacity_used_ratio (0.8) of the saturation: the wait grows as 1/(1 - use)
  replicas       what the forecast takes. The peak is what the demand exceeds in 1 % of the time; --forecast +30% grows it
  cost           GPU-hours, energy, and with --prices the money, for a million tokens produced and for each request, of the time in
                 which the GPUs of all the model's servers were known
Intervals hold 90 %: a bootstrap over blocks of an hour (six hours, from three days on).

a price table (YAML):
  currency: EUR
  gpus:
    - name: NVIDIA H100*      # a pattern over the name of the GPU; the first that fits counts
      per_hour: 3.20

examples:
  atlas-ops capacity --prometheus http://prometheus:9090
  atlas-ops capacity --prometheus http://prometheus:9090 --model 'llama-*' --forecast +30% --prices prices.yaml --html capacity.html
  atlas-ops capacity --prometheus http://prometheus:9090 --model chat --forecast 120 --days 14 --json capacity.json

exit codes:
  0  the replicas that there are, or that the autoscaler may add, do for the peak (or the forecast)
  1  they do not: more replicas are needed to stay within the objectives and below capacity_used_ratio, the limit of
     CapacityHeadroomLow
  2  the command line, the settings, the file of --http-config or the price table is wrong, or Prometheus knows no such model
  3  cannot tell: too little time, no sign of concurrency, no server in the last hour, a forecast beyond what replicas that were never
     full have carried, or one for which the replicas may do or not, by the interval
  4  Prometheus does not answer, a file cannot be written, or an extra is missing
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "capacity",
        help="say what servers carry, how many a forecast takes, and what tokens cost",
        description="Find out from Prometheus what a model's servers carry, whether they do for a forecast, and what it costs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    prometheus_parts.add(parser)
    parser.add_argument("--model", default="*", metavar="GLOB", help="models to look at (default: all)")
    parser.add_argument("--days", type=float, default=7.0, metavar="N", help="how much of the past (default: 7)")
    parser.add_argument(
        "--forecast",
        metavar="RATE|+P%",
        help="requests per second at the peak to all replicas of a model, or growth such as +30%% (default: today's peak)",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="what an hour of each GPU costs")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings with objectives and limits (default: the defaults)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the result there as a page with plots")


def run(args: argparse.Namespace) -> int:
    """Judge every model; see the exit codes in the help."""
    _check(args)
    forecast, growth = _forecast(args.forecast)
    told = _told(args, forecast, growth)
    from atlas_ops.capacity import verdict  # noqa: PLC0415 - numpy
    from atlas_ops.capacity.report import document, text  # noqa: PLC0415

    print(text.text(told), end="")
    if args.json:
        machine.write(args.json, document.text(told))
    if args.html:
        from atlas_ops.capacity.report import page  # noqa: PLC0415 - matplotlib

        machine.write(args.html, page.text(told))
    standing = verdict.overall([one.verdict for one in told])
    return {verdict.Standing.ENOUGH: 0, verdict.Standing.TOO_FEW: 1, verdict.Standing.CANNOT_TELL: 3}[standing]


def _check(args: argparse.Namespace) -> None:
    machine.need("drift", "numpy")
    if args.html:
        machine.need("charts", "matplotlib")
    prometheus_parts.address(args)
    if not 0 < args.days <= _MOST_DAYS:
        raise UsageError(
            f"--days: found {args.days:g}, expected more than 0 and at most {_MOST_DAYS:g}",
            next_step="such as --days 7",
        )
    if not args.model:
        raise UsageError("--model: found an empty pattern", next_step="leave it out for all models")


def _forecast(text: str | None) -> tuple[float | None, float | None]:
    """Return the rate, or the growth as a share; neither without a forecast."""
    if text is None:
        return None, None
    grows = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
        if not (-100 < value < 1e5 if grows else 0 < value < 1e9) or (grows and text[0] not in "+-"):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--forecast: found {text!r}, expected requests per second above 0, or growth with its sign",
            next_step="such as --forecast 120 or --forecast +30%",
        ) from None
    return (None, value / 100) if grows else (value, None)


def _told(args: argparse.Namespace, forecast: float | None, growth: float | None) -> list[Told]:
    from atlas_ops.capacity import cost, gpus, prices, reading  # noqa: PLC0415 - numpy
    from atlas_ops.capacity.assess import assess  # noqa: PLC0415
    from atlas_ops.capacity.report.told import Told  # noqa: PLC0415
    from atlas_ops.capacity.verdict import judge  # noqa: PLC0415

    configured = _settings(args.config)
    table = prices.read(args.prices) if args.prices else None
    with prometheus_parts.client(args, configured) as client:
        span = reading.Span.last(client, args.days)
        models = reading.read(client, args.model, span, configured.parameters)
        held = gpus.read(client, span)
    used = configured.parameters.limits.capacity_used_ratio
    return [
        Told(
            verdict=judge(assess(seen, used, forecast, growth)),
            cost=cost.of(seen, held.get(seen.key, gpus.Held()), table),
        )
        for seen in models
    ]


def _settings(config: Path | None) -> settings.Settings:
    if config is None:
        return settings.Settings()
    try:
        return settings.read(config)
    except ConfigError as error:  # whose own exit code means that it cannot be told here
        raise DataError(error.message, next_step=error.next_step) from error
