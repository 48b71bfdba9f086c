"""What a user's client does: asks, waits for the whole answer, and counts what it was told.

Called by the tests of this folder, against servers on loopback.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATIENCE_SECONDS = 120.0
NO_ANSWER = 0
"""Stands among the statuses for a connection that ended without one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request that can be sent again and again."""

    url: str
    body: Mapping[str, object]


def ask(request: Request) -> int:
    """Send it, read the answer to its end, and return the status."""
    address = urlsplit(request.url)
    with contextlib.closing(HTTPConnection(address.netloc, timeout=PATIENCE_SECONDS)) as connection:
        try:
            connection.request("POST", address.path, json.dumps(request.body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            return NO_ANSWER
        return answer.status


def ask_often(request: Request, times: int, *, clients: int = 4) -> Counter[int]:
    """Send it so many times, and count the statuses."""
    with ThreadPoolExecutor(clients) as pool:
        return Counter(pool.map(ask, [request] * times))


@contextlib.contextmanager
def flood(request: Request, clients: int) -> Iterator[Counter[int]]:
    """Keep so many requests in flight until the block ends; yields the statuses, growing.

    Leaving the block waits for the answers to what is under way.
    """
    stop, statuses, lock = threading.Event(), Counter[int](), threading.Lock()

    def keep_asking() -> None:
        while not stop.is_set():
            status = ask(request)
            with lock:
                statuses[status] += 1
            if status == NO_ANSWER:
                stop.wait(0.2)  # a server that is gone refuses at once

    with ThreadPoolExecutor(clients) as pool:
        for _ in range(clients):
            pool.submit(keep_asking)
        try:
            yield statuses
        finally:
            stop.set()
