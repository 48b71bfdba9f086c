"""A healthy simulated fleet leaves no panel of any dashboard empty, whatever is chosen above it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.play import Course, Play
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.simulator import scenario_by_name
from atlas_ops.simulator.effects import AutoscalerEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase
from tests.render.dashboards.built import BOARDS, CATALOG, DEFAULT, NAMES, dashboard, queried

from .excuses import may_be_empty, promised, untold
from .grafana import Chosen, View

_EVERYTHING = Rule(name="everything", alert=False, expr='{__name__!=""}')
_CALM = scenario_by_name("calm")
_SERVER = ServerEffect(track="stable", probe="ok", accepted_share=0.7, adapters_running=2)
_EFFECT = replace(
    _CALM.calm,
    every_server=_SERVER,
    servers={2: replace(_SERVER, track="canary")},
    autoscaler=AutoscalerEffect(desired=3, ready=3, maximum=16),
)
FLEET = replace(
    _CALM,
    servers=3,
    calm=_EFFECT,
    course=(Phase(effect=_EFFECT),),
    calm_minutes=20.0,
    active_minutes=0.25,
    after_minutes=0.0,
    history_days=0.1,
)
"""vLLM servers, well, with all that they can have: peers, a canary, probes, speculation, adapters, an autoscaler, a past."""
NOT_ALWAYS = {
    "atlas_gpu_retired_pages_total": "only GPUs before Ampere have it",
    "count by (runtime, signal) (atlas_signal_resolved": "only where a signal is missing",
}
"""{part of a query: why it has no answer here}, of queries beside others in panels that are never empty."""
WITHOUT_VALUES = {"cluster", "alertname"}
"""One Prometheus has no `cluster` on its series, and nothing fires."""


@dataclass(frozen=True)
class Told:
    replay: Replay
    play: Play

    def view(self, name: str) -> View:
        (board,) = (board for board in BOARDS if board.name == name)
        return View(
            board=dashboard(name),
            hours=board.hours,
            end=self.play.evaluations.times[-1],
            prometheus=self.replay.prometheus,
        )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    play = Course(FLEET, seed=1, timing=DEFAULT.parameters.timing).finish(FLEET)
    with Replay.started(tmp_path_factory.mktemp("fleet")) as replay:
        replay.load(play.table, (_EVERYTHING,))
        replay.record(rules.of_catalog(CATALOG, DEFAULT), play.recordings)
        yield Told(replay, play)


def choices(view: View) -> Iterator[Chosen]:
    """Yield what it opens on; every value at once where that is not All; each value of each variable alone.

    And in each variable the first of what the choices before it leave.
    """
    yield {}
    chosen: dict[str, str] = {}
    for name, has_all in ((variable["name"], variable["includeAll"]) for variable in view.variables):
        if not has_all:
            yield {name: tuple(view.values(name, {}))}
        yield from ({name: value} for value in view.values(name, {}))
        if left := view.values(name, chosen):
            chosen[name] = left[0]
    yield chosen


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_has_something_to_choose(name: str, told: Told) -> None:
    view = told.view(name)
    empty = {one["name"] for one in view.variables if not view.values(one["name"], {})}
    assert empty <= WITHOUT_VALUES


@pytest.mark.parametrize("name", NAMES)
def test_no_query_is_refused_or_without_an_answer(name: str, told: Told) -> None:
    view = told.view(name)
    vllm = promised("vllm")
    allowed = may_be_empty(next(board for board in BOARDS if board.name == name))

    def excused(panel: int, expr: str) -> bool:
        return panel in allowed or untold(expr, vllm) or any(part in expr for part in NOT_ALWAYS)

    assert [line for chosen in choices(view) for line in view.unanswered(chosen, excused)] == []


def test_a_query_that_asks_wrongly_is_told(told: Told) -> None:
    view = told.view("fleet")
    panel = next(panel for panel in queried(view.board) if panel["title"] == "Requests running and waiting")
    targets = [
        {**panel["targets"][0], "expr": expr} for expr in ('up{cluster=~"$cluster"}', "up{nobody=~'x'}", "rate(up)")
    ]
    asking = replace(view, board={**view.board, "panels": [{**panel, "targets": targets}]})
    lines = list(asking.unanswered({}, lambda *_: False))
    assert len(lines) == 2
    assert all(f"{panel['title']} A (All)" in line for line in lines)
    assert "no data" in lines[0]
    assert "range vector" in lines[1]


def test_what_is_declared_as_not_always_there_is_asked_for() -> None:
    exprs = [target["expr"] for name in NAMES for panel in queried(dashboard(name)) for target in panel["targets"]]
    assert all(any(part in expr for expr in exprs) for part in NOT_ALWAYS)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, 'up{server=~".*"}[60s]'),
        ({"server": "10.0.0.1:8000"}, r'up{server=~"10\\.0\\.0\\.1:8000"}[60s]'),
        ({"server": ("a", "b:1")}, 'up{server=~"(a|b:1)"}[60s]'),
        ({"server": r"a\b|c"}, r'up{server=~"a\\\\b\\|c"}[60s]'),
    ],
)
def test_what_is_chosen_is_filled_in_as_grafana_does(chosen: Chosen, expected: str) -> None:
    view = View(board=dashboard("incident"), hours=1, end=0, prometheus=Prometheus("http://127.0.0.1:1"))
    assert view.filled('up{server=~"$server"}[$__rate_interval]', chosen) == expected


def test_what_has_no_all_stands_on_its_first_value(told: Told) -> None:
    view = told.view("server")
    first, second, *_ = view.values("server", {})
    assert view.filled('up{server=~"$server"}', {}) == view.filled('up{server=~"$server"}', {"server": first})
    assert view.filled('up{server=~"$server"}', {"server": second}) != view.filled('up{server=~"$server"}', {})


def test_what_changes_slowly_or_costs_much_has_fewer_points_than_pixels() -> None:
    def step(name: str, title: str, *, hours: float = 1) -> int:
        view = View(board=dashboard(name), hours=hours, end=0, prometheus=Prometheus("http://127.0.0.1:1"))
        (panel,) = (panel for panel in queried(view.board) if panel["title"] == title)
        return view.step(panel, panel["targets"][0])

    assert step("slo", "Answered: budget left") == 600
    assert step("slo", "Answered: burn rate over 1h and 5m") == 15
    assert step("slo", "Answered: burn rate over 1h and 5m", hours=24) == 120
    assert step("slo", "Answered: burn rate over 3d and 6h") == 120, "recorded every other minute"
    assert step("model", "Requests running and waiting") == 15
