"""What the rules cost a real Prometheus, at 10, 100 and 1,000 GPUs with a model server for every two of them.

Run by hand (`make bench-rules`), never by the test command. The fleet (`fleet`) is written into an empty Prometheus; then the
rules are loaded and evaluated in real time while scrapes go on. What rules read of older times is written as well: every span
that some rule looks back on, of the series it reads there. So long windows are full, as after weeks.

Printed: how long all groups together take for one interval (mean and worst), the series that they read and write, and the
most expensive rules. Aim: 1,000 GPUs and 500 servers in at most 1 s on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atlas_ops.catalog import build_catalog
from atlas_ops.rehearsal import remote_write, rules
from atlas_ops.rehearsal.samples import Written
from atlas_ops.render import render
from atlas_ops.settings import Settings
from atlas_ops.stage.processes import Process, get, post
from benchmarks.fleet import GPUS_OF_A_NODE, HOUR, STEP_SECONDS, Filling, fleet, node, spans

SIZES = (10, 100, 1000)
AIM_SECONDS = 1.0
TOLD_RULES = 20
PREPARED_SECONDS, PREPARED_SECONDS_OF_A_GPU = 20.0, 0.4
WARM_UP = math.ceil(Settings().parameters.timing.unhurried_seconds / STEP_SECONDS) + 1
"""Intervals that are not counted: by then every group, those of the tickets too, was evaluated."""
_COUNTER = re.compile("_(total|bucket|count|sum)$")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was seen at one size."""

    gpus: int
    models: int
    read: int
    written: int
    seconds: Sequence[float]
    """Of each interval: all groups together, each by how often it is evaluated."""
    together: Sequence[float]
    """The same as if all of them fell into one interval."""
    firing: Sequence[str]
    """Alerts that fired, though all is calm: each is templated once an interval, which costs more than the rules."""
    by_rule: Mapping[str, float]
    """As `seconds`, of each rule by name, on average."""


class Bench:
    """One Prometheus at one size."""

    def __init__(self, folder: Path, gpus: int) -> None:
        self.gpus, self.folder = gpus, folder
        self.rules = rules.of_catalog(build_catalog(), Settings())
        self.fleet = dict(fleet(node(), gpus))
        self.filling = Filling(folder, self.fleet, spans(rule.expr for rule in self.rules))
        self.address, self.prometheus = self.filling.address, self.filling.prometheus

    def measure(self, intervals: int) -> Measured:
        """Fill it, load the rules, and watch them for some intervals."""
        # What is written while the rules are watched is made before, so that nothing but Prometheus works then.
        began = time.time() + PREPARED_SECONDS + PREPARED_SECONDS_OF_A_GPU * self.gpus
        self.filling.fill(began)
        self.filling.record(self.rules, began)
        models = len(self.prometheus.query_range("count by (model) (atlas_requests_running)", began, began, 1))
        rounds = [list(remote_write.bodies(self._after(began, n))) for n in range(1, WARM_UP + intervals + 1)]
        if (early := began - time.time()) < 0:
            raise SystemExit(f"{self.gpus} GPUs: this machine was {-early:.0f} s late; raise PREPARED_SECONDS_OF_A_GPU")
        self._note(f"an hour of {len(self.fleet)} series is written; {early:.0f} s until the rules are loaded")
        time.sleep(early)
        self._load_rules()
        seconds: list[float] = []
        together: list[float] = []
        by_rule: dict[str, list[float]] = defaultdict(list)
        for number, bodies in enumerate(rounds, 1):
            time.sleep(max(0.0, began + STEP_SECONDS * number - time.time()))
            groups = json.loads(get(f"{self.address}/api/v1/rules")[1])["data"]["groups"]
            for body in bodies:
                self.prometheus.write(body)
            # Groups of tickets are evaluated more seldom.
            seconds.append(sum(group["evaluationTime"] * STEP_SECONDS / group["interval"] for group in groups))
            together.append(sum(group["evaluationTime"] for group in groups))
            for name, cost in _costs(groups).items():
                by_rule[name].append(cost)
        return Measured(
            gpus=self.gpus, models=models, read=len(self.fleet), written=self._count('{__name__=~".+:.+:.+"}'),
            seconds=seconds[WARM_UP:],
            together=together[WARM_UP:], firing=self._firing(), by_rule={name: sum(values[WARM_UP:]) / len(values[WARM_UP:]) for name, values in by_rule.items()},
        )  # fmt: skip

    def _after(self, began: float, number: int) -> Iterator[Written]:
        """Yield the sample of each series so many scrapes later: counters go on as in the hour before, gauges stay."""
        passed = STEP_SECONDS * number
        moment = np.array([round((began + passed) * 1000)], dtype=np.int64)
        for series, column in self.fleet.items():
            slope = (column[-1] - column[0]) / HOUR if _COUNTER.search(series.name) else 0.0
            value = column[-1] + slope * passed
            if not np.isnan(value):
                yield Written(series, moment, np.array([value]))

    def _load_rules(self) -> None:
        files = {path: text for path, text in render(build_catalog(), Settings()).items() if path.endswith(".yaml")}
        for path, text in files.items():
            if path.startswith("alerts/") and path.count("/") == 1:
                (self.folder / Path(path).name).write_text(text)
        (self.folder / "prometheus.yml").write_text("rule_files: ['[a-z]*.yaml']\n")
        status, body = post(f"{self.address}/-/reload")
        if status != 200:
            raise SystemExit(f"the rules are refused: {body!r}")

    def _count(self, selector: str) -> int:
        found = self.prometheus.query(f"count({selector})")
        return int(found[0].value) if found else 0

    def _firing(self) -> list[str]:
        found = self.prometheus.query("count by (alertname, alertstate) (ALERTS)")
        return sorted(f"{p.labels['alertname']} {p.labels['alertstate']} {p.value:g}" for p in found)

    def _note(self, text: str) -> None:
        print(f"{self.gpus} GPUs: {text}", file=sys.stderr, flush=True)


