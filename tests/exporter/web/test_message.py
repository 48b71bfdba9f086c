"""Heads of requests: read when they are some, refused when they are not, and never an error of another kind."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.web.message import BadRequest, Reply, encode, parse

NAMES = st.text("abcXYZ-_09", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f\x85\xa0"), max_size=30)


@given(st.binary(max_size=300) | st.text(st.sampled_from("GET /:. HTP1\r\n\t\0a"), max_size=80).map(str.encode))
def test_bytes_are_a_request_or_a_bad_one(head: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert parse(head, Deadline(1)).method.isupper()


@given(st.dictionaries(NAMES.map(str.lower), VALUES))
def test_headers_are_found_by_their_names_in_lower_case(headers: dict[str, str]) -> None:
    head = "\r\n".join(
        ["GET /metrics?a=b HTTP/1.1", *(f"{name.title()}: {value}\t" for name, value in headers.items())]
    )
    request = parse(head.encode("latin-1"), Deadline(1))
    assert (request.method, request.path) == ("GET", "/metrics")
    assert {name: request.header(name) for name in headers} == {name: v.strip(" \t") for name, v in headers.items()}


def test_a_header_that_comes_twice_is_joined() -> None:
    request = parse(b"GET / HTTP/1.1\r\nAccept: a\r\nACCEPT: b", Deadline(1))
    assert request.header("accept") == "a, b"
    assert request.header("other") == ""


def test_an_absolute_address_means_its_path() -> None:
    assert parse(b"GET http://example.org/metrics?x HTTP/1.1", Deadline(1)).path == "/metrics"


def test_an_answer_has_its_own_headers_and_those_of_the_site() -> None:
    reply = Reply(status=401, body=b"no", headers={"WWW-Authenticate": "Basic"})
    head, _, body = encode(reply, headers={"X-Frame-Options": "deny"}, keep_alive=False).partition(b"\r\n\r\n")
    assert body == b"no"
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 401 Unauthorized"
    assert {b"WWW-Authenticate: Basic", b"X-Frame-Options: deny", b"Connection: close", b"Content-Length: 2"} <= set(
        lines
    )
