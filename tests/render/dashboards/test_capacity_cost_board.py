"""The board about capacity and cost tells how full models are, which GPUs idle, and what tokens cost in energy and in GPUs.

Queries are asked of a real Prometheus that holds forty minutes of three models, and the recordings of the catalog made of them:
`chat` in a pod with two GPUs, `night`, which nobody asks, and `small` on a bare host with
two GPUs, beside a third that a pod holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.replay import Evaluations, Replay
from atlas_ops.rehearsal.samples import Series, Values
from atlas_ops.rehearsal.samples import Table as Samples
from atlas_ops.render import links
from atlas_ops.render.dashboards.boards import capacity_cost
from atlas_ops.render.dashboards.panels import Bars, Chart, Limit, Number, Query, Table, of_fault, queries
from atlas_ops.settings import Settings
from tests.render.dashboards.five_servers import asked, panel, series

SETTINGS = Settings()
CATALOG = build_catalog(SETTINGS.parameters)
BOARD = capacity_cost.board(CATALOG, SETTINGS)
STEP, COUNT, BEGAN = 15, 160, 1_767_225_600
NOW = BEGAN + STEP * (COUNT - 1)
EVERYTHING = rules.Rule(name="everything", alert=False, expr='{__name__=~".+"}')
SCRAPES = np.arange(COUNT, dtype=float)


def server(model: str, host: str, pod: str, *, rate: float, seconds: float, tokens: float) -> dict[Series, Values]:
    """Return a server: requests a second, how long each stays, tokens a second."""
    who = {c.RUNTIME: "vllm", c.SERVER: f"{model}:8000", c.MODEL: model, c.HOST_NAME: host, c.K8S_POD: pod}
    who |= {c.K8S_NAMESPACE: "prod"} if pod else {}
    growing = {
        series(s.REQUESTS, **who, outcome="ok"): rate,
        series(s.REQUESTS, **who, outcome="rejected"): rate / 4,
        series(f"{s.REQUEST_DURATION}_count", **who): rate,
        series(f"{s.REQUEST_DURATION}_sum", **who): rate * seconds,
        series(s.GENERATION_TOKENS, **who): tokens,
    }
    steady = {
        series(s.REQUESTS_RUNNING, **who): rate * seconds, series(s.REQUESTS_CAPACITY, **who): 10,
        series(s.REQUESTS_WAITING, **who): 3 * rate, series(s.QUEUE_CAPACITY, **who): 6,
        series(s.KV_CACHE_USAGE, **who): 0.3, series(s.MODEL_LOAD, **who): 90,
    }  # fmt: skip
    return {one: per_second * STEP * SCRAPES for one, per_second in growing.items()} | flat(steady)


def gpu(host: str, index: str, *, busy: float, watts: float, used: float, pod: str = "") -> dict[Series, Values]:
    labels = {c.HOST_NAME: host, c.GPU: index, c.UUID: f"GPU-{host}-{index}"}
    told = {
        series(s.GPU_UP, **labels): 1, series(s.GPU_UTILIZATION, **labels): busy, series(s.GPU_POWER, **labels): watts,
        series(s.GPU_MEMORY_USED, **labels): used, series(s.GPU_MEMORY_TOTAL, **labels): 80e9,
    }  # fmt: skip
    if pod:
        owner = {c.K8S_NAMESPACE: "prod", c.K8S_POD: pod, "sharing": "exclusive"}
        told[series(s.GPU_WORKLOAD_INFO, **labels, **owner)] = 1
    return flat(told)


def flat(values: dict[Series, float]) -> dict[Series, Values]:
    return {one: np.full(COUNT, float(value)) for one, value in values.items()}


COLUMNS = {
    **server("chat", "n1", "chat-0", rate=0.4, seconds=10, tokens=100),
    **server("night", "n2", "night-0", rate=0, seconds=0, tokens=0),
    **server("small", "n3", "", rate=0.9, seconds=10, tokens=50),
    **gpu("n1", "0", busy=0.8, watts=300, used=70e9, pod="chat-0"),
    **gpu("n1", "1", busy=0.8, watts=300, used=70e9, pod="chat-0"),
    **gpu("n2", "0", busy=0, watts=100, used=1e9, pod="night-0"),
    **gpu("n2", "1", busy=0, watts=50, used=1e9),
    **gpu("n3", "0", busy=0.5, watts=200, used=40e9),
    **gpu("n3", "1", busy=0, watts=100, used=40e9),
    **gpu("n3", "2", busy=0.5, watts=500, used=40e9, pod="other-0"),
    **flat({
        series(signal, runtime="ray_serve", model="chat"): count
        for signal, count in ((s.REPLICAS_DESIRED, 3), (s.REPLICAS_READY, 2), (s.REPLICAS_MAXIMUM, 4))
    }),
}  # fmt: skip
CHAT, NIGHT, SMALL = ("prod", "chat"), ("prod", "night"), ("", "small")
BY = (c.K8S_NAMESPACE, c.MODEL)


class Prometheus:
    """What was loaded and recorded."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def asked(self, query: Query, *names: str, **chosen: str) -> dict[tuple[str, ...], float]:
        return asked(self._replay, query, *names, at=NOW, **chosen)

    def chart(self, key: str, *names: str, place: int = 0, **chosen: str) -> dict[tuple[str, ...], float]:
        return self.asked(panel(BOARD, key, Chart).queries[place], *names, **chosen)

    def number(self, key: str, **chosen: str) -> float | None:
        return self.asked(panel(BOARD, key, Number).query, **chosen).get(())


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    times = np.array([1000 * (BEGAN + STEP * place) for place in range(COUNT)], dtype=np.int64)
    read = ("availability", "capacity", "cost", "hardware")
    wanted = [
        rule
        for rule in rules.of_catalog(CATALOG, SETTINGS)
        if not rule.alert and any(family in rule.place for family in read)
    ]
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        replay.load(Samples(times, COLUMNS), [EVERYTHING])
        replay.record(wanted, Evaluations(start=float(BEGAN), end=float(NOW), step=float(STEP)))
        yield Prometheus(replay)


