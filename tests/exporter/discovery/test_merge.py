"""What is known twice is measured once, and the one that was named wins."""

from __future__ import annotations

from atlas_ops.exporter.discovery.merge import merged
from atlas_ops.settings import Server

NAMED = Server(url="http://10.0.0.1:8000", runtime="vllm", model="llama")
FOUND = Server(url="http://10.0.0.1:8000/metrics", pod="llama-0")
OTHER = Server(url="http://10.0.0.2:8000", pod="llama-1")


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
