"""A recording of a real H100 (tests/samples/gpu/NOTES.md) replayed to the whole GPU collector, on a clock set by hand.

The simulator is ours and could share our mistakes; these are the answers of NVIDIA's own driver.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.gpu.backend import NoWorkloads
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.reader import Reader
from atlas_ops.exporter.gpu.record import Freshness
from atlas_ops.exporter.gpu.relay import Turn
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.sampler import Sampler
from atlas_ops.exporter.gpu.watcher import Watcher
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.replay import ReplayLibrary
from atlas_ops.exporter.samples import Labels, Sample
from tests.exporter.pages import SAMPLES

from .recordings import Clock
from .rig import GIB, MIB

FILE = SAMPLES / "gpu" / "h100-580.159.04.jsonl"
SECONDS = 60
IDLE, LOAD, COPIED, QUIET = 5, 20, 36, 52
"""Seconds of the recording: nothing ran; 8192x8192 products in a loop; host memory was copied in; only contexts were left."""
COUNTED = {"sw_power_cap", "sync_boost", "sw_thermal", "hw_thermal", "hw_power_brake"}
LACKING = {s.GPU_FAN, s.GPU_NVLINK_TX, s.GPU_NVLINK_RX, s.GPU_NVLINK_ERRORS, s.GPU_RETIRED_PAGES}

Page = dict[tuple[Signal, Labels], float]
"""{(signal, labels beside those of the GPU): value}."""


@dataclass(frozen=True)
class Replay:
    """What was told each second, and what was complained about."""

    pages: list[Page]
    complaints: list[str]

    def at(self, second: int, signal: Signal, **extra: str) -> float:
        return self.pages[second][signal, tuple(extra.items())]

    def rose(self, signal: Signal, **extra: str) -> float:
        return self.at(-1, signal, **extra) - self.at(1, signal, **extra)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    clock, log = Clock(), _Log()
    logging.getLogger("atlas_ops").addHandler(log)
    backend = Nvml(ReplayLibrary(FILE, clock=clock), clock=clock)
    try:
        yield Replay(pages=list(_told(backend, clock)), complaints=log.complaints)
    finally:
        backend.close()
        logging.getLogger("atlas_ops").removeHandler(log)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.complaints: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or "fails" in record.getMessage():
            self.complaints.append(record.getMessage())


def _told(backend: Nvml, clock: Clock) -> Iterator[Page]:
    (device,) = backend.open()
    roster, halt, in_flight = GpuRoster(), threading.Event(), CallsInFlight(clock)
    reader = Reader(device, roster, halt, in_flight, seconds=1.0, limit=5.0, clock=clock)
    sampler = Sampler(device, halt, in_flight, seconds=0.1, clock=clock)
    for second in range(SECONDS):
        clock.now = second + 0.3  # an answer is there when its second's round has been recorded
        reader.step(Turn(reader.relay, 0))
        assert reader.record is not None
        if second == 0:
            Watcher(device, halt, in_flight).register(reader.record)
        for tenth in range(10):
            clock.now = second + 0.3 + tenth / 10
            sampler.step(reader.record, reader.meetings)
        samples = reader.record.samples("", Freshness(now=clock(), limit=5.0), NoWorkloads())
        yield {(sample.signal, _extra(sample)): sample.value for sample in samples}


def _extra(sample: Sample) -> Labels:
    return tuple((name, value) for name, value in sample.labels if name not in c.GPU_LABELS)


def test_it_replays_from_its_beginning_to_its_end_without_a_complaint(replay: Replay) -> None:
    assert replay.complaints == []
    assert [page[s.GPU_UP, ()] for page in replay.pages] == [1] * SECONDS


def test_what_this_machine_lacks_is_absent_and_said_to_be(replay: Replay) -> None:
    for page in replay.pages:
        assert not LACKING & {signal for signal, _ in page}
        supported = {extra[0][1]: value for (signal, extra), value in page.items() if signal is s.GPU_METRIC_SUPPORTED}
        assert {name for name, value in supported.items() if not value} == {signal.name for signal in LACKING}


BOUNDS: dict[Signal, tuple[float, float]] = {
    s.GPU_TEMPERATURE: (40, 75),
    s.GPU_TEMPERATURE_MARGIN: (15, 45),
    s.GPU_POWER: (70, 705),
    s.GPU_POWER_LIMIT: (700, 700),
    s.GPU_CLOCK: (345e6, 2619e6),
    s.GPU_CLOCK_MAX: (1545e6, 2619e6),
    s.GPU_MEMORY_TOTAL: (81_559 * MIB, 81_559 * MIB),
    s.GPU_MEMORY_RESERVED: (480 * MIB, 480 * MIB),
    s.GPU_PCIE_TX_RATE: (0, 64e9),
    s.GPU_PCIE_RX_RATE: (0, 64e9),
    s.GPU_PCIE_GENERATION: (5, 5),
    s.GPU_PCIE_WIDTH: (16, 16),
    s.GPU_PCIE_REPLAYS: (0, 0),
    s.GPU_ECC_ERRORS: (0, 0),
    s.GPU_REMAPPED_ROWS: (0, 0),
    s.GPU_RECOVERY_ACTION: (0, 0),
}


def test_every_value_is_one_that_the_part_can_have(replay: Replay) -> None:
    for page in replay.pages:
        for (signal, extra), value in page.items():
            low, high = BOUNDS.get(signal, (0, 1) if signal.unit == "ratio" else (0, float("inf")))
            assert low <= value <= high, (signal.name, extra)
        used, free, reserved = (
            page[signal, ()] for signal in (s.GPU_MEMORY_USED, s.GPU_MEMORY_FREE, s.GPU_MEMORY_RESERVED)
        )
        assert used + free + reserved == page[s.GPU_MEMORY_TOTAL, ()]
    assert set(BOUNDS) <= {signal for signal, _ in replay.pages[-1]}


def test_no_counter_runs_backwards_or_vanishes(replay: Replay) -> None:
    for before, after in pairwise(replay.pages):
        counters = {key: value for key, value in before.items() if key[0].type is SignalType.COUNTER}
        assert {key for key, value in counters.items() if after.get(key, -1) < value} == set()


def test_a_gpu_at_work_is_told_apart_from_an_idle_one(replay: Replay) -> None:
    assert replay.at(IDLE, s.GPU_POWER) < 75 < 690 < replay.at(LOAD, s.GPU_POWER)
    assert replay.at(IDLE, s.GPU_UTILIZATION) == 0 < 0.98 <= replay.at(LOAD, s.GPU_UTILIZATION)
    assert replay.at(IDLE, s.GPU_TENSOR_ACTIVE) == 0 < 0.9 < replay.at(LOAD, s.GPU_TENSOR_ACTIVE)
    assert (
        replay.at(IDLE, s.GPU_CLOCK, domain="sm") == 345e6 < 1300e6 < replay.at(LOAD, s.GPU_CLOCK, domain="sm") < 1980e6
    )


def test_energy_is_power_over_time(replay: Replay) -> None:
    drawn = sum(replay.at(second, s.GPU_POWER) for second in range(1, SECONDS))
    assert replay.rose(s.GPU_ENERGY) == pytest.approx(drawn, rel=0.03)


def test_the_hardware_counts_what_it_can_count_and_the_sampler_the_rest(replay: Replay) -> None:
    told = {
        dict(extra)["reason"]: dict(extra)["source"]
        for signal, extra in replay.pages[-1]
        if signal is s.GPU_THROTTLE_SOURCE
    }
    assert told == {reason: "hardware_counter" if reason in COUNTED else "sampled" for reason in c.THROTTLE_REASONS}


def test_time_at_the_power_limit_is_the_hardwares_and_each_burst_of_a_quarter_second_is_an_event(
    replay: Replay,
) -> None:
    assert replay.at(-1, s.GPU_THROTTLE_SECONDS, reason="sw_power_cap") == 22.260847648
    assert replay.at(-1, s.GPU_THROTTLE_EVENTS, reason="sw_power_cap") == 1 + 10
    assert replay.at(-1, s.GPU_THROTTLE_LONGEST, reason="sw_power_cap") == pytest.approx(16.3, abs=0.2)
    assert replay.at(LOAD, s.GPU_THROTTLE_ACTIVE, reason="sw_power_cap") == 1
    assert {
        dict(extra)["reason"]
        for (signal, extra), value in replay.pages[-1].items()
        if signal is s.GPU_THROTTLE_SECONDS and value
    } == {"sw_power_cap", "gpu_idle"}


def test_pcie_traffic_is_told_whole_although_the_drivers_count_wraps_a_dozen_times_a_second(replay: Replay) -> None:
    copied = 208_842_784_768  # bytes of payload, by the program that copied them
    assert copied < replay.rose(s.GPU_PCIE_RX) < 1.12 * copied, "the headers of the protocol come on top"
    assert replay.at(COPIED, s.GPU_PCIE_RX) - replay.at(LOAD, s.GPU_PCIE_RX) > 0.95 * copied


def test_the_memory_of_a_process_is_what_it_allocated_and_its_context(replay: Replay) -> None:
    def of(second: int) -> list[float]:
        page = replay.pages[second]
        return sorted(value for (signal, _), value in page.items() if signal is s.GPU_PROCESS_MEMORY)

    small, large = of(QUIET)
    # What PyTorch had reserved, by its own account; a CUDA context takes 600 to 700 MiB on this part.
    assert small == pytest.approx(5_370_806_272 + 650 * MIB, abs=50 * MIB)
    assert large == pytest.approx(15_739_125_760 + 650 * MIB, abs=50 * MIB)
    assert 0 <= replay.at(QUIET, s.GPU_MEMORY_USED) - (small + large) < 0.05 * GIB
    assert of(IDLE) == of(-1) == []


TEXTS = re.compile(
    r"NVIDIA H100 80GB HBM3|(13\.)?580\.159\.04|[A-Z_]+|[a-z]{5,6}|dram|%|MiB/s"  # the part, its driver, names of metrics
    r"|GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(0000)?0000:01:00\.0|gpu0|(gpmSample|eventSet)( gpu0)?"
)


def test_nothing_in_it_says_whose_machine_it_was() -> None:
    _header, *answers = map(json.loads, FILE.read_text(encoding="ascii").splitlines())
    for answer in answers:
        for text in _texts(answer.get("in", []) + answer.get("out", [])):
            assert TEXTS.fullmatch(text), text
        for pid in re.findall(r'"pid": (\d+)', json.dumps(answer)):
            assert int(pid) > 4_000_000, "masked numbers are above those of real processes"


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list | dict):
        for item in data.values() if isinstance(data, dict) else data:
            yield from _texts(item)
