"""Collectors that do what a test wants, and a service that runs them. Shared by the tests of the exporter as a whole."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Collector, Round
from atlas_ops.exporter.lineup import Plan
from atlas_ops.exporter.page import Compat
from atlas_ops.exporter.samples import Sample, labels
from atlas_ops.exporter.service import Service
from atlas_ops.exporter.web.guard import Guard

SECONDS = 20.0
"""More than anything takes that works."""


class Steady:
    """A collector that does what it should: one sample of a GPU of its own name."""

    def __init__(self, name: str = "steady", *, ready: bool = True) -> None:
        self.name = name
        self.ready = ready
        self.running = False
        self.value = 1.0

    def start(self) -> None:
        self.running = True

    def collect(self) -> list[Sample]:
        return [Sample(s.GPU_UP, labels(gpu=self.name), self.value)]

    def stop(self) -> None:
        self.running = False


class Broken(Steady):
    """A collector that fails, until it is mended."""

    mended = False

    def collect(self) -> list[Sample]:
        if not self.mended:
            raise ZeroDivisionError
        return super().collect()


class Hanging(Steady):
    """A collector that breaks its promise not to wait, from when it is told to."""

    def __init__(self, name: str = "hanging") -> None:
        super().__init__(name)
        self.free, self.asked = threading.Event(), threading.Event()
        self.free.set()

    def collect(self) -> list[Sample]:
        if not self.free.is_set():
            self.asked.set()
            self.free.wait(SECONDS)
        return super().collect()


class AtItsOwnPace(Steady):
    """A collector that keeps rounds."""

    interval_seconds = 5.0

    def __init__(self, age: float) -> None:
        super().__init__("paced")
        self.age = age

    def last_round(self) -> Round | None:
        return Round(age_seconds=self.age, duration_seconds=0.25, success=True)


class Seldom(Steady):
    """A collector that says when there is something new."""

    def __init__(self, name: str = "seldom") -> None:
        super().__init__(name)
        self.round = 0
        self.collected = 0

    def version(self) -> Hashable:
        return self.round

    def collect(self) -> list[Sample]:
        self.collected += 1
        return super().collect()


def plans(*collectors: Collector) -> list[Plan]:
    return [plan(collector) for collector in collectors]


def plan(collector: Collector) -> Plan:
    """A plan that makes this one."""
    return Plan(key=collector.name, make=lambda _: collector)


@contextlib.contextmanager
def serving(
    *collectors: Collector, wait: float = SECONDS, compat: Sequence[Compat] = (), snapshot_seconds: float = 0.01
) -> Iterator[Service]:
    with Service("127.0.0.1", 0, Guard(), snapshot_seconds=snapshot_seconds) as service:
        service.start()
        service.use(plans(*collectors), compat, first_round_seconds=wait)
        yield service


def await_that(what: Callable[[], bool]) -> None:
    """Wait until something holds; the test fails when it never does."""
    end = threading.Event()
    for _ in range(int(SECONDS / 0.005)):
        if what():
            return
        end.wait(0.005)
    raise AssertionError("it never came to be")
