"""Sends one black-box request and reads its answer to the end.

Used by `collector` again and again, and by the command `atlas-ops probe` once. Whatever the other side does, `ask`
returns within the probe's timeout.
"""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Iterator

from atlas_ops import __version__
from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.http_client import PROBLEMS, BrokenChunk, HttpClient, TokenProblem
from atlas_ops.exporter.probe import words
from atlas_ops.exporter.probe.answer import MAX_BYTES, Answer, answer_for
from atlas_ops.exporter.probe.outcome import Outcome, ProbeFailure, Result
from atlas_ops.exporter.probe.question import APIS, Api, body_of, metadata_path_of, path_of
from atlas_ops.exporter.probe.tensors import TENSORS_BEGIN, Body
from atlas_ops.settings import Probe

_CHUNK = 1 << 16
_LAST_READS = 16
_MAX_METADATA_BYTES = 1 << 20
_MAX_ERROR_BYTES = 1 << 12


class Prober:
    """Asks one model of the server at `api_url`. `close` may be called from another thread."""

    def __init__(self, probe: Probe, api_url: str) -> None:
        self.url = api_url.rstrip("/") + path_of(probe)
        self._probe = probe
        self._api_url = api_url.rstrip("/")
        self._client = HttpClient(probe.bearer_token_file)

    def ask(self) -> Outcome:
        """Send one request. Never raises for what the server does."""
        deadline = Deadline(self._probe.timeout_seconds)
        exchange = _Exchange()
        try:
            body = self._body(deadline)
            exchange.began = time.monotonic()
            self._exchange(body, deadline, exchange)
        except ProbeFailure as failure:
            return exchange.outcome(self._without_token(failure))
        return exchange.outcome()

    def _without_token(self, failure: ProbeFailure) -> ProbeFailure:
        """Take the token out of what a server says; it may give it for the type of an error, too."""
        message, said = self._client.without_token(failure.message), self._client.without_token(failure.said)
        return ProbeFailure(failure.result, message, said=said[: words.SAID_CHARACTERS])

    def close(self) -> None:
        """End the running request now, and every later one at once."""
        self._client.close()

    def _body(self, deadline: Deadline) -> Body:
        path = metadata_path_of(self._probe)
        return body_of(self._probe, self._metadata(path, deadline) if path else None)

    def _metadata(self, path: str, deadline: Deadline) -> object:
        """Ask for the metadata each time: a model may be loaded anew, with other inputs."""
        try:
            with self._client.send("GET", self._api_url + path, deadline, headers=_headers()) as response:
                _refuse_status(response, f" for {path}")
                content = response.read(_MAX_METADATA_BYTES)
        except (TokenProblem, *PROBLEMS) as error:
            raise self._failure(error, answering=False) from error
        metadata = words.parse(content)
        if not isinstance(metadata, dict):
            raise ProbeFailure(Result.GARBAGE, f"the metadata at {path} are no JSON object")
        return metadata

    def _exchange(self, body: Body, deadline: Deadline, exchange: _Exchange) -> None:
        headers = {**_headers(), "Content-Type": body.content_type, **body.headers}
        answering = False
        try:
            with self._client.send("POST", self.url, deadline, headers=headers, body=body.content) as response:
                _refuse_status(response)
                answering = True
                exchange.read(response, APIS[self._probe.api])
        except (TokenProblem, *PROBLEMS) as error:
            if not exchange.done:  # what breaks after that is nothing that a user notices
                raise self._failure(error, answering=answering) from error

    def _failure(self, error: Exception, *, answering: bool) -> ProbeFailure:
        if isinstance(error, TokenProblem):
            return ProbeFailure(Result.NOT_SENT, error.message)
        if isinstance(error, TimeoutError):
            return ProbeFailure(Result.TIMEOUT, f"no whole answer within {self._probe.timeout_seconds:g} s")
        if isinstance(error, BrokenChunk):
            return ProbeFailure(Result.GARBAGE, f"the answer is not HTTP: {error}")
        if answering:
            return ProbeFailure(Result.TRUNCATED, "the answer broke off in the middle")
        if isinstance(error, ConnectionRefusedError):
            return ProbeFailure(Result.REFUSED, "connection refused: nobody listens there")
        if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
            return ProbeFailure(Result.UNREACHABLE, "the server closed the connection without an answer")
        if isinstance(error, OSError):
            return ProbeFailure(Result.UNREACHABLE, f"no connection: {error}")
        return ProbeFailure(Result.GARBAGE, f"the answer is not HTTP: {type(error).__name__}")


