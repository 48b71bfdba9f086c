"""A fleet of any size in an empty Prometheus, for measurements of what asking it costs. Used by `rules` and `dashboards`.

A node of two GPUs and a vLLM server is simulated for an hour of calm and copied, host by host. Of each series as much is
written as somebody reads: an hour at the step of the scrapes, and what lies before it where a window looks back further.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import promql_parser as parser

from atlas_ops.catalog import conventions
from atlas_ops.expressions.firing import nodes
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal import remote_write, rules
from atlas_ops.rehearsal.play import Course
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Times, Values, Written
from atlas_ops.settings import Settings
from atlas_ops.simulator import scenario_by_name
from atlas_ops.stage.processes import free_port, program

GPUS_OF_A_NODE = 2
SERVERS_OF_A_MODEL = 10
STEP_SECONDS = 15
HOUR = 3600
MARGIN_SECONDS = 300.0
_BLOCK = "10y"
"""All of it stays in the head, so series may be written one after the other, each from its beginning."""
_OF_A_NODE = (conventions.EXPORTER_JOB, "vllm", "dcgm-exporter")
"""Jobs of which every node has one."""
_MODEL = ("model", "model_name")
_NAMES = ("host_name", "server", "uuid", "k8s_pod_name", "instance", "pci_bus_id", "pod", "UUID", "Hostname")
"""Labels whose values no two nodes share."""
Span = tuple[float, float]
"""From how long ago to how long ago, seconds, the longer first."""
Spans = Mapping[str, Sequence[Span]]
"""{name of a series: which spans of its past are read}."""


def node(*, native: bool = False) -> dict[Series, Values]:
    """Return the series of a node, an hour long at the step of the scrapes; `native`: the pages as they are as well."""
    calm = replace(scenario_by_name("calm"), calm_minutes=60, active_minutes=0.25, after_minutes=0)
    table = Course(calm, seed=1, timing=Settings().parameters.timing, native=native).finish(calm).table
    labels = {one: dict(one.labels) for one in table.values}
    second = {found["server"] for found in labels.values() if "server" in found and "llama-1" in found.values()}
    return {
        one: column
        for one, column in table.values.items()
        if labels[one].get("server") not in second
        and not (labels[one].get("job") == "vllm" and labels[one].get("pod") == "llama-1")
    }


def fleet(series: Mapping[Series, Values], gpus: int) -> Iterator[tuple[Series, Values]]:
    """Yield the series of every node: copies with names of their own. What is told of a model, or of the cluster, is told once."""
    for number in range(gpus // GPUS_OF_A_NODE):
        model = f"model-{number // SERVERS_OF_A_MODEL}"
        for one, column in series.items():
            labels = dict(one.labels)
            of_node = "host_name" in labels or labels.get("job") in _OF_A_NODE
            if (not of_node and number % SERVERS_OF_A_MODEL) or (not of_node and "model" not in labels and number):
                continue
            yield (
                Series(one.name, tuple((name, _renamed(name, value, number, model)) for name, value in one.labels)),
                column,
            )


def _renamed(label: str, value: str, number: int, model: str) -> str:
    if label in _MODEL:
        return model
    return f"{value}-{number}" if label in _NAMES else value


def spans(exprs: Iterable[str]) -> dict[str, list[Span]]:
    """Return which spans of the past these expressions read of each series by name."""
    found: dict[str, set[Span]] = defaultdict(set)
    for expr in exprs:
        for part in nodes(parser.parse(expr)):
            if isinstance(part, parser.MatrixSelector):
                selector, window = part.vector_selector, part.range.total_seconds()
            elif isinstance(part, parser.VectorSelector):
                selector, window = part, 300.0
            else:
                continue
            offset = selector.offset.total_seconds() if selector.offset else 0.0
            found[str(selector.name)].add((offset + window, offset))
    return {name: sorted(told) for name, told in found.items()}


def past(told: Sequence[Span], now: float, until: float, step: float = STEP_SECONDS) -> Times:
    """Return the times, before `until`, at which samples are needed so that these spans are full. Milliseconds."""
    steps = [np.arange(now - longest - 600, min(now - shortest + 600, until), step) for longest, shortest in told]
    times: Times = np.unique(np.concatenate([*steps, np.array([])]) // step * step * 1000).astype(np.int64)
    return times


class Filling:
    """An empty Prometheus in `folder`, what is written into it, and how far it is read (`spans`)."""

    def __init__(self, folder: Path, series: Mapping[Series, Values], read: Spans) -> None:
        self.folder, self.series, self.spans = folder, series, read
        self.address = f"http://127.0.0.1:{free_port()}"
        self.prometheus = Prometheus(self.address, timeout_seconds=120)

    def command(self) -> list[str]:
        """Return how Prometheus is started: without rules first, and taking samples of any time."""
        (self.folder / "prometheus.yml").write_text("global: {}\n")
        return [
            program("prometheus", "prometheus"), f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={self.address.removeprefix('http://')}",
            "--web.enable-remote-write-receiver", "--web.enable-lifecycle", "--storage.tsdb.retention.time=100y",
            f"--storage.tsdb.min-block-duration={_BLOCK}", f"--storage.tsdb.max-block-duration={_BLOCK}", "--log.level=error",
        ]  # fmt: skip

    def fill(self, now: float) -> None:
        """Write everything until `now` (Unix time)."""
        self.write(self._older(now))
        self.write(self._hour(now))

    def record(self, known: Sequence[Rule], now: float) -> None:
        """Write what the recording rules would have written in the past that somebody looks back on."""
        for level in rules.in_order(rule for rule in known if not rule.alert):
            for rule in level.rules:
                times = past(self.spans.get(rule.name, ()), now, now, step=rule.interval_seconds)
                found = self.prometheus.query_range(rule.expr, now, now, STEP_SECONDS) if len(times) else ()
                self.write(
                    Written(_labelled(rule, one.labels), times, np.full(len(times), one.values[0])) for one in found
                )

    def write(self, written: Iterable[Written]) -> None:
        """Write samples."""
        for body in remote_write.bodies(written):
            self.prometheus.write(body)

    def _hour(self, now: float) -> Iterator[Written]:
        """Yield the last hour, of each series as much as is read of it."""
        for series, column in self.series.items():
            read = max((longest for longest, _ in self.spans.get(series.name, ())), default=0.0)
            kept = min(len(column), int((read + MARGIN_SECONDS) // STEP_SECONDS))
            recent = column[-kept:]
            there = ~np.isnan(recent)
            times = ((now - STEP_SECONDS * np.arange(kept - 1, -1, -1)) * 1000).astype(np.int64)
            yield Written(series, times[there], recent[there])

    def _older(self, now: float) -> Iterator[Written]:
        """Yield what lies before that hour, where it is read: each series goes on as it went."""
        for series, column in self.series.items():
            times = past([span for span in self.spans.get(series.name, ()) if span[0] > HOUR], now, now - HOUR - 60)
            if len(times):
                slope = (column[-1] - column[0]) / HOUR
                yield Written(series, times, np.nan_to_num(column[0] - slope * (now - HOUR - times / 1000)))


def _labelled(rule: Rule, labels: Mapping[str, str]) -> Series:
    kept = {name: value for name, value in labels.items() if name != "__name__"} | dict(rule.labels)
    return Series(rule.name, tuple(sorted(kept.items())))
