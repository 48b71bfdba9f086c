"""The drift board tells what the detectors find, and whether requests are still those of the day before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.drift import workload
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.render.dashboards.boards import drift
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, States, Table
from atlas_ops.settings import Settings
from tests.render.dashboards import five_servers
from tests.render.dashboards.five_servers import NOW, asked, constant, growing, panel, series, then

SETTINGS = Settings()
BOARD = drift.board(build_catalog(SETTINGS.parameters), SETTINGS)
JOB = {"job": "atlas-watch", "instance": "w:1"}
SIZE = {c.FEATURE: "size"}
CHAT, SMALL = {c.MODEL: "chat"}, {c.MODEL: "small"}
FOUND = {
    **{
        series(signal, **JOB, **model, feature=feature, detector=detector): values
        for model, feature, detector, verdict, score in (
            (CHAT, "prompt_tokens", "seasonal", then(0, 1), constant(1.4)),
            (CHAT, "prompt_tokens", "slow", constant(0), constant(0.6)),
            (CHAT, "embedding", "seasonal", constant(0), constant(0.1)),
            (SMALL, "prediction", "cold", constant(0), constant(0.2)),
        )
        for signal, values in ((s.DRIFT_DETECTED, verdict), (s.DRIFT_SCORE, score))
    },
    **{
        series(s.FEATURE_VALUES, **CHAT, **SIZE, bin=name, instance=pod): growing(each)
        for pod in ("p:1", "p:2")
        for name, each in (("00", 1), ("01", 3), ("missing", 0))
    },
    **{
        series(s.FEATURE_REFERENCE_SHARE, **CHAT, **SIZE, bin=name, instance=pod): constant(share)
        for pod in ("p:1", "p:2")
        for name, share in (("00", 0.7), ("01", 0.2), ("missing", 0.1))
    },
    **{
        series(s.REQUESTS_FINISHED, **CHAT, server=server, reason=reason): growing(each)
        for server in ("a", "b")
        for reason, each in (("stop", 3), ("length", 1), ("error", 0))
    },
    series(s.DRIFT_REFERENCE_INFO, **JOB, **CHAT, reference="2025-12-01"): constant(1),
    series(s.WATCH_LAST_SUCCESS, **JOB): constant(NOW - 30),
    series(s.WATCH_SUCCESS, **JOB, **CHAT): constant(1),
    series(s.WATCH_SUCCESS, **JOB, **SMALL): constant(0),
    series(s.WATCH_COUNTED_UNTIL, **JOB, **CHAT): constant(NOW - 90),
    **{
        series(name, **model, runtime="vllm", **feature): constant(value)
        for model, feature, name, value in (
            (CHAT, {"feature": "prompt_tokens"}, workload.LENGTH, 3000),
            (CHAT, {"feature": "prompt_tokens"}, workload.USUAL_LENGTH, 1000),
            (SMALL, {"feature": "prompt_tokens"}, workload.LENGTH, 50),
            (CHAT, {}, workload.TTFT_MEAN, 0.5),
            (CHAT, {}, workload.USUAL_TTFT, 0.2),
        )
    },
}


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with five_servers.started(tmp_path_factory.mktemp("prometheus"), FOUND) as started:
        yield started


def test_it_counts_the_features_that_have_drifted_and_those_that_are_watched(replay: Replay) -> None:
    counted = {
        (key, model): asked(replay, panel(BOARD, key, Number).query, at=NOW, model=model)[()]
        for key in ("features-drifted", "features-watched")
        for model in (".*", "small")
    }
    assert list(counted.values()) == [1, 0, 3, 1]


def test_the_verdict_on_each_feature_is_told_and_the_scores_behind_it(replay: Replay) -> None:
    bands = panel(BOARD, "drift-verdicts", States)
    found = asked(replay, bands.queries[0], "model", "feature", at=NOW, model="chat")
    assert {feature: bands.states[value][0] for (_, feature), value in found.items()} == {
        "prompt_tokens": "drifted",
        "embedding": "as usual",
    }
    only = {"model": "chat", "feature": "prompt_tokens"}
    chart = panel(BOARD, "drift-scores", Chart)
    assert asked(replay, chart.queries[0], "detector", at=NOW, **only) == {("seasonal",): 1.4, ("slow",): 0.6}
    assert chart.limit == Limit(value=1)
    verdict, score = (
        asked(replay, query, "model", "feature", "detector") for query in panel(BOARD, "drift-features", Table).queries
    )
    assert verdict.keys() == score.keys()
    assert [row for row, found in verdict.items() if found] == [("chat", "prompt_tokens", "seasonal")]


def test_each_bin_that_servers_count_stands_beside_the_reference(replay: Replay) -> None:
    now, reference = panel(BOARD, "drift-bins", Table).queries
    shares = asked(replay, now, "model", "feature", "bin", model="chat")
    assert shares == {("chat", "size", "00"): 0.25, ("chat", "size", "01"): 0.75, ("chat", "size", "missing"): 0}
    usual = asked(replay, reference, "model", "feature", "bin", model="chat")
    assert usual == {("chat", "size", "00"): 0.7, ("chat", "size", "01"): 0.2, ("chat", "size", "missing"): 0.1}


def test_where_rules_record_the_shares_of_an_hour_these_are_shown() -> None:
    recorded = settings.parse("drift: {promql: true}")
    shown = panel(drift.board(build_catalog(recorded.parameters), recorded), "drift-bins", Table)
    assert shown.queries[0].expr.startswith("model_feature_bin:atlas_feature_values:share1h{")
    assert shown.queries[1].expr.startswith("model_feature_bin:atlas_feature_reference_share:max{")
    assert "the last hour" in shown.shows


def test_the_reference_and_the_last_round_are_told(replay: Replay) -> None:
    references = panel(BOARD, "drift-references", Table).queries[0]
    assert asked(replay, references, "model", "reference") == {("chat", "2025-12-01"): 1}
    assert asked(replay, panel(BOARD, "detectors-last-round", Number).query, "job") == {("atlas-watch",): 30}


def test_each_model_is_told_with_whether_it_can_be_judged_and_the_age_of_its_counts(replay: Replay) -> None:
    judged, age = (asked(replay, query, "model", at=NOW) for query in panel(BOARD, "drift-models", Table).queries)
    assert judged == {("chat",): 1, ("small",): 0}
    assert age == {("chat",): 90}


def test_requests_are_held_against_those_of_the_day_before_where_there_was_one(replay: Replay) -> None:
    # A feature that the detectors know is no matter of tokens.
    chosen = {"feature": "embedding"}
    shift, slowdown = (panel(BOARD, key, Chart).queries[0] for key in ("mix-shift", "mix-slowdown"))
    assert asked(replay, shift, "model", "feature", at=NOW, **chosen) == {("chat", "prompt_tokens"): 3}
    assert asked(replay, slowdown, "model", at=NOW, **chosen) == {("chat",): 2.5}


def test_why_answers_end_is_told_in_shares(replay: Replay) -> None:
    shares = asked(replay, panel(BOARD, "ends-of-answers", Chart).queries[0], "model", "reason")
    assert shares == {("chat", "stop"): 0.75, ("chat", "length"): 0.25, ("chat", "error"): 0}


@pytest.mark.parametrize(
    ("limit", "key"), [("workload_shift_ratio", "mix-shift"), ("workload_slowdown_ratio", "mix-slowdown")]
)
def test_settings_move_the_limits(limit: str, key: str) -> None:
    changed = settings.parse(f"limits: {{{limit}: 4}}")
    board = drift.board(build_catalog(changed.parameters), changed)
    assert panel(BOARD, key, Chart).limit != Limit(value=4)
    assert panel(board, key, Chart).limit == Limit(value=4)
