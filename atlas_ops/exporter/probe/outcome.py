"""How a black-box request can end.

Raised and returned all over this package; counted by `tally`, told to people by `cli.probe`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from atlas_ops.errors import AtlasError


class Result(Enum):
    """The values of the label `result`; the same ones as `conventions.PROBE_RESULTS`."""

    OK = "ok"
    """Answered to the end, with at least one token where tokens are what was asked for."""
    REFUSED = "refused"
    """Nobody listens at the address."""
    UNREACHABLE = "unreachable"
    """No connection for another reason, or one that was closed without an answer."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403."""
    ERROR_STATUS = "error_status"
    """Another HTTP status than 2xx; redirects are not followed."""
    ERROR_IN_ANSWER = "error_in_answer"
    """HTTP 200 with an error in its stream or body. vLLM and llama.cpp reject and fail this way."""
    TRUNCATED = "truncated"
    """The answer broke off, or ended without the mark that it is whole."""
    EMPTY = "empty"
    """A whole answer with nothing in it."""
    GARBAGE = "garbage"
    """An answer that is not of this API, or beyond all bounds."""
    TIMEOUT = "timeout"
    NOT_SENT = "not_sent"
    """The probe's own fault (its files, or a request that it cannot make up); says nothing of the server."""


class ProbeFailure(AtlasError):
    """The request was not answered as it should be; `result` and `message` say why.

    `message` holds nothing of the prompt or of the answer. `said` is the server's own word on its error: for the person
    who asked, never for a log or a metric, because servers quote the request in it.
    """

    def __init__(self, result: Result, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.result = result
        self.said = said


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one request."""

    result: Result
    seconds: float
    """From the first byte sent, connecting included, to the end."""
    first_token_seconds: float | None = None
    """The same to the first event with text in it; None where none came, or where the answer was no stream."""
    message: str = ""
    """What went wrong; empty when nothing did."""
    said: str = ""
