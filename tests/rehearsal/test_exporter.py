"""What a rehearsal takes straight from the simulation is what the exporter makes of its pages and its driver."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.reading import Version
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.reader import Reader
from atlas_ops.exporter.gpu.record import Freshness
from atlas_ops.exporter.gpu.relay import Turn
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.sampler import Sampler
from atlas_ops.exporter.gpu.watcher import Watcher
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.translate import Facts, Translator
from atlas_ops.rehearsal.exporter import TARGET, Exporter
from atlas_ops.rehearsal.samples import Series, Sheet
from atlas_ops.settings import Exporter as Settings
from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Answer, Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.fleet import DEFAULT_START
from atlas_ops.simulator.nvml import NvmlLibrary
from atlas_ops.simulator.outside import HOST
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM, CROWD, DOCUMENTS
from atlas_ops.simulator.state import GpuState
from atlas_ops.simulator.vllm_page import VERSION

from ..exporter.gpu.fake_gpu import FakeWorkloads

Values = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""{(name, labels): value}."""


class Rig:
    """A fleet under one effect, and the rehearsal's exporter of it."""

    def __init__(self, effect: Effect, *, calm: Effect = CALM) -> None:
        scenario = Scenario(name="test", description="", course=(Phase(effect=effect),), calm=calm)
        self.fleet = Fleet(scenario=scenario, seed=3, tick=1.0)
        self.exporter = Exporter(self.fleet, epoch=DEFAULT_START)
        self.sheet = Sheet()
        self.gpus: list[tuple[float, tuple[GpuState, ...]]] = []
        """What the driver said at each scrape."""
        self.scrape()
        self.fleet.set_fault(active=True)

    def scrape(self, seconds: float = 15.0) -> None:
        self.fleet.advance(seconds)
        self.sheet.begin(round(1000 * (DEFAULT_START + self.fleet.now)))
        self.gpus.append((DEFAULT_START + self.fleet.now, self.fleet.gpus()))
        self.exporter.scrape(self.sheet)

    def last(self) -> Values:
        """Return what was told at the last scrape, without the labels of the target."""
        table = self.sheet.table()
        return {_key(one): float(column[-1]) for one, column in table.values.items() if not np.isnan(column[-1])}

    def column(self, name: str, **labels: str) -> list[float]:
        """Return the values of one series, scrape by scrape."""
        (found,) = [
            column
            for one, column in self.sheet.table().values.items()
            if one.name == name and labels.items() <= dict(one.labels).items()
        ]
        return [float(value) for value in found]


@contextlib.contextmanager
def rigged(effect: Effect, *, calm: Effect = CALM) -> Iterator[Rig]:
    rig = Rig(effect, calm=calm)
    try:
        yield rig
    finally:
        rig.exporter.close()


def _key(series: Series) -> tuple[str, frozenset[tuple[str, str]]]:
    return series.name, frozenset(series.labels) - frozenset(TARGET)