def _costs(groups: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what each rule costs an interval, seconds; rules of one name together."""
    found: dict[str, float] = defaultdict(float)
    for group in groups:
        for rule in group["rules"]:
            found[rule["name"]] += rule["evaluationTime"] * STEP_SECONDS / group["interval"]
    return found


def run(gpus: int, intervals: int) -> Measured:
    """Measure one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(folder, gpus)
        with Process("prometheus", bench.filling.command(), log=folder / "prometheus.log") as process:
            process.wait_until_ready(f"{bench.address}/-/ready")
            return bench.measure(intervals)


def tell_line(one: Measured) -> None:
    """Print what was measured at one size."""
    mean, worst = statistics.mean(one.seconds), max(one.together)
    print(
        f"{one.gpus:>6} {one.gpus // GPUS_OF_A_NODE:>8} {one.models:>7} {one.read:>12} {one.written:>8} "
        f"{mean * 1000:>6.0f} ms {worst * 1000:>6.0f} ms {mean / one.gpus * 1e6:>6.0f} us",
        flush=True,
    )


def tell_verdict(largest: Measured) -> None:
    """Print whether the aim is met, and what costs most at the largest size."""
    print(f"alerts there: {', '.join(largest.firing) or 'none'}")
    verdict = "within" if statistics.mean(largest.seconds) <= AIM_SECONDS else "beyond"
    print(
        f"{largest.gpus} GPUs: {verdict} the aim of {AIM_SECONDS:g} s for one interval. The most expensive rules there:"
    )
    for name, seconds in sorted(largest.by_rule.items(), key=lambda pair: -pair[1])[:TOLD_RULES]:
        print(f"  {seconds * 1000:>7.1f} ms  {name}")


def main() -> None:
    """Measure every size that was asked for."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--gpus", type=int, nargs="+", default=SIZES, metavar="N", help="sizes (%(default)s)")
    arguments.add_argument(
        "--intervals", type=int, default=8, metavar="N", help="intervals that are watched (%(default)s)"
    )
    args = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(
        f"{'GPUs':>6} {'servers':>8} {'models':>7} {'series read':>12} {'written':>8} {'mean':>9} {'worst':>9} {'per GPU':>9}"
    )
    for gpus in args.gpus:
        tell_line(found := run(gpus, args.intervals))
    tell_verdict(found)


if __name__ == "__main__":
    main()
