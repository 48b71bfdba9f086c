"""The page of one simulated GPU of every profile, as files: `python -m tests.exporter.gpu.goldens` writes them anew.

Driven by hand, thread by thread, on a clock that stands where it is put: the same page every time.
"""

from __future__ import annotations

import threading
from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.reader import Reader
from atlas_ops.exporter.gpu.record import Freshness
from atlas_ops.exporter.gpu.relay import Turn
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.sampler import Sampler
from atlas_ops.exporter.gpu.watcher import Watcher
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.page import Joiner, Printer, text
from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.profiles import PROFILES

from ..nvml.rig import SOMETHING_OF_EVERYTHING
from .fake_gpu import FakeWorkloads
from .rig import HOST

FOLDER = Path(__file__).parent / "goldens"
DRIVER = "580.82"
SECOND = 10**9


def names() -> list[str]:
    """Every profile."""
    return [profile.name for profile in PROFILES]


def page(profile: str, driver: str = DRIVER) -> str:
    """Return the page of one GPU after three rounds, without the XIDs that are at 0."""
    now_ns = [100 * SECOND]
    node = SimulatedNode(profile, driver=driver, clock_ns=lambda: now_ns[0])
    node.change(0, **SOMETHING_OF_EVERYTHING)

    def clock() -> float:
        return now_ns[0] / SECOND

    backend = Nvml(node.library, clock=clock)
    try:
        (device,) = backend.open()
        roster, halt, in_flight = GpuRoster(), threading.Event(), CallsInFlight(clock)
        reader = Reader(device, roster, halt, in_flight, seconds=1.0, limit=5.0, clock=clock)
        sampler = Sampler(device, halt, in_flight, seconds=0.1, clock=clock)
        for _ in range(3):
            reader.step(Turn(reader.relay, 0))
            assert reader.record is not None
            sampler.step(reader.record, reader.meetings)
            now_ns[0] += SECOND
        assert reader.record is not None
        Watcher(device, halt, in_flight).register(reader.record)
        fresh = Freshness(now=clock(), limit=5.0)
        (record,) = roster.settled(fresh)
        block = Printer().print(record.samples(HOST, fresh, FakeWorkloads()))
        printed = text(Joiner().join([block])).decode()
    finally:
        backend.close()
        node.library.close()
    return "".join(line for line in printed.splitlines(keepends=True) if not _is_quiet_xid(line))


def _is_quiet_xid(line: str) -> bool:
    return line.startswith(s.GPU_XID_ERRORS.name) and line.endswith(" 0\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in names():
        (FOLDER / f"{name}.prom").write_text(page(name), encoding="utf-8")
