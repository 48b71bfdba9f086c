"""Where on a server its metrics page is, while nobody knows the runtime: `/metrics`, or where some runtimes have it.

Used by `watched_server`. TensorRT-LLM's `/metrics` is a JSON queue that is emptied by whoever reads it, so a path that
answers with JSON is left alone. Web applications answer whatever path with a page for browsers, which is none of ours.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.exposition import other_kind
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

DEFAULT_PATH = "/metrics"
SEARCH_SECONDS = 60.0
"""Between two looks at the other paths, and at one that was JSON: a server without a page is not asked five times a round."""
_JSON = "the page is JSON, not the Prometheus text format; if it is TensorRT-LLM's, give runtime: trtllm_serve"


class PagePath:
    """The path at which the page of one unknown server was found, or is looked for."""

    def __init__(self, dialects: Sequence[Dialect], clock: Callable[[], float] = time.monotonic) -> None:
        self._all = tuple(dict.fromkeys((DEFAULT_PATH, *(dialect.metrics_path for dialect in dialects))))
        self._clock = clock
        self._path = DEFAULT_PATH
        self._search_at = 0.0
        self._is_json = False

    def fetch(self, get: Callable[[str], bytes]) -> bytes:
        """Return the page: `get` returns the body at a path, or raises ScrapeFailure. The failure of the usual path counts."""
        searches = self._clock() >= self._search_at
        if self._is_json and not searches:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, _JSON)
        try:
            return self._at(get, self._path)
        except ScrapeFailure as failure:
            if not searches or failure.state not in (ScrapeState.DISABLED, ScrapeState.UNPARSABLE):
                raise
            self._is_json = failure.message == _JSON
            self._search_at = self._clock() + SEARCH_SECONDS
            found = self._elsewhere(get)
            if found is None:
                raise
            return found

    def _elsewhere(self, get: Callable[[str], bytes]) -> bytes | None:
        for path in self._all:
            with contextlib.suppress(ScrapeFailure):
                body = self._at(get, path) if path != self._path else b""
                if body:
                    self._path, self._is_json = path, False
                    return body
        return None

    @staticmethod
    def _at(get: Callable[[str], bytes], path: str) -> bytes:
        body = get(path)
        kind = other_kind(body)
        if kind:
            problem = _JSON if kind == "JSON" else f"the page is {kind}, not the Prometheus text format"
            raise ScrapeFailure(ScrapeState.UNPARSABLE, problem)
        return body