def test_littles_law_agrees_with_what_is_counted_but_for_requests_that_wait_and_are_not_timed(
    prometheus: Prometheus,
) -> None:
    counted, computed = (prometheus.chart("littles-law", *BY, place=place) for place in (0, 1))
    assert counted == {CHAT: pytest.approx(5.2), NIGHT: 0, SMALL: pytest.approx(11.7)}
    assert computed == {CHAT: pytest.approx(4.0), NIGHT: 0, SMALL: pytest.approx(9.0)}
    assert prometheus.chart("littles-law-arrivals", *BY)[CHAT] == pytest.approx(0.4)


def test_the_mean_of_no_requests_is_no_number_and_not_missing(prometheus: Prometheus) -> None:
    times = prometheus.chart("littles-law-time", *BY)
    assert times[CHAT] == pytest.approx(10)
    assert math.isnan(times[NIGHT])


def test_capacity_is_the_fuller_of_slots_and_cache_and_replicas_to_come_are_free(prometheus: Prometheus) -> None:
    # chat: 4 of 10 slots, beside 0.3 of the cache; two of four replicas are there.
    assert prometheus.chart("capacity-used", *BY) == {CHAT: pytest.approx(0.2), NIGHT: 0.3, SMALL: pytest.approx(0.9)}
    assert prometheus.number("capacity-fullest") == pytest.approx(0.9)
    assert prometheus.number("capacity-fullest", model="chat") == pytest.approx(0.2)
    assert prometheus.chart("capacity-slots", *BY)[CHAT] == pytest.approx(0.4)
    assert prometheus.chart("capacity-queue", *BY)[CHAT] == pytest.approx(0.2)


def test_time_too_full_is_counted_against_the_limit_of_the_rule(prometheus: Prometheus) -> None:
    full = panel(BOARD, "capacity-time-full", Bars)
    found = prometheus.asked(full.query, *BY)
    assert found[SMALL] == pytest.approx(NOW - BEGAN, abs=600)
    assert found[CHAT] == found[NIGHT] == 0
    assert full.limit == Limit(value=SETTINGS.parameters.limits.capacity_used_seconds)


def test_the_numbers_on_top_are_those_of_the_model_that_is_worst(prometheus: Prometheus) -> None:
    # Three times the arrivals wait, and a fifth of what ended was rejected, which is no completion.
    assert prometheus.number("capacity-longest-wait") == pytest.approx(3.0, rel=0.01)
    assert prometheus.number("capacity-turned-away", model="chat") == pytest.approx(0.2)
    assert prometheus.number("replicas-missing") == 1
    assert prometheus.number("replicas-missing", model="small") is None


def test_autoscalers_are_shown_although_they_name_no_namespace(prometheus: Prometheus) -> None:
    asked_for, ready, most = (
        prometheus.chart("replicas", c.MODEL, place=place, namespace="prod", model="chat") for place in range(3)
    )
    assert (asked_for, ready, most) == ({("chat",): 3}, {("chat",): 2}, {("chat",): 4})
    missing, left = (prometheus.chart("replicas-away", c.MODEL, place=place, namespace="prod") for place in (0, 1))
    assert (missing, left) == ({("chat",): 1}, {("chat",): 1})


def test_an_idle_gpu_counts_when_a_pod_or_its_memory_says_that_somebody_holds_it(prometheus: Prometheus) -> None:
    table = panel(BOARD, "gpus-idle-each", Table)
    idle, memory, watts = (prometheus.asked(query, c.HOST_NAME, c.GPU, c.K8S_POD) for query in table.queries)
    of_pod, of_somebody = ("n2", "0", "night-0"), ("n3", "1", "")
    assert idle.keys() == memory.keys() == watts.keys() == {of_pod, of_somebody}, "not n2's other one, which is free"
    assert idle[of_pod] == pytest.approx(NOW - BEGAN, abs=120)
    assert (memory[of_pod], watts[of_pod]) == (1e9, 100)
    limits = {column.title: column.limit for column in table.columns}
    assert limits["Idle for"] == Limit(value=SETTINGS.parameters.limits.idle_gpu_seconds)