class _Exchange:
    """One request and its answer, with a stopwatch."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = False
        """Whether the answer was as it should be, and told its end itself."""
        self._first_token: float | None = None
        self._ended: float | None = None

    def read(self, response: http.client.HTTPResponse, api: Api) -> None:
        """Read the answer to its end; ProbeFailure unless it is whole and as it should be."""
        answer: Answer | None = None
        start = b""
        for chunk in _chunks(response):
            if answer is None:
                start = (start + chunk).lstrip()
                if not start:
                    continue
                answer, chunk = _answer_for(response, start, api), start  # noqa: PLW2901
            answer.feed(chunk)
            self._note(answer)
            if answer.done:
                break
        else:
            if response.length:  # http.client says nothing when less comes than was announced
                raise http.client.IncompleteRead(b"")
        answer = answer or _answer_for(response, start, api)
        answer.end()
        self._note(answer)
        self._ended, self.done = time.monotonic(), answer.done
        if answer.done:
            _drain(response)

    def outcome(self, failure: ProbeFailure | None = None) -> Outcome:
        """Return what became of it, now that it is over."""
        return Outcome(
            result=failure.result if failure else Result.OK,
            seconds=(self._ended or time.monotonic()) - self.began,
            first_token_seconds=self._first_token,
            message=failure.message if failure else "",
            said=failure.said if failure else "",
        )

    def _note(self, answer: Answer) -> None:
        if answer.has_token and self._first_token is None:
            self._first_token = time.monotonic() - self.began


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes in."""
    size = 0
    while chunk := response.read1(_CHUNK):
        yield chunk
        size += len(chunk)
        if size > MAX_BYTES:
            raise ProbeFailure(Result.GARBAGE, f"the answer is longer than {MAX_BYTES} bytes")


def _drain(response: http.client.HTTPResponse) -> None:
    """Read what follows the end, so that the server does not see a client that hangs up."""
    for _ in range(_LAST_READS):
        if not response.read1(_CHUNK):
            return


def _headers() -> dict[str, str]:
    return {
        "Accept": "*/*",
        "User-Agent": f"{c.PROBE_USER}/{__version__}",
        "X-Request-Id": f"{c.PROBE_USER}-{secrets.token_hex(8)}",
    }


def _answer_for(response: http.client.HTTPResponse, start: bytes, api: Api) -> Answer:
    content_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    length = response.getheader(TENSORS_BEGIN) or ""
    is_number = length.isascii() and length.isdecimal() and len(length) < 10
    return answer_for(content_type, start, api, int(length) if is_number else None)


def _refuse_status(response: http.client.HTTPResponse, where: str = "") -> None:
    """Raise ProbeFailure for an answer that is none, by its head."""
    status = response.status
    if status in (401, 403):
        raise ProbeFailure(Result.UNAUTHORIZED, f"HTTP {status}{where}", said=_said(response))
    if not 200 <= status < 300:
        raise ProbeFailure(Result.ERROR_STATUS, f"HTTP {status}{where}", said=_said(response))
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise ProbeFailure(Result.GARBAGE, "the answer is compressed, although nobody asked for that")


def _said(response: http.client.HTTPResponse) -> str:
    try:
        content = response.read1(_MAX_ERROR_BYTES)
    except PROBLEMS:
        return ""
    return words.said(words.parse(content)) or words.printable(content.decode("utf-8", errors="replace"))
