"""A page is found where its runtime has it, and a JSON queue that reading empties is not read again and again."""

from __future__ import annotations

import pytest

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.page_path import DEFAULT_PATH, SEARCH_SECONDS, PagePath
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

PAGE = b"trtllm_num_requests_running 3\n"
PROMETHEUS = "/prometheus/metrics"


class Site:
    """A server with some paths, a clock, and who looks for the page on it."""

    def __init__(self, **paths: bytes | ScrapeState) -> None:
        self.paths = {f"/{path.replace('__', '/')}": found for path, found in paths.items()}
        self.asked: list[str] = []
        self.now = 1000.0
        self.looking = PagePath(shipped_dialects(), lambda: self.now)

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        found = self.paths.get(path, ScrapeState.DISABLED)
        if isinstance(found, ScrapeState):
            raise ScrapeFailure(found, found.value)
        return found

    def fetch(self) -> bytes:
        self.asked.clear()
        return self.looking.fetch(self.get)

    def state(self) -> ScrapeState:
        with pytest.raises(ScrapeFailure) as raised:
            self.fetch()
        return raised.value.state


def test_the_usual_path_is_asked_alone_where_the_page_is_there() -> None:
    site = Site(metrics=PAGE)
    assert site.fetch() == PAGE
    assert site.asked == [DEFAULT_PATH]


def test_a_page_at_another_path_is_found_and_then_asked_for_there() -> None:
    site = Site(prometheus__metrics=PAGE)
    assert site.fetch() == PAGE
    assert site.fetch() == PAGE
    assert site.asked == [PROMETHEUS]


def test_a_page_for_browsers_is_not_taken_for_one_of_metrics() -> None:
    site = Site(metrics=b"<!doctype html>", prometheus__metrics=PAGE)
    assert site.fetch() == PAGE
    site = Site(prometheus__metrics=b"\n<html>")
    assert site.state() is ScrapeState.DISABLED
    site.paths = {DEFAULT_PATH: PAGE}
    assert site.fetch() == PAGE


def test_a_json_queue_is_read_once_and_then_left_alone() -> None:
    site = Site(metrics=b' [{"iter": 1}]', prometheus__metrics=PAGE)
    assert site.fetch() == PAGE
    assert site.fetch() == PAGE
    assert site.asked == [PROMETHEUS]


def test_a_server_that_has_nothing_but_json_is_asked_once_a_minute() -> None:
    site = Site(metrics=b"[]")
    assert site.state() is ScrapeState.UNPARSABLE
    assert site.state() is ScrapeState.UNPARSABLE
    assert site.asked == []
    site.now += SEARCH_SECONDS
    site.paths = {DEFAULT_PATH: PAGE}
    assert site.fetch() == PAGE


def test_a_server_without_a_page_is_not_asked_everywhere_in_every_round() -> None:
    site = Site()
    assert site.state() is ScrapeState.DISABLED
    assert len(site.asked) >= 3
    assert site.state() is ScrapeState.DISABLED
    assert site.asked == [DEFAULT_PATH]


@pytest.mark.parametrize("state", [ScrapeState.UNREACHABLE, ScrapeState.UNAUTHORIZED, ScrapeState.TIMEOUT])
def test_a_server_that_is_down_or_closed_is_not_searched(state: ScrapeState) -> None:
    site = Site(metrics=state, prometheus__metrics=PAGE)
    assert site.state() is state
    assert site.asked == [DEFAULT_PATH]
