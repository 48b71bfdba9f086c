"""Finds the model servers among the pods of this node in one namespace, and follows them as they come and go.

Made by `atlas_ops.cli.exporter_finders`, one for each namespace of `discovery.kubernetes`: each needs a permission of its
own, and one that is refused, or hangs, costs no other anything. While the API server is away, what was known stays.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.discovery.detect import Detector
from atlas_ops.exporter.discovery.pod_api import ApiProblem, ApiServer, PodApi, Selection
from atlas_ops.exporter.discovery.pod_store import PodStore
from atlas_ops.exporter.discovery.reflector import Pace, Reflector
from atlas_ops.exporter.discovery.report import report
from atlas_ops.exporter.samples import Sample
from atlas_ops.settings import Server

_GOODBYE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class PodFinder:
    """Finds servers among the pods of a selection."""

    def __init__(
        self, server: ApiServer, selection: Selection, dialects: Sequence[Dialect], *, pace: Pace | None = None
    ) -> None:
        self._source = f"kubernetes/{selection.namespace}"
        self.name = f"discovery/{self._source}"
        self._pace = pace or Pace()
        self._api = PodApi(server, selection)
        self._store = PodStore(selection.namespace, selection.node, Detector(dialects))
        self._reflector = Reflector(self._api, self._store, self._tell, self._pace)
        self._works, self._problem = False, ""
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def ready(self) -> bool:
        """Whether the pods are known, or could not be asked for."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End the running request and the thread."""
        self._stopping.set()
        self._api.close()
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_SECONDS)

    def found(self) -> tuple[Server, ...]:
        """Return the servers that there are now, as far as is known; never waits."""
        return self._store.servers

    def collect(self) -> list[Sample]:
        """Return how the source does."""
        return report(self._source, works=self._works, servers=len(self._store.servers))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self._reflector.attempt()
            except Exception:  # noqa: BLE001 (logged whole; an odd pod must not end the thread)
                _log.exception("%s: it failed, and is tried again", self.name)
                self._works, pause = False, self._pace.most
            self._ready.set()
            self._stopping.wait(pause)

    def _tell(self, problem: ApiProblem | None) -> None:
        """Keep how it does; log when it begins to fail, fails in another way, or works again."""
        if self._stopping.is_set():
            return
        text = str(problem) if problem else ""
        if text and text != self._problem:
            _log.warning("%s: the servers known so far are kept (%d): %s", self.name, len(self.found()), text)
        elif self._problem and not text:
            _log.info("%s: it works again", self.name)
        self._problem, self._works = text, not text
        self._ready.set()
