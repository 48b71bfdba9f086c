"""Keeps a store of pods as the API server has them: a list, then a watch from where the list was, for ever.

Called by `kubernetes` in a thread of its own. The pattern, and the name, are those of Kubernetes's own clients.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_ops.exporter.discovery.pod_api import FORBIDDEN, GONE, UNAUTHORIZED, ApiProblem, Garbled, PodApi
from atlas_ops.exporter.discovery.pod_store import PodStore

WATCH_SECONDS = 240
"""How long one watch is to last at least. Where events got lost for whatever reason, a new one begins so soon."""
_FROM_CACHE = "0"
_FROM_STORAGE = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How soon it is tried again, in seconds."""

    first: float = 0.5
    """After a watch that ended, so that one that ends at once does not become a flood; doubled with each failure."""
    most: float = 30.0
    refused: float = 60.0
    """After 401 and 403: somebody has to mend that first."""
    longest_wish: float = 300.0
    """Of a Retry-After."""


class Reflector:
    """Fills `store`. `tell` gets each problem, and None whenever all is well; it must not raise."""

    def __init__(self, api: PodApi, store: PodStore, tell: Callable[[ApiProblem | None], None], pace: Pace) -> None:
        self._api, self._store, self._tell, self._pace = api, store, tell, pace
        self._list_from = _FROM_CACHE
        self._version = ""
        """Where the watch goes on; empty: only a list can tell."""
        self._failures = 0
        self._moved = False

    def attempt(self) -> float:
        """List if need be, and watch until the watch ends; return the seconds to wait before the next attempt."""
        problem: ApiProblem | None = None
        self._moved = False
        try:
            if not self._version:
                self._list()
            self._watch()
        except ApiProblem as found:
            problem = found
            self._note(found)
        # A list is no progress: it may work each time, and the watch after it never.
        self._failures = 0 if self._moved else self._failures + 1
        return self._pause(problem)

    def _list(self) -> None:
        versions: list[str] = []

        def pods() -> Iterator[Sequence[object]]:
            for page in self._api.pages(self._list_from):
                versions.append(page.version)
                yield page.pods

        self._store.replace(pods())
        if not versions[-1]:
            raise Garbled("the list has no resourceVersion, so nothing can be watched from there")
        self._version = versions[-1]

    def _watch(self) -> None:
        began = time.monotonic()
        seconds = WATCH_SECONDS + random.randrange(WATCH_SECONDS // 4)  # noqa: S311 (so that not all nodes ask at once)
        for event in self._api.events(self._version, seconds, began=lambda: self._tell(None)):
            self._take(event)
            self._moved = True
        # Without any event a watch that ended in its own time is as good.
        self._moved |= time.monotonic() - began > WATCH_SECONDS / 2

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, found = event.get("type"), event.get("object")
        if not isinstance(found, dict):
            raise Garbled(f"an event of the watch has no object; its type is {str(kind)[:50]!r}")
        if kind == "ERROR":
            code = found.get("code")
            raise ApiProblem(
                f"the API server ended the watch: {str(found.get('message'))[:500]!r}",
                status=code if isinstance(code, int) else 0,
            )
        if kind in ("ADDED", "MODIFIED"):
            self._store.put(found)
        elif kind == "DELETED":
            self._store.remove(found)
        metadata = found.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if isinstance(version, str) and version:
            self._version = version

    def _note(self, problem: ApiProblem) -> None:
        if problem.status == GONE or isinstance(problem, Garbled):
            # The cache may be as old as what is gone.
            self._version, self._list_from = "", _FROM_STORAGE
        if problem.status != GONE or self._failures:  # once in a while it is how the protocol goes
            self._tell(problem)

    def _pause(self, problem: ApiProblem | None) -> float:
        pace, share = self._pace, random.uniform(0.5, 1.0)  # noqa: S311 (so that not all nodes come back at once)
        if problem and problem.status in (UNAUTHORIZED, FORBIDDEN):
            return pace.refused * share
        wished = min(problem.retry_after, pace.longest_wish) if problem else 0.0
        return max(wished, share * min(pace.first * 2.0 ** min(self._failures, 20), pace.most))
