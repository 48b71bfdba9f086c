"""What the rules cost a real Prometheus, at 10, 100 and 1,000 GPUs with a model server for every two of them.

Run by hand (`make bench-rules`), never by the test command. A node of two GPUs and a vLLM server is simulated for an hour of
calm and copied, host by host, into an empty Prometheus; then the rules are loaded and evaluated in real time while scrapes go
on. What rules read of older times is written as well: every span that some rule looks back on, of the series it reads there.
So long windows are full, as after weeks.

Printed: how long all groups together take for one interval (mean and worst), the series that they read and write, and the
most expensive rules. Aim: 1,000 GPUs and 500 servers in at most 1 s on two cores.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import promql_parser as parser

from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.expressions.firing import nodes
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal import remote_write, rules
from atlas_ops.rehearsal.play import Course
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Times, Values, Written
from atlas_ops.render import render
from atlas_ops.settings import Settings
from atlas_ops.simulator import scenario_by_name
from atlas_ops.stage.processes import Process, free_port, get, post, program

SIZES = (10, 100, 1000)
GPUS_OF_A_NODE = 2
SERVERS_OF_A_MODEL = 10
STEP_SECONDS = 15
HOUR = 3600
AIM_SECONDS = 1.0
MARGIN_SECONDS = 300.0
TOLD_RULES = 20
PREPARED_SECONDS, PREPARED_SECONDS_OF_A_GPU = 20.0, 0.3
_BLOCK = "10y"
"""All of it stays in the head, so series may be written one after the other, each from its beginning."""
WARM_UP = 5
"""Intervals that are not counted: by then every group, those of the tickets too, was evaluated."""
_COUNTER = re.compile("_(total|bucket|count|sum)$")
Span = tuple[float, float]
"""From how long ago to how long ago, seconds, the longer first."""


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


def node() -> dict[Series, Values]:
    """Return the series of a node, an hour long at the step of the scrapes."""
    calm = replace(scenario_by_name("calm"), calm_minutes=60, active_minutes=0.25, after_minutes=0)
    table = Course(calm, seed=1, timing=Settings().parameters.timing, traces=(), native=False).finish(calm).table
    of_second = {
        value
        for one in table.values
        for label, value in one.labels
        if label == "server" and "llama-1" in dict(one.labels).values()
    }
    return {one: column for one, column in table.values.items() if dict(one.labels).get("server") not in of_second}


def fleet(series: Mapping[Series, Values], gpus: int) -> Iterator[tuple[Series, Values]]:
    """Yield the series of every node: copies with names of their own. What is told of a model, or of the cluster, is told once."""
    for number in range(gpus // GPUS_OF_A_NODE):
        model = f"model-{number // SERVERS_OF_A_MODEL}"
        for one, column in series.items():
            labels = dict(one.labels)
            of_node = "host_name" in labels or labels.get("job") == conventions.EXPORTER_JOB
            if (not of_node and number % SERVERS_OF_A_MODEL) or (not of_node and "model" not in labels and number):
                continue
            yield (
                Series(one.name, tuple((name, _renamed(name, value, number, model)) for name, value in one.labels)),
                column,
            )


def _renamed(label: str, value: str, number: int, model: str) -> str:
    if label == "model":
        return model
    return (
        f"{value}-{number}"
        if label in ("host_name", "server", "uuid", "k8s_pod_name", "instance", "pci_bus_id")
        else value
    )


def spans(known: Sequence[Rule]) -> dict[str, list[Span]]:
    """Return which spans of the past the rules read of each series by name."""
    found: dict[str, set[Span]] = defaultdict(set)
    for rule in known:
        for part in nodes(parser.parse(rule.expr)):
            if isinstance(part, parser.MatrixSelector):
                selector, window = part.vector_selector, part.range.total_seconds()
            elif isinstance(part, parser.VectorSelector):
                selector, window = part, 300.0
            else:
                continue
            offset = selector.offset.total_seconds() if selector.offset else 0.0
            found[str(selector.name)].add((offset + window, offset))
    return {name: sorted(told) for name, told in found.items()}


def past(told: Sequence[Span], now: float, until: float) -> Times:
    """Return the times, before `until`, at which samples are needed so that these spans are full. Milliseconds."""
    steps = [
        np.arange(now - longest - 600, min(now - shortest + 600, until), STEP_SECONDS) for longest, shortest in told
    ]
    times: Times = np.unique(np.concatenate([*steps, np.array([])]) // STEP_SECONDS * STEP_SECONDS * 1000).astype(
        np.int64
    )
    return times


class Bench:
    """One Prometheus at one size."""

    def __init__(self, folder: Path, gpus: int) -> None:
        self.gpus, self.folder = gpus, folder
        self.address = f"http://127.0.0.1:{free_port()}"
        self.prometheus = Prometheus(self.address, timeout_seconds=120)
        self.rules = rules.of_catalog(build_catalog(), Settings())
        self.spans = spans(self.rules)
        self.fleet = dict(fleet(node(), gpus))

    def command(self) -> list[str]:
        """Return how Prometheus is started: without rules first, and taking samples of any time."""
        (self.folder / "prometheus.yml").write_text("global: {}\n")
        return [
            program("prometheus", "prometheus"), f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={self.address.removeprefix('http://')}",
            "--web.enable-remote-write-receiver", "--web.enable-lifecycle", "--storage.tsdb.retention.time=100y",
            f"--storage.tsdb.min-block-duration={_BLOCK}", f"--storage.tsdb.max-block-duration={_BLOCK}", "--log.level=error",
        ]  # fmt: skip

    def measure(self, intervals: int) -> Measured:
        """Fill it, load the rules, and watch them for some intervals."""
        # What is written while the rules are watched is made before, so that nothing but Prometheus works then.
        began = time.time() + PREPARED_SECONDS + PREPARED_SECONDS_OF_A_GPU * self.gpus
        self._write(self._older(began))
        self._write(self._hour(began))
        models = self._record(began)
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
            # Groups of tickets are evaluated every fourth time.
            seconds.append(sum(group["evaluationTime"] * STEP_SECONDS / group["interval"] for group in groups))
            together.append(sum(group["evaluationTime"] for group in groups))
            for name, cost in _costs(groups).items():
                by_rule[name].append(cost)
        return Measured(
            gpus=self.gpus, models=models, read=len(self.fleet), written=self._count('{__name__=~".+:.+:.+"}'),
            seconds=seconds[WARM_UP:],
            together=together[WARM_UP:], firing=self._firing(), by_rule={name: sum(values[WARM_UP:]) / len(values[WARM_UP:]) for name, values in by_rule.items()},
        )  # fmt: skip

    def _hour(self, now: float) -> Iterator[Written]:
        """Yield the last hour, of each series as much as rules read of it."""
        for series, column in self.fleet.items():
            read = max((longest for longest, _ in self.spans.get(series.name, ())), default=0.0)
            kept = min(len(column), int((read + MARGIN_SECONDS) // STEP_SECONDS))
            recent = column[-kept:]
            there = ~np.isnan(recent)
            times = ((now - STEP_SECONDS * np.arange(kept - 1, -1, -1)) * 1000).astype(np.int64)
            yield Written(series, times[there], recent[there])

    def _older(self, now: float) -> Iterator[Written]:
        """Yield what lies before that hour, where rules read it: each series goes on as it went."""
        for series, column in self.fleet.items():
            times = past([span for span in self.spans.get(series.name, ()) if span[0] > HOUR], now, now - HOUR - 60)
            if len(times):
                slope = (column[-1] - column[0]) / HOUR
                yield Written(series, times, np.nan_to_num(column[0] - slope * (now - HOUR - times / 1000)))

    def _after(self, began: float, number: int) -> Iterator[Written]:
        """Yield the sample of each series so many scrapes later: counters go on as in the hour before, gauges stay."""
        passed = STEP_SECONDS * number
        moment = np.array([round((began + passed) * 1000)], dtype=np.int64)
        for series, column in self.fleet.items():
            slope = (column[-1] - column[0]) / HOUR if _COUNTER.search(series.name) else 0.0
            value = column[-1] + slope * passed
            if not np.isnan(value):
                yield Written(series, moment, np.array([value]))

    def _record(self, now: float) -> int:
        """Write what the recording rules would have written in the past that rules look back on; return the models seen."""
        for level in rules.in_order(rule for rule in self.rules if not rule.alert):
            for rule in level.rules:
                times = past(self.spans.get(rule.name, ()), now, now)
                found = self.prometheus.query_range(rule.expr, now, now, STEP_SECONDS) if len(times) else ()
                self._write(
                    Written(_labelled(rule, one.labels), times, np.full(len(times), one.values[0])) for one in found
                )
        return len(self.prometheus.query_range("count by (model) (atlas_requests_running)", now, now, STEP_SECONDS))

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

    def _write(self, written: Iterator[Written]) -> None:
        for body in remote_write.bodies(written):
            self.prometheus.write(body)

    def _note(self, text: str) -> None:
        print(f"{self.gpus} GPUs: {text}", file=sys.stderr, flush=True)


def _costs(groups: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return what each rule costs an interval, seconds; rules of one name together."""
    found: dict[str, float] = defaultdict(float)
    for group in groups:
        for rule in group["rules"]:
            found[rule["name"]] += rule["evaluationTime"] * STEP_SECONDS / group["interval"]
    return found


def _labelled(rule: Rule, labels: Mapping[str, str]) -> Series:
    kept = {name: value for name, value in labels.items() if name != "__name__"} | dict(rule.labels)
    return Series(rule.name, tuple(sorted(kept.items())))


def run(gpus: int, intervals: int) -> Measured:
    """Measure one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(folder, gpus)
        with Process("prometheus", bench.command(), log=folder / "prometheus.log") as process:
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
