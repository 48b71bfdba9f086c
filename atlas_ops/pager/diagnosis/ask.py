"""Asks Prometheus all checks of an alert at once, within a time that a page can wait for.

Called by `diagnosis.worker` and `atlas-ops diagnose`. A question that fails or does not come back in time is said to be
unknown; it never holds up the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from atlas_ops.errors import AtlasError
from atlas_ops.http_config import HttpConfig
from atlas_ops.pager.diagnosis import judge, question
from atlas_ops.pager.diagnosis.checks import Check
from atlas_ops.pager.diagnosis.verdict import Diagnosis, Finding, ranked
from atlas_ops.pager.runbooks.placeholder import Values
from atlas_ops.pager.scrub import scrub
from atlas_ops.prometheus import Point, Prometheus

SECONDS = 5.0
"""How long all questions together may take."""
_MOST_OPEN = threading.BoundedSemaphore(32)
"""A Prometheus that never ends an answer keeps its thread: no more than this many, whatever happens; the others wait."""

Query = Callable[[str], Sequence[Point]]


def prometheus(url: str, seconds: float = SECONDS, *, http_config: HttpConfig | None = None) -> Query:
    """Return what asks the Prometheus at an address; each question on a connection of its own. `http_config`: how to log in."""

    def query(expr: str) -> Sequence[Point]:
        client = Prometheus(url, timeout_seconds=seconds, http_config=http_config)
        try:
            return client.query(expr)
        finally:
            client.close()

    return query


def diagnose(checks: Sequence[Check], values: Values, query: Query, *, seconds: float = SECONDS) -> Diagnosis:
    """Return what the checks say about an alert with these labels and words (`runbooks.values`)."""
    runtime = values.get("runtime", "")
    asked = [check for check in checks if not (check.runtimes and runtime) or runtime in check.runtimes]
    deadline = time.monotonic() + seconds
    started = [_Question(check, values, query, deadline) for check in asked]
    return ranked([one.finding(deadline - time.monotonic()) for one in started], time.time())


class _Question:
    """One check in a thread of its own, which is left behind when it takes too long."""

    def __init__(self, check: Check, values: Values, query: Query, deadline: float) -> None:
        self._check = check
        self._text = question.filled(check.query, values)
        self._answered = threading.Event()
        self._finding: Finding | None = None
        if _MOST_OPEN.acquire(timeout=max(0.0, deadline - time.monotonic())):
            threading.Thread(target=self._ask, args=(values, query), name="diagnosis", daemon=True).start()
        else:
            self._close(self._unknown("Too many questions to Prometheus are still open"))

    def finding(self, seconds: float) -> Finding:
        """Wait for the answer, no longer than this."""
        self._answered.wait(max(0.0, seconds))
        return self._finding or self._unknown("Prometheus did not answer in time")

    def _ask(self, values: Values, query: Query) -> None:
        try:
            self._close(judge.judged(self._check, self._text, query(self._text), values))
        except AtlasError as error:
            self._close(self._unknown(f"Prometheus could not be asked: {scrub(error.message)}"))
        except Exception as error:  # noqa: BLE001 - whatever an answer holds, the other causes are still told
            self._close(self._unknown(f"The answer of Prometheus could not be read: {type(error).__name__}"))
        finally:
            _MOST_OPEN.release()

    def _close(self, finding: Finding) -> None:
        self._finding = finding
        self._answered.set()

    def _unknown(self, reason: str) -> Finding:
        return judge.unknown(self._check, self._text, reason)
