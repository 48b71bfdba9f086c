"""What is known twice is measured once, and the one that was named wins."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.discovery import merge
from atlas_ops.settings import Server

NAMED = Server(url="http://10.0.0.1:8000", runtime="vllm", model="llama")
FOUND = Server(url="http://10.0.0.1:8000/metrics", pod="llama-0")
OTHER = Server(url="http://10.0.0.2:8000", pod="llama-1")


def merged(*sources: Sequence[Server]) -> tuple[Server, ...]:
    return merge.merged(*sources, dialects=shipped_dialects())


def test_a_server_that_was_named_is_not_measured_again_because_it_was_found() -> None:
    assert merged([NAMED], [FOUND, OTHER]) == (NAMED, OTHER)


def test_the_source_that_comes_first_wins() -> None:
    assert merged([], [FOUND], [NAMED, OTHER]) == (FOUND, OTHER)


def test_the_usual_port_and_no_port_are_one_address() -> None:
    assert merged([Server(url="http://llama")], [Server(url="http://llama:80/metrics")]) == (
        Server(url="http://llama"),
    )


def test_one_source_may_have_several_pages_at_one_address_and_each_once() -> None:
    first, second = Server(url="http://10.0.0.1:1/a"), Server(url="http://10.0.0.1:1/b")
    assert merged([first, second], [second]) == (first, second)
    assert merged([], [first, second, first]) == (first, second)


def test_a_page_that_one_source_names_in_two_ways_is_one_page() -> None:
    bare, whole = Server(url="http://Host:80"), Server(url="http://host/metrics", model="llama")
    assert merged([], [bare, whole]) == (bare,)
    other = Server(url="http://host", runtime="trtllm_serve")
    assert merged([], [other, whole]) == (other, whole), "its page is at another path"
    assert merged([], [other, Server(url="http://host/prometheus/metrics")]) == (other,)
    query = Server(url="http://host/metrics?model=a")
    assert merged([], [bare, query, Server(url="http://host?model=a")]) == (bare, query)
