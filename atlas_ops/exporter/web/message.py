"""An HTTP request and an HTTP reply, as records and as bytes.

Used by `session`. The standard library's server reads a request line by line with a timeout for each, so it cannot keep
to one deadline, and takes several times as long; a server of finished pages needs four headers and two methods.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.deadline import Deadline

_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) ([!-~]{1,8000}) HTTP/1\.([01])\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FORBIDDEN = frozenset("\0\r\n")


class BadRequest(AtlasError):
    """What came is no HTTP request that is answered here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. Names of headers are in lower case; one that came twice has its values joined by a comma."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    keep_alive: bool
    """Whether the client would send its next request over the same connection."""
    deadline: Deadline
    """By then the answer has to be written."""

    def until(self, deadline: Deadline) -> Request:
        """Return the same request with another deadline."""
        return dataclasses.replace(self, deadline=deadline)

    def header(self, name: str) -> str:
        """Return the value of a header, by its name in lower case; empty when it did not come."""
        return self.headers.get(name, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What is answered. `refusal` is the reason (`conventions.REFUSALS`) when the client did not get its page."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""


def parse(head: bytes, deadline: Deadline) -> Request:
    """Read the head of a request, without the empty line at its end; BadRequest when it is none."""
    lines = head.decode("latin-1").split("\r\n")
    first = _REQUEST_LINE.match(lines[0])
    if first is None:
        raise BadRequest("the request line is no line of HTTP/1.0 or HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.match(name) or not _FORBIDDEN.isdisjoint(value):
            raise BadRequest("a header is no line of the form `name: value`")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Request(
        method=first[1], path=_path(first[2]), headers=headers, keep_alive=_keeps(first[3], headers), deadline=deadline
    )


def _path(target: str) -> str:
    try:
        return urlsplit(target).path
    except ValueError as error:
        raise BadRequest("the address in the request line cannot be read") from error


def _keeps(minor: str, headers: Mapping[str, str]) -> bool:
    """Say whether another request may follow. A body would have to be read first, and nothing here wants one."""
    wanted = [option.strip().lower() for option in headers.get("connection", "").split(",")]
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return minor == "1" and "close" not in wanted and not has_body


def encode(reply: Reply, *, headers: Mapping[str, str], keep_alive: bool, with_body: bool = True) -> bytes:
    """Return the bytes of a reply, with further `headers`; `with_body` is false for the answer to HEAD."""
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        "Server: atlas-ops",
        time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        *(f"{name}: {value}" for name, value in (*reply.headers.items(), *headers.items())),
        *(() if keep_alive else ("Connection: close",)),
    ]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head + reply.body if with_body else head
