"""One page of a model server, got whole and in time, or the reason why not.

Called by `server_collector`, one `Fetcher` for each server.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from atlas_ops import __version__
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.http_client import PROBLEMS, BrokenChunk, HttpClient, TokenProblem
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

_CHUNK = 1 << 16
_HEADERS = {"Accept": "text/plain;version=0.0.4;q=1,*/*;q=0.1", "User-Agent": f"atlas-ops/{__version__}"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: an HTTP status and the whole body."""

    status: int
    body: bytes


class Fetcher:
    """Gets pages of one server. `close` may be called from another thread."""

    def __init__(self, *, max_bytes: int, bearer_token_file: str = "") -> None:
        self._max_bytes = max_bytes
        self._client = HttpClient(bearer_token_file)

    def get(self, url: str, deadline: Deadline) -> Answer:
        """Return the answer; ScrapeFailure when there is none in time, or none that is whole."""
        try:
            with self._client.send("GET", url, deadline, headers=_HEADERS) as response:
                return Answer(status=response.status, body=self._body(response))
        except TokenProblem as problem:
            raise ScrapeFailure(ScrapeState.UNAUTHORIZED, problem.message) from None
        except PROBLEMS as error:
            raise _failure(error) from error

    def close(self) -> None:
        """End the running request now, and every later one at once."""
        self._client.close()

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        if response.status >= 300:
            return b""  # its text tells us nothing, and may be as long as it likes
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise ScrapeFailure(ScrapeState.UNPARSABLE, "the page is compressed, although nobody asked for that")
        chunks: list[bytes] = []
        size, announced = 0, response.length or 0
        while max(size, announced) <= self._max_bytes and (chunk := response.read(_CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
        if max(size, announced) > self._max_bytes:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page is larger than {self._max_bytes} bytes")
        body = b"".join(chunks)
        # http.client says nothing when a server closes before the length that it announced. Where no length was
        # announced, only the line feed that has to end a page shows that it is whole; JSON shows it by itself.
        unannounced = response.length is None and not response.chunked and body.lstrip()[:1] not in (b"", b"{", b"[")
        if response.length or (unannounced and not body.endswith(b"\n")):
            raise http.client.IncompleteRead(b"")
        return body


def _failure(error: Exception) -> ScrapeFailure:
    if isinstance(error, TimeoutError):
        return ScrapeFailure(ScrapeState.TIMEOUT, "no whole answer in time")
    if isinstance(error, http.client.RemoteDisconnected):
        return ScrapeFailure(ScrapeState.UNREACHABLE, "the server closed the connection without an answer")
    if isinstance(error, http.client.IncompleteRead):
        return ScrapeFailure(ScrapeState.UNPARSABLE, "the server closed the connection in the middle of the page")
    if isinstance(error, http.client.HTTPException):
        what = str(error) if isinstance(error, BrokenChunk) else type(error).__name__
        return ScrapeFailure(ScrapeState.UNPARSABLE, f"the answer is not HTTP: {what}")
    refused = isinstance(error, ConnectionRefusedError)
    return ScrapeFailure(ScrapeState.UNREACHABLE, str(error) or type(error).__name__, loading=refused)
