"""The board about GPUs tells what each is, what holds it down, what is broken, and who uses it.

Queries are asked of a real Prometheus that holds a simulated node: GPU 0 has every trouble at once, GPU 1 falls off the bus,
GPU 2 works on. Beside it stands a node with one GPU that is cut into instances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family
from atlas_ops.rehearsal import rules
from atlas_ops.rehearsal.play import Course
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Table as Samples
from atlas_ops.render import links
from atlas_ops.render.dashboards.boards import gpu_node
from atlas_ops.render.dashboards.panels import Chart, Limit, Note, Number, Query, States, Table, of_fault, queries
from atlas_ops.settings import Settings
from atlas_ops.simulator import Scenario
from atlas_ops.simulator.effects import Effect, GpuEffect
from atlas_ops.simulator.outside import HOST
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM
from atlas_ops.simulator.state import LOST
from tests.render.dashboards import five_servers
from tests.render.dashboards.five_servers import panel, series

SETTINGS = Settings()
CATALOG = build_catalog(SETTINGS.parameters)
BOARD = gpu_node.board(CATALOG, SETTINGS)
TROUBLED = GpuEffect(
    cooled=False, xid=119, recovery_action=1, remap_pending=True, uncorrected_errors_per_minute=1.0,
    nvlink_errors_per_minute=30, pcie_width=4, pcie_replays_per_minute=60,
)  # fmt: skip
TROUBLE: Effect = replace(CALM, gpus={0: TROUBLED, 1: GpuEffect(condition=LOST)})
SCENARIO = Scenario(
    name="trouble", description="", course=(Phase(effect=TROUBLE),), calm=CALM,
    calm_minutes=5.0, active_minutes=6.0, after_minutes=0.0, servers=3,
)  # fmt: skip
EVERYTHING = rules.Rule(name="everything", alert=False, expr='{__name__=~".+"}')
CUT = "cut"
"""The node whose GPU is cut up."""
Found = dict[tuple[str, ...], float]


class Prometheus:
    """What was played, and when it ended."""

    def __init__(self, replay: Replay, now: int) -> None:
        self._replay, self._now = replay, now

    def asked(self, query: Query, *names: str, **chosen: str) -> Found:
        return five_servers.asked(self._replay, query, *names, at=self._now, **chosen)

    def of(self, key: str, **chosen: str) -> float | None:
        """Return the one value of a number; None without data."""
        return self.asked(panel(BOARD, key, Number).query, **chosen).get(())

    def words(self, key: str, **chosen: str) -> dict[str, str]:
        """Return what the bands of GPUs say."""
        band = panel(BOARD, key, States)
        return {gpu: band.states[value][0] for (gpu,), value in self.asked(band.queries[0], "gpu", **chosen).items()}

    def row(self, key: str, *labels: str, **chosen: str) -> dict[str, float]:
        """Return the values of the only row of a table, by the titles of their columns."""
        table = panel(BOARD, key, Table)
        titles = {column.source: column.title for column in table.columns}
        values = {
            titles[f"Value #{letter}"]: self.asked(query, *labels, **chosen)
            for letter, query in zip("ABCDEFGH", table.queries, strict=False)
            if f"Value #{letter}" in titles
        }
        return {title: value for title, found in values.items() for value in found.values()}


def beside(times: np.typing.NDArray[np.int64]) -> Samples:
    """Return a GPU of 80 GB, half of it in use by its only instance, its namesake in another cluster, and one of a pod with two models."""
    values = np.ones(len(times))
    whole = {c.HOST_NAME: CUT, c.GPU: "0", c.UUID: "GPU-cut"}
    west = {**whole, c.UUID: "GPU-west", "cluster": "west"}
    part = {**whole, c.UUID: "MIG-cut", c.MIG: "3g.40gb"}
    pod = {c.K8S_NAMESPACE: "prod", c.K8S_POD: "twins"}
    server = {c.HOST_NAME: CUT, c.SERVER: "twins:8000", **pod}
    told = {
        series(s.GPU_UP, **whole): 1.0, series(s.GPU_UP, **west): 1.0,
        series(s.GPU_MEMORY_USED, **west): 0.0, series(s.GPU_MEMORY_TOTAL, **west): 80e9,
        series(s.GPU_MEMORY_USED, **whole): 40e9, series(s.GPU_MEMORY_TOTAL, **whole): 80e9,
        series(s.GPU_MEMORY_USED, **part): 40e9, series(s.GPU_MEMORY_TOTAL, **part): 40e9,
        **{series(s.REQUESTS_RUNNING, **server, model=model): 1.0 for model in ("one", "two")},
        series(s.GPU_WORKLOAD_INFO, **{**whole, c.GPU: "1", c.UUID: "GPU-twins"}, **pod, sharing="exclusive"): 1.0,
        series(s.GPU_WORKLOAD_INFO, **part, systemd_unit="batch.service", sharing="exclusive"): 1.0,
        series(s.GPU_PROCESS_MEMORY, **part, systemd_unit="batch.service", pid="7", process="python"): 39e9,
    }  # fmt: skip
    return Samples(times, {one: value * values for one, value in told.items()})


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    play = Course(SCENARIO, seed=1, timing=SETTINGS.parameters.timing).finish(SCENARIO)
    wanted = [rule for rule in rules.of_catalog(CATALOG, SETTINGS) if "hardware" in rule.place and not rule.alert]
    with Replay.started(folder) as replay:
        for samples in (play.table, beside(play.table.times)):
            replay.load(samples, [EVERYTHING])
        replay.record(wanted, play.recordings)
        yield Prometheus(replay, int(play.table.times[-1]) // 1000)


def test_the_numbers_on_top_count_what_is_lost_broken_and_held_down(prometheus: Prometheus) -> None:
    assert prometheus.of("gpus-answering", node=HOST) == 2
    assert prometheus.of("gpus-missing", node=HOST) == 1
    assert prometheus.of("gpus-missing", node=HOST, gpu="2") == 1, "which one is missing, a node does not tell"
    assert prometheus.of("gpus-to-recover", node=HOST) == 1
    assert prometheus.of("xids-of-day", node=HOST) == 1
    assert prometheus.of("gpus-held-down", node=HOST) == 1


def test_on_a_gpu_that_is_well_they_say_zero_and_not_nothing(prometheus: Prometheus) -> None:
    for key in ("gpus-to-recover", "xids-of-day", "gpus-held-down"):
        assert prometheus.of(key, node=HOST, gpu="2") == 0
    assert prometheus.of("gpus-to-recover", node=CUT) == 0, "as of AMD, whose driver says nothing of that"
    assert prometheus.of("gpus-answering", node="elsewhere") is None


def test_a_node_that_does_not_tell_how_many_gpus_it_has_misses_none_of_those_it_lists(prometheus: Prometheus) -> None:
    assert prometheus.of("gpus-missing", node=CUT) == 0


def test_instances_are_shown_and_not_counted_beside_the_gpu_that_they_are_part_of(prometheus: Prometheus) -> None:
    assert prometheus.of("gpu-memory-share", node=CUT) == 0.25
    assert prometheus.asked(panel(BOARD, "gpu-memory", Chart).queries[0], "mig", "cluster", node=CUT) == {
        ("", ""): 0.5,
        ("3g.40gb", ""): 1.0,
        ("", "west"): 0.0,
    }


def test_nodes_of_one_name_in_two_clusters_are_two(prometheus: Prometheus) -> None:
    assert prometheus.of("gpus-answering", node=CUT) == 2
    assert prometheus.of("gpus-answering", node=CUT, cluster="west") == 1
    for query in (panel(BOARD, "gpu-health", States).queries[0], panel(BOARD, "gpus", Table).queries[1]):
        assert prometheus.asked(query, "cluster", node=CUT, gpu="0").keys() == {("",), ("west",)}


def test_bands_say_what_each_gpu_needs_and_what_holds_it_down(prometheus: Prometheus) -> None:
    assert prometheus.words("gpu-health", node=HOST) == {"0": "Reset", "1": "Does not answer", "2": "Well"}
    held = prometheus.words("gpu-throttle-states", node=HOST)
    assert held["0"] == "By heat", "the gravest of hw_slowdown, hw_thermal and sw_thermal"
    assert held["2"] in ("At full clock", "At its power limit", "Idle")
    assert "1" not in held, "nobody knows it of a GPU that is lost"


def test_time_held_down_is_in_seconds_of_each_second_by_reason(prometheus: Prometheus) -> None:
    (query,) = panel(BOARD, "gpu-time-held", Chart).queries
    assert prometheus.asked(query, "reason", gpu="0")[("hw_thermal",)] == pytest.approx(1.0, abs=0.05)
    assert prometheus.asked(query, "reason", gpu="2")[("hw_thermal",)] == 0
    assert ("gpu_idle",) not in prometheus.asked(query, "reason")


def test_a_gpu_is_shown_with_its_pod_and_the_model_in_it(prometheus: Prometheus) -> None:
    users, held = panel(BOARD, "gpu-users", Table).queries
    found = prometheus.asked(users, "gpu", c.K8S_POD, c.MODEL, c.SERVER, node=HOST)
    assert len(found) == 2, "the lost one has nobody"
    for gpu, pod, model, server in found:
        assert gpu in ("0", "2")
        assert pod
        assert model
        assert server
    assert len({server for *_, server in found}) == 2, "each the server of its own pod"
    (twins,) = prometheus.asked(users, c.K8S_POD, c.MODEL, node=CUT, gpu="1")
    assert twins in {("twins", "one"), ("twins", "two")}, "one of them"
    unit = (CUT, "3g.40gb", "batch.service")
    assert prometheus.asked(users, c.HOST_NAME, c.MIG, c.SYSTEMD_UNIT, node=CUT, gpu="0").keys() == {unit}
    assert prometheus.asked(held, c.HOST_NAME, c.MIG, c.SYSTEMD_UNIT, node=CUT) == {unit: 39e9}


def test_an_xid_is_told_with_its_owner_and_the_time_of_the_last(prometheus: Prometheus) -> None:
    (table,), (since,) = panel(BOARD, "xids", Table).queries, panel(BOARD, "since-xid", Chart).queries
    ((label, at),) = prometheus.asked(table, "gpu", "xid", "owner").items()
    assert label == ("0", "119", "driver")
    ((_, ago),) = prometheus.asked(since, "xid").items()
    assert prometheus._now - at / 1000 == pytest.approx(ago, abs=0.01)
    assert 0 <= ago <= 60, "they come every minute"


def test_worn_memory_and_narrow_links_stand_in_their_tables(prometheus: Prometheus) -> None:
    memory = prometheus.row("gpu-memory-health", "gpu", node=HOST, gpu="0")
    assert memory["Uncorrected"] >= 4
    assert (memory["Waits for a reset"], memory["Not replaceable"]) == (1, 0)
    link = prometheus.row("pcie-links", "gpu", node=HOST, gpu="0")
    assert (link["Lanes"], link["All lanes"]) == (4, 16)
    replays = prometheus.asked(panel(BOARD, "pcie-replays", Chart).queries[0], "gpu", node=HOST, gpu="0|2")
    assert replays[("0",)] == pytest.approx(60, rel=0.3)
    assert replays[("2",)] == 0


def test_every_panel_shows_something_of_a_gpu_at_work_or_says_why_not(prometheus: Prometheus) -> None:
    for choice in ({}, {"node": HOST, "gpu": "2"}):
        for row in BOARD.rows[:-1]:
            for shown in row.panels:
                found = any(prometheus.asked(query, **choice) for query in queries(shown))
                assert not isinstance(shown, Note)
                assert found or shown.empty, (shown.key, choice)


def test_lines_move_with_the_settings() -> None:
    config = settings.parse("limits: {clock_loss_ratio: 0.2, pcie_replays_per_minute: 3}")
    board = gpu_node.board(build_catalog(config.parameters), config)
    assert panel(board, "gpu-clock-lost", Chart).limit == Limit(value=0.2)
    assert panel(board, "pcie-replays", Chart).limit == Limit(value=3)


def test_the_charts_that_alerts_of_hardware_link_to_are_its_last_row() -> None:
    assert links.BOARD_OF_FAMILY[Family.HARDWARE] == BOARD.name
    assert [shown.key for shown in BOARD.rows[-1].panels] == [
        of_fault(fault) for fault in CATALOG.of_family(Family.HARDWARE)
    ]
