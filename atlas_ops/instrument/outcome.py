"""How a request ended, told from the exception that ended it. Used by `request`.

The same rules as in the dialects of HTTP runtimes: what the client did wrong is no event of an objective.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
from typing import Literal, get_args

Outcome = Literal["ok", "error", "rejected", "cancelled", "timeout"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""Those of the contract (`catalog.conventions.OUTCOMES`), which a test holds together."""

Ended = Outcome | Literal["ignored"]
"""`ignored` is counted nowhere: a client's mistake, such as a body that cannot be read."""

_REJECTED = (queue.Full, asyncio.QueueFull)
_CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
_BY_STATUS: dict[int, Outcome] = {408: "timeout", 429: "rejected", 499: "cancelled", 504: "timeout"}


def outcome_of(error: BaseException | None) -> Ended:
    """Return what an exception means; None is a request that ended well.

    An exception with an HTTP status in `status_code`, such as FastAPI's HTTPException, means what the status means.
    """
    if error is None:
        return "ok"
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _of_status(status)
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, _REJECTED):
        return "rejected"
    # Starlette's exception for a client that hung up is known by its name, so that Starlette need not be there.
    if isinstance(error, _CANCELLED) or type(error).__name__ == "ClientDisconnect":
        return "cancelled"
    return "error"


def _of_status(status: int) -> Ended:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return "ok"
    return "ignored" if status < 500 else "error"
