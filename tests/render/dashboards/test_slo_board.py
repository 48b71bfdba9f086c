"""The board of service levels: budgets over the whole period, and burn rates against the factors of their alerts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.rules import Rule
from atlas_ops.rehearsal.samples import Series, Table
from atlas_ops.render.dashboards.boards import slo as board
from atlas_ops.render.dashboards.panels import Chart, Limit, Query, queries
from atlas_ops.render.dashboards.parts import levels, slo
from atlas_ops.settings import Settings

DAY = 86400
NOW = 1_767_225_600
EVERYTHING = Rule(name="everything", alert=False, expr='{__name__=~".+"}')
BY = ("model", "runtime")
ANSWERED = levels.LEVELS[0]
"""The level of availability, whose recordings are the ones of the data."""
NAN = float("nan")
TIMES = np.array([1000 * (NOW - DAY * ago) for ago in (6, 3, 0)], dtype=np.int64)
COUNTS: dict[str, dict[str, tuple[float, float, float]]] = {
    "model:atlas_availability_all:increase3d": {"chat": (100_000, 50_000, 50_000), "new": (NAN, NAN, 1000), "idle": (0, 0, 0)},
    "model:atlas_availability_bad:increase3d": {"chat": (10, 0, 20), "new": (NAN, NAN, 2), "idle": (0, 0, 0)},
    "model:atlas_availability_all:increase1h": {"chat": (0, 0, 1000), "new": (0, 0, 100)},
    "model:atlas_availability_bad:increase1h": {"chat": (0, 0, 5), "new": (0, 0, 2)},
    "model:atlas_availability_all:increase5m": {"chat": (0, 0, 100), "new": (0, 0, 10)},
    "model:atlas_availability_bad:increase5m": {"chat": (0, 0, 2), "new": (0, 0, 0)},
}  # fmt: skip
"""{recording: {model: counts six days ago, three days ago, and now}}."""


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    columns = {
        Series(name, (("model", model), ("runtime", "vllm"))): np.array(values, dtype=float)
        for name, models in COUNTS.items()
        for model, values in models.items()
    }
    with Replay.started(folder) as started:
        started.load(Table(TIMES, columns), [EVERYTHING])
        yield started


def asked(replay: Replay, query: Query) -> dict[str, float]:
    """Return the values of now by model."""
    courses = replay.prometheus.query_range(query.expr, NOW, NOW, 15)
    return {course.labels["model"]: round(course.values[-1], 6) for course in courses}


def left(parameters: Parameters) -> Query:
    return slo.budgets_left(parameters).queries[0]


def test_the_budget_is_that_of_all_windows_that_are_recorded_and_new_models_have_fewer(replay: Replay) -> None:
    found = asked(replay, left(Parameters()))
    # 30 of 200,000 failed where 200 may; 2 of 1,000 where 1 may.
    assert found.pop("chat") == 0.85
    assert found.pop("new") == -1.0
    assert math.isnan(found.pop("idle"))
    assert not found


def test_each_model_has_the_budget_and_the_burn_rate_of_its_own_objective(replay: Replay) -> None:
    parameters = Parameters(objectives=(Objective(model="new", availability_target=0.99), Objective()))
    assert asked(replay, left(parameters))["new"] == 0.8
    assert asked(replay, left(parameters))["chat"] == 0.85
    burning = slo.burn_rate(ANSWERED, slo.BURNS[0], parameters, BY)
    assert asked(replay, burning.queries[0]) == {"chat": 5.0, "new": 2.0}


def test_both_windows_of_an_alert_are_shown_with_the_factor_of_which_it_fires(replay: Replay) -> None:
    chart = slo.burn_rate(ANSWERED, slo.BURNS[0], Parameters(), BY, 'model="chat"')
    assert [asked(replay, query)["chat"] for query in chart.queries] == [5.0, 20.0]
    assert [query.legend.split()[-1] for query in chart.queries] == ["1h", "5m"]
    assert chart.limit == Limit(value=burn.PAGE_BURNS[0].factor)


def test_every_pair_of_windows_that_may_wake_somebody_or_make_a_ticket_is_on_the_board() -> None:
    settings = Settings()
    rows = board.board(build_catalog(settings.parameters), settings).rows
    for level, row in zip(levels.LEVELS, rows[-len(levels.LEVELS) :], strict=True):
        charts = [panel for panel in row.panels if isinstance(panel, Chart)]
        assert {chart.faults for chart in charts} == {(level.fault,)}
        limits = [chart.limit.value for chart in charts if chart.limit]
        assert limits == [one.factor for one in (*burn.PAGE_BURNS, *burn.TICKET_BURNS)]
        assert ["a page" in chart.shows for chart in charts] == [True, True, False, False]


def test_it_says_which_objective_holds_for_which_models() -> None:
    fast = Objective(model="chat-*", time_to_first_token_seconds=0.5, time_to_first_token_target=0.995)
    note = levels.objectives(Parameters(objectives=(fast, Objective())))
    table = [line for line in note.text.splitlines() if line.startswith("|")]
    assert table == [
        "| Models | Answered | First token | Between tokens | Whole request |",
        "| --- | --- | --- | --- | --- |",
        "| `chat-*` | 99.9 % | 99.5 % within 0.5 s | 99 % within 0.2 s | 99 % within 60 s |",
        "| `*` | 99.9 % | 99 % within 2.5 s | 99 % within 0.2 s | 99 % within 60 s |",
    ]


def test_what_it_reads_is_what_rules_record() -> None:
    settings = Settings()
    catalog = build_catalog(settings.parameters)
    recorded = {recording.name for fault in catalog.faults for recording in fault.recordings}
    rows = board.board(catalog, settings).rows
    text = " ".join(query.expr for row in rows for panel in row.panels for query in queries(panel))
    read = set(re.findall(r"\bmodel:\w+:\w+", text))
    assert {name.split(":")[1] for name in read} == {
        f"{level.stem}_{which}" for level in levels.LEVELS for which in ("all", "bad")
    }
    assert read <= recorded
