"""Processes that answer in turn behind one port are told apart even where their pages do not say who they are."""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.workers import PAGES_TO_RETURN
from tests.exporter.pages import Told, series
from tests.exporter.test_continuity import NOW, Server

BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0)


class Process:
    """What one process of a FastAPI server has counted."""

    def __init__(self) -> None:
        self.ends = {"2xx": 0, "5xx": 0}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def answer(self, status: str, seconds: float) -> None:
        self.ends[status] += 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def page(self) -> str:
        text = "".join(
            series("http_requests_total", number, handler="/predict", method="POST", status=status)
            for status, number in self.ends.items()
            if number
        )
        name = "http_request_duration_highr_seconds"
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), itertools.accumulate(self.buckets), strict=True):
            text += series(f"{name}_bucket", number, le=bound)
        return text + f"{name}_sum {self.seconds!r}\n{name}_count {sum(self.buckets)}\n"


class Pool:
    """The processes of one server; each request and each scrape reaches any of them."""

    def __init__(self, number: int, seed: int, start: float | None) -> None:
        self.random = random.Random(seed)
        self.start = "" if start is None else f"process_start_time_seconds {NOW + start!r}\n"
        self.processes = [Process() for _ in range(number)]

    def ask(self, requests: int) -> None:
        for _ in range(requests):
            process = self.random.choice(self.processes)
            process.answer(self.random.choices(("2xx", "5xx"), (9, 1))[0], self.random.lognormvariate(-3, 1))

    def page(self) -> str:
        return self.random.choice(self.processes).page() + self.start

    def total(self, status: str) -> int:
        return sum(process.ends[status] for process in self.processes)


def outcomes(told: Told) -> dict[str, float]:
    return told.values(s.REQUESTS, "outcome")


@pytest.mark.parametrize("start", [None, -3600.0], ids=["no start time", "one start time"])
@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_what_they_count_together_is_about_what_was_asked_of_them(workers: int, seed: int, start: float | None) -> None:
    server, pool = Server("fastapi"), Pool(workers, seed, start)
    pool.ask(1000)
    # Until each of them has answered, nothing tells how many there are; and until it has, none tells of its last request.
    settling = range(10 * workers)
    told = [outcomes(server.read(pool.page())) for _ in settling]
    before, asked = told[-1], {status: pool.total(status) for status in ("2xx", "5xx")}
    for _ in range(200):
        pool.ask(5)
        told.append(outcomes(server.read(pool.page())))
    told += [outcomes(server.read(pool.page())) for _ in settling]
    for status, outcome, about in (("2xx", "ok", 0.1), ("5xx", "error", 0.25)):
        assert told[-1][outcome] - before[outcome] == pytest.approx(pool.total(status) - asked[status], rel=about)
    assert all(old[outcome] <= new[outcome] for old, new in itertools.pairwise(told) for outcome in new)
    assert server.restarts == 0
    assert workers <= server.workers <= workers + 1


def test_a_server_of_one_process_that_does_not_tell_its_start_restarts() -> None:
    server = Server("fastapi")

    def page(number: int) -> str:
        return series("http_requests_total", number, handler="/predict", method="POST", status="2xx")

    told = [outcomes(server.read(page(number)))["ok"] for number in (100, 110, *range(3, 5 + PAGES_TO_RETURN))]
    assert told == sorted(told)
    assert told[-1] - told[1] == PAGES_TO_RETURN + 1, "all but what came before the first page after the restart"
    assert (server.restarts, server.workers) == (1, 1)


def test_a_model_that_one_process_has_not_served_keeps_its_name_when_that_one_answers() -> None:
    server = Server("kserve")

    def page(start: float, **models: int) -> str:
        text = f"process_start_time_seconds {NOW + start!r}\n"
        for model, number in models.items():
            text += "".join(
                series(f"request_{step}_seconds_count", number, model_name=model)
                + series(f"request_{step}_seconds_sum", number, model_name=model)
                + series(f"request_{step}_seconds_bucket", number, model_name=model, le="+Inf")
                for step in ("preprocess", "predict", "postprocess")
            )
        return text

    first, second = page(-100, a=100, b=50), page(-90, a=70)
    told = [server.read(text).values(s.REQUESTS, "model", outcome="ok") for text in (first, second, first, second)]
    assert told[2:] == [{"a": 100, "b": 50}, {"a": 100, "b": 50}]
