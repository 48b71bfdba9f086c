"""The model servers of a run as the exporter tells of them, scrape by scrape.

Once for each shape that a page of vLLM takes, it is printed, read and translated by the exporter's own parts, which says
which series there are; what changes from scrape to scrape is then read off the simulated engine itself, ten times as fast.
Pages of other runtimes, which few scenarios have, are translated every time. Called by `exporter`; the tests compare it with the
exporter's translation of every page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.catalog.reading import Version
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.scrape_state import ScrapeState
from atlas_ops.exporter.translate import Facts, Translator
from atlas_ops.rehearsal.samples import Series, Values
from atlas_ops.settings import Exporter
from atlas_ops.simulator.counters import DRAFTED_TOKENS, Counters
from atlas_ops.simulator.effects import Runtime
from atlas_ops.simulator.engine import Engine
from atlas_ops.simulator.histogram import Histogram

READINESS: Mapping[Runtime, tuple[Signal, ...]] = {"vllm": (s.SERVER_READY,), "triton": (s.SERVER_READY, s.MODEL_READY)}
"""What its endpoints tell of whether it is ready."""
_ENDS: Mapping[str, Callable[[Counters], int]] = {
    "ok": lambda n: n.succeeded,
    "error": lambda n: n.finished["error"],
    "rejected": lambda n: n.rejected,
    "cancelled": lambda n: n.finished["abort"],
    "timeout": lambda _: 0,
}
_REASONS = {"stop": "stop", "length": "length", "repetition": "repetition", "cancelled": "abort", "error": "error"}
"""{reason of an answer's end: how vLLM calls it}."""
_NUMBERS: Mapping[Signal, Callable[[Engine], float]] = {
    s.REQUESTS_RUNNING: lambda e: e.requests_running,
    s.REQUESTS_WAITING: lambda e: e.requests_waiting,
    s.PROMPT_TOKENS: lambda e: e.counters.prompt_tokens,
    s.GENERATION_TOKENS: lambda e: e.counters.generation_tokens,
    s.CACHED_PROMPT_TOKENS: lambda e: e.counters.cached_prompt_tokens,
    s.KV_CACHE_USAGE: lambda e: e.blocks_used / e.config.usable_blocks,
    s.PREEMPTIONS: lambda e: e.counters.preemptions,
    s.PREFIX_CACHE_QUERIES: lambda e: e.counters.prefix_cache_queries,
    s.PREFIX_CACHE_HITS: lambda e: e.counters.prefix_cache_hits,
    s.SPEC_DECODE_DRAFT_TOKENS: lambda e: int(e.counters.drafts) * DRAFTED_TOKENS,
    s.SPEC_DECODE_ACCEPTED_TOKENS: lambda e: int(e.counters.accepted_tokens),
}
_HISTOGRAMS: Mapping[Signal, Callable[[Counters], Histogram]] = {
    s.REQUEST_DURATION: lambda n: n.end_to_end,
    s.QUEUE_TIME: lambda n: n.queue_time,
    s.TIME_TO_FIRST_TOKEN: lambda n: n.time_to_first_token,
    s.INTER_TOKEN_LATENCY: lambda n: n.inter_token,
    s.REQUEST_PROMPT_TOKENS: lambda n: n.request_prompt_tokens,
    s.REQUEST_GENERATION_TOKENS: lambda n: n.request_generation_tokens,
}
_Read = Callable[[Engine], Sequence[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shape:
    """The series of one kind of page, in the order of the values that `reads` bring together."""

    series: tuple[Series, ...]
    reads: tuple[_Read, ...]
    counts: Values
    """1 for what is counted, 0 for the rest."""

    def values(self, engine: Engine) -> Values:
        return np.array(list(itertools.chain.from_iterable(read(engine) for read in self.reads)), dtype=np.float64)


@dataclass(kw_only=True)
class ServerScrapes:
    """The exporter's view of one server. `labels` are those that Prometheus puts on every series of the exporter."""

    identity: Identity
    runtime: Runtime
    model: str
    labels: tuple[tuple[str, str], ...]
    restarts: int = 0
    _shapes: dict[object, _Shape] = field(default_factory=dict)
    _shape: _Shape | None = None
    _dropped: dict[str, float] = field(default_factory=dict)
    _began: float | None = None
    _last: Values | None = None
    _before: dict[Series, float] = field(default_factory=dict)
    """What was counted before the last restart."""
    _told: dict[tuple[Signal, ...], tuple[Series, ...]] = field(default_factory=dict)

    def page(
        self, engine: Engine, text: Callable[[], str], began: float, shape: object, *, version: str, frozen: bool
    ) -> tuple[tuple[Series, ...], Sequence[float]]:
        """Return what is told of a page. `began` is the start of the process (Unix time), `version` what its endpoints say.

        Pages of the same process and `shape` have the same series. `text` returns the page as it is when it is called. A
        `frozen` one is the same again and again.
        """
        known = self._shapes.get((began, shape, version, frozen))
        if known is None:
            known = self._learn(text, version, frozen=frozen)
            self._shapes[began, shape, version, frozen] = known
        if self._began is not None and began != self._began:
            self._restarted()
        self._began, self._shape, self._last = began, known, known.values(engine)
        if not self._before:
            return known.series, self._last.tolist()
        before = np.array([self._before.get(series, 0.0) for series in known.series])
        return known.series, (self._last + before * known.counts).tolist()

    def status(self, state: ScrapeState, besides: Mapping[Signal, float]) -> tuple[tuple[Series, ...], Sequence[float]]:
        """Return what is told of the server whatever its state, and what its endpoints and its pod tell besides."""
        told = {s.SERVER_UP: float(state is ScrapeState.OK), s.SERVER_RESTARTS: float(self.restarts), **besides}
        series = self._told.get(tuple(told)) or self._name(tuple(told))
        return series, [*told.values(), *(float(one is state) for one in ScrapeState), *self._dropped.values()]

    def _restarted(self) -> None:
        self.restarts += 1
        if self._shape is not None and self._last is not None:
            for series, value, counted in zip(self._shape.series, self._last, self._shape.counts, strict=True):
                if counted:
                    self._before[series] = self._before.get(series, 0.0) + value

    def _learn(self, text: Callable[[], str], version: str, *, frozen: bool) -> _Shape:
        """Let the exporter translate a page, and find out where on the engine each of its values comes from."""
        dialect = next(dialect for dialect in shipped_dialects() if dialect.runtime == self.runtime)
        translator = Translator(dialect, self.identity, Exporter().max_models)
        told = frozenset((*READINESS[self.runtime], s.MODEL_GPU_MEMORY))
        facts = Facts(version=Version.parse(version) if version else None, told=told)

        def translated() -> Sequence[Sample]:
            return translator.translate(Parser().parse(text().encode()), facts)

        samples = translated()
        self._dropped = {reason: float(number) for reason, number in translator.left_out.items()}
        if self.runtime == "vllm":
            groups = [list(group) for _, group in itertools.groupby(samples, key=lambda sample: sample.signal)]
            reads: tuple[_Read, ...] = tuple(map(_constant if frozen else _read, groups))
        else:
            reads = (lambda _: [sample.value for sample in translated()],)
        return _Shape(
            series=self._series(samples),
            reads=reads,
            counts=np.array([float(sample.signal.type is not SignalType.GAUGE) for sample in samples]),
        )

    def _series(self, samples: Iterable[Sample]) -> tuple[Series, ...]:
        return tuple(Series(f"{one.signal}{one.part}", one.labels + self.labels) for one in samples)

    def _name(self, signals: tuple[Signal, ...]) -> tuple[Series, ...]:
        own = {c.RUNTIME: self.runtime, c.MODEL: self.model}
        samples = [
            *((signal, self.identity.labels(signal, **own)) for signal in signals),
            *(
                (s.SERVER_SCRAPE_STATE, self.identity.labels(s.SERVER_SCRAPE_STATE, **own, state=one.value))
                for one in ScrapeState
            ),
            *(
                (s.EXPORTER_DROPPED, self.identity.labels(s.EXPORTER_DROPPED, **own, reason=why))
                for why in self._dropped
            ),
        ]
        series = self._told[signals] = self._series(Sample(signal, labels, 0.0) for signal, labels in samples)
        return series


def _read(group: Sequence[Sample]) -> _Read:
    """Return how to read the values of one signal off an engine; those that never change are as they are."""
    signal = group[0].signal
    if signal is s.REQUESTS:
        ends = [_ENDS[dict(sample.labels)["outcome"]] for sample in group]
        return lambda engine: [end(engine.counters) for end in ends]
    if signal is s.REQUESTS_FINISHED:
        reasons = [_REASONS.get(dict(sample.labels)["reason"], "") for sample in group]
        return lambda engine: [engine.counters.finished.get(reason, 0) for reason in reasons]
    if signal in _HISTOGRAMS:
        histogram = _HISTOGRAMS[signal]
        return lambda engine: _cells(histogram(engine.counters))[-len(group) :]
    if signal in _NUMBERS:
        number = _NUMBERS[signal]
        return lambda engine: (number(engine),)
    return _constant(group)


def _constant(group: Sequence[Sample]) -> _Read:
    values = [sample.value for sample in group]
    return lambda _: values


def _cells(histogram: Histogram) -> list[float]:
    """Return the values of a histogram in the order in which the exporter tells them; a mean has the last three alone."""
    counts = histogram.cumulative()
    return [*counts, histogram.total, counts[-1]]