def test_gpus_are_counted_in_the_chosen_namespace_and_none_is_zero(prometheus: Prometheus) -> None:
    assert prometheus.number("gpus-idle") == 2
    assert prometheus.number("gpus-idle", namespace="prod") == 1
    assert prometheus.number("gpus-idle", namespace="other") == 0
    assert prometheus.chart("gpus-idle-course", place=0) == {(): 4}
    assert prometheus.chart("gpus-idle-course", place=0, namespace="prod") == {(): 3}


def test_power_is_that_of_the_pods_gpus_or_on_a_bare_host_of_the_host(prometheus: Prometheus) -> None:
    assert prometheus.chart("cost-power", *BY) == {CHAT: 600, NIGHT: 100, SMALL: 300}
    assert prometheus.number("cost-power-now", model="chat") == 600


def test_tokens_cost_energy_and_gpu_hours_and_those_of_nobody_no_number(prometheus: Prometheus) -> None:
    joules, hours = prometheus.chart("cost-energy", *BY), prometheus.chart("cost-gpu-hours-of-million", *BY)
    bill, pace = prometheus.chart("cost-energy-of-million", *BY), prometheus.chart("cost-tokens-of-gpu", *BY)
    assert joules[CHAT] == pytest.approx(6, rel=1e-3)
    assert joules[SMALL] == pytest.approx(6, rel=1e-3), "both GPUs of its host"
    # A million tokens at 100 a second take 10,000 s, of two GPUs at 300 W.
    assert hours[CHAT] == pytest.approx(2 * 10_000 / 3600, rel=1e-3)
    assert bill[CHAT] == pytest.approx(0.6 * 10_000 / 3600, rel=1e-3)
    assert pace[CHAT] == pytest.approx(50, rel=1e-3)
    assert pace[SMALL] == pytest.approx(25, rel=1e-3), "a GPU of its host that a pod holds is not the model's"
    assert pace[NIGHT] == 0
    assert all(math.isnan(found[NIGHT]) for found in (joules, hours, bill))


def test_requests_cost_gpu_time_also_where_nobody_tells_tokens(prometheus: Prometheus) -> None:
    assert prometheus.chart("cost-gpus-held", *BY) == {CHAT: 2, NIGHT: 1, SMALL: 2}
    seconds = prometheus.chart("cost-gpu-seconds-of-request", *BY)
    assert seconds[CHAT] == pytest.approx(2 / 0.4, rel=1e-3)
    assert math.isnan(seconds[NIGHT])
    assert "generation_tokens" not in panel(BOARD, "cost-gpu-seconds-of-request", Chart).queries[0].expr


def test_power_of_all_gpus_is_told_by_namespace(prometheus: Prometheus) -> None:
    # prod: chat's two, night's, and the third of the bare host; nobody's: a free one, and the host's other two.
    watts = prometheus.chart("cost-power-of-namespaces", c.K8S_NAMESPACE)
    assert watts == {("prod",): 2 * 300 + 100 + 500, ("none",): 50 + 200 + 100}
    assert prometheus.chart("cost-power-of-namespaces", c.K8S_NAMESPACE, namespace="prod").keys() == {("prod",)}


def test_every_panel_shows_something_or_says_why_not(prometheus: Prometheus) -> None:
    for choice in ({}, {"namespace": "prod", "model": "chat"}):
        for row in BOARD.rows[:-2]:
            for shown in row.panels:
                assert any(prometheus.asked(query, **choice) for query in queries(shown)), (shown.key, choice)


def test_lines_move_with_the_settings() -> None:
    config = settings.parse("limits: {capacity_used_ratio: 0.6, idle_gpu_seconds: 3600}")
    board = capacity_cost.board(build_catalog(config.parameters), config)
    assert (
        panel(board, "capacity-used", Chart).limit == panel(board, "capacity-fullest", Number).limit == Limit(value=0.6)
    )
    assert "> bool 0.6" in panel(board, "capacity-time-full", Bars).query.expr
    limits = {column.title: column.limit for column in panel(board, "gpus-idle-each", Table).columns}
    assert limits["Idle for"] == Limit(value=3600)


def test_the_charts_that_alerts_of_capacity_and_cost_link_to_are_its_last_rows() -> None:
    for family, row in zip((Family.CAPACITY, Family.COST), BOARD.rows[-2:], strict=True):
        assert links.BOARD_OF_FAMILY[family] == BOARD.name
        assert [shown.key for shown in row.panels] == [of_fault(fault) for fault in CATALOG.of_family(family)]