def _of_server(values: Values, server: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {key: value for key, value in values.items() if (c.SERVER, server) in key[1]}


TRITON = replace(CALM, every_server=ServerEffect(runtime="triton"))
SERVER_EFFECTS = {
    "calm": CALM,
    "crowd": Effect(traffic=CROWD, every_server=ServerEffect(queue_limit=20)),
    "documents": Effect(traffic=DOCUMENTS),
    "errors": replace(CALM, every_server=ServerEffect(failing_share=0.5)),
    "speculation": replace(CALM, every_server=ServerEffect(accepted_share=0.4)),
    "adapters": replace(CALM, every_server=ServerEffect(adapters_running=2, adapters_waiting=1)),
    "lost metrics": replace(CALM, every_server=ServerEffect(lost_metrics=("vllm:num_requests", "vllm:kv_cache"))),
    "triton": TRITON,
    "triton with errors": replace(CALM, every_server=replace(TRITON.every_server, failing_share=0.5)),
    "triton, not ready": replace(CALM, every_server=replace(TRITON.every_server, ready=False)),
    "frozen": replace(CALM, every_server=ServerEffect(answer=Answer.FROZEN)),
    "not ready": replace(CALM, every_server=ServerEffect(ready=False)),
}


FACTS = {
    "vllm": Facts(version=Version.parse(VERSION), told=frozenset((s.SERVER_READY, s.MODEL_GPU_MEMORY))),
    "triton": Facts(told=frozenset((s.SERVER_READY, s.MODEL_READY, s.MODEL_GPU_MEMORY))),
}
"""What the exporter knows of a server besides its page."""


def test_a_page_at_the_very_end_of_an_effect_is_still_of_that_effect() -> None:
    many, few = (replace(CALM, every_server=ServerEffect(adapters_running=number)) for number in (4, 3))
    with rigged(many) as rig:
        rig.fleet.scenario = replace(rig.fleet.scenario, course=(Phase(effect=many, minutes=0.5), Phase(effect=few)))
        for _ in range(4):
            rig.scrape()
        told = rig.column("atlas_lora_adapters", server="llama-0:8000", state="running")
        assert told[-4:] == [4, 4, 3, 3]


@pytest.mark.parametrize("name", SERVER_EFFECTS)
def test_a_server_is_told_as_by_the_translator_of_its_page(name: str) -> None:
    effect = SERVER_EFFECTS[name]
    runtime = effect.every_server.runtime
    with rigged(effect, calm=replace(CALM, every_server=ServerEffect(runtime=runtime))) as rig:
        for _ in range(4):
            rig.scrape()
        told = _of_server(rig.last(), "llama-0:8000")
        dialect = next(dialect for dialect in shipped_dialects() if dialect.runtime == runtime)
        translator = Translator(dialect, rig.exporter._servers[0].identity, Settings().max_models)
        facts = FACTS[runtime]
        translated = {
            (f"{sample.signal}{sample.part}", frozenset(sample.labels)): sample.value
            for sample in translator.translate(Parser().parse(rig.fleet.page(0).encode()), facts)
        }
        own = {
            s.SERVER_UP,
            *FACTS[runtime].told,
            s.SERVER_SCRAPE_STATE,
            s.SERVER_RESTARTS,
            s.EXPORTER_DROPPED,
        }
        others = {signal.name for signal in own} | {sample.name for sample in rig.fleet.outside()}
        besides = {key for key in told if key[0] in others}
        mine = {key: value for key, value in told.items() if key not in besides}
        assert mine.keys() == translated.keys()
        assert mine == pytest.approx(translated)
        assert len(translated) > 40


GPU_EFFECTS = {
    "calm": GpuEffect(),
    "hot": GpuEffect(cooled=False),
    "braked": GpuEffect(power_brake=True),
    "capped": GpuEffect(power_limit_ratio=0.4),
    "shared": GpuEffect(foreign_load=0.5),
    "leaking": GpuEffect(leaked_bytes_per_minute=1e9),
    "failing": GpuEffect(xid=79, xids_per_minute=2.0, recovery_action=1, remap_pending=True, remap_failed=True),
    "memory errors": GpuEffect(corrected_errors_per_minute=30.0, uncorrected_errors_per_minute=6.0),
    "links": GpuEffect(nvlink_errors_per_minute=60.0, pcie_generation=3, pcie_width=8, pcie_replays_per_minute=30.0),
}
OF_THREADS = (
    s.GPU_THROTTLE_EVENTS, s.GPU_THROTTLE_LONGEST, s.GPU_THROTTLE_LAST, s.GPU_THROTTLE_SECONDS, s.GPU_XID_LAST,
    s.GPU_WORKLOAD_INFO, s.GPU_EXPECTED,
)  # fmt: skip
"""What the exporter's threads see between two scrapes, and what is not the driver's."""


def _by_the_reader(scrapes: Sequence[tuple[float, tuple[GpuState, ...]]]) -> Values:
    """Return what the exporter's own reader, sampler and watcher tell of GPU 0 after these states."""
    now = [scrapes[0]]
    library = NvmlLibrary(lambda: now[0][1], clock_ns=lambda: round(now[0][0] * 1e9))

    def clock() -> float:
        return now[0][0]

    backend = Nvml(library, clock=clock)
    try:
        device = backend.open()[0]
        roster, halt, in_flight = GpuRoster(), threading.Event(), CallsInFlight(clock)
        reader = Reader(device, roster, halt, in_flight, seconds=1.0, limit=5.0, clock=clock)
        sampler, watcher = Sampler(device, halt, in_flight, seconds=0.1, clock=clock), Watcher(device, halt, in_flight)
        for moment in scrapes:
            now[0] = moment
            reader.step(Turn(reader.relay, 0))
            assert reader.record is not None
            sampler.step(reader.record, reader.meetings)
            if reader.record.events.kinds is None:
                watcher.register(reader.record)
            for event in device.wait_events(0) if moment[1][0].events else ():
                reader.record.events.note(event, clock())
        fresh = Freshness(now=clock(), limit=5.0)
        return {
            (f"{sample.signal}{sample.part}", frozenset(sample.labels)): sample.value
            for record in roster.settled(fresh)
            for sample in record.samples(HOST, fresh, FakeWorkloads())
        }
    finally:
        backend.close()
        library.close()


@pytest.mark.parametrize("name", GPU_EFFECTS)
def test_a_gpu_is_told_as_by_the_reader_of_its_driver(name: str) -> None:
    with rigged(replace(CALM, every_gpu=GPU_EFFECTS[name])) as rig:
        for _ in range(8):
            rig.scrape()
    told = rig.last()
    left_out = {signal.name for signal in OF_THREADS}
    read = {key: value for key, value in _by_the_reader(rig.gpus).items() if key[0] not in left_out}
    mine = {
        k: v for k, v in told.items() if k[0].startswith("atlas_gpu_") and (c.GPU, "0") in k[1] and k[0] not in left_out
    }
    assert mine.keys() == read.keys()
    assert mine == pytest.approx(read)
    assert len(read) > 100
