"""For servers of each runtime, as their real pages tell it, every panel that its dashboards keep has data.

Judged are the queries that read nothing but what servers tell; GPUs, alerts and detectors are the fleet's part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialect_entries import SPOKEN_SIGNALS
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.translate import Facts, Translator
from atlas_ops.expressions import parsed, placeholders
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Table, Values
from atlas_ops.render.dashboards.panels import Board
from tests.exporter.pages import CAPTURES, runtime_of, text_of
from tests.exporter.pages import parsed as page_of
from tests.render.dashboards.built import BOARDS, CATALOG, DEFAULT, Json, dashboard, queried

from .excuses import JUDGE, OfPages, may_be_empty, promised, untold
from .grafana import View

RUNTIMES = tuple(dict.fromkeys(map(runtime_of, CAPTURES)))
APART_SECONDS = 4 * 86400
"""From the end of one runtime to the end of the next: they share a Prometheus, and none is seen by the windows of another."""
LAST_SECONDS, STEP_SECONDS = 2.75 * 3600, 30
"""Longer than rules need before they know what is usual."""
BEGAN = 1_767_225_600
GROWTH, TOKENS = 1e-2, 500.0
"""What is counted grows in a second by this share of the captured page's value; counters by this number besides."""
_EVERYTHING = Rule(name="everything", alert=False, expr='{__name__!=""}')
_READY = {"readiness": s.SERVER_READY, "model": s.MODEL_READY}
"""{what an endpoint tells: its signal}."""
_LABELS = (("job", "atlas-exporter"), ("instance", "node-1:9464"))


def ended(runtime: str) -> int:
    return BEGAN + APART_SECONDS * (1 + RUNTIMES.index(runtime))


def samples(dialect: Dialect, capture: str, place: int) -> Iterator[Sample]:
    """Yield what the exporter tells of a server with this page: of the page, of its endpoints, and of the server itself."""
    who = Identity(server=f"10.0.0.{place}:8000", host_name="node-1", namespace="demo", pod=f"pod-{place}")
    translated = Translator(dialect, who, 64)
    asked = {answer.signal for question in dialect.questions for answer in question.answers if answer.signal}
    asked |= {_READY[one.tells] for one in dialect.endpoints if one.tells in _READY}
    page = translated.translate(page_of(text_of(capture)), Facts(told=frozenset(asked)))
    yield from page
    for signal in {s.SERVER_UP, *asked} - {sample.signal for sample in page}:
        for model in translated.models if "model" in signal.labels else ("",):
            yield Sample(signal, who.labels(signal, runtime=dialect.runtime, model=model), 1.0)


@functools.cache
def told(runtime: str) -> tuple[Sample, ...]:
    """Return what is told by servers of a runtime, one for each captured page."""
    (dialect,) = (dialect for dialect in shipped_dialects() if dialect.runtime == runtime)
    captures = (capture for capture in CAPTURES if runtime_of(capture) == runtime)
    return tuple(sample for place, capture in enumerate(captures) for sample in samples(dialect, capture, place))


def columns(runtime: str, times: Values) -> Iterator[tuple[Series, Values]]:
    """Yield what is told over time; histograms grow in proportion, so that they stay some."""
    since = times - times[0]
    growth = {SignalType.GAUGE: (0.0, 0.0), SignalType.COUNTER: (GROWTH, TOKENS), SignalType.HISTOGRAM: (GROWTH, 0.0)}
    for sample in told(runtime):
        ratio, tokens = growth[sample.signal.type]
        values = sample.value * (1 + ratio * since) + tokens * since
        yield Series(f"{sample.signal}{sample.part}", sample.labels + _LABELS), values


def of_servers(expr: str) -> bool:
    """Say whether a query reads what servers tell, and nothing else."""
    found = parsed(placeholders.filled(expr))
    assert found is not None
    read: set[Signal] = {*JUDGE.firing.signals(found)}
    return bool(read) and read <= {*SPOKEN_SIGNALS, s.SERVER_UP, s.SERVER_INFO, s.SIGNAL_QUALITY}


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    own = [rule for rule in rules.of_catalog(CATALOG, DEFAULT) if of_servers(rule.expr)]
    with Replay.started(tmp_path_factory.mktemp("runtimes")) as replay:
        for runtime in RUNTIMES:
            end = ended(runtime)
            times = np.arange(end - LAST_SECONDS, end + 1, STEP_SECONDS)
            replay.load(Table((1000 * times).astype(np.int64), dict(columns(runtime, times))), (_EVERYTHING,))
            replay.record(own, Evaluations(start=times[0], end=end, step=60))
        yield replay


def of_servers_alone(name: str, config: str) -> Json:
    """Return a dashboard with those of its queries that read what servers tell."""
    found = dashboard(name, config)
    panels = [
        {**panel, "targets": [one for one in panel["targets"] if of_servers(one["expr"])]} for panel in queried(found)
    ]
    return {**found, "panels": panels}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_the_dashboards_of_a_runtime_keep_has_data(runtime: str, replay: Replay) -> None:
    config = f"servers: [{{url: http://127.0.0.1:8000/metrics, runtime: {runtime}}}]"
    pages, promise = OfPages.of(runtime, told(runtime)), promised(runtime)

    def unanswered(board: Board) -> Iterator[str]:
        shown = of_servers_alone(board.name, config)
        view = View(board=shown, hours=0.25, end=ended(runtime), prometheus=replay.prometheus)
        allowed = may_be_empty(board)
        # Each page is that of a server, and no page has everything.
        every = {one["name"]: tuple(view.values(one["name"], {})) for one in view.variables if not one["includeAll"]}
        # What the dialect does not even promise should not be there.
        return view.unanswered(
            every, lambda panel, expr: panel in allowed or (untold(expr, pages) and not untold(expr, promise))
        )

    assert [line for board in BOARDS for line in unanswered(board)] == []
