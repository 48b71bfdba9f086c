"""Carries out what a scenario does to the parts around the fleet: exporter, Prometheus, Slack, discovery, the node's kernel.

Used by `stage.demo`. The simulator says what is to happen; here it happens to real processes and real files.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from atlas_ops.errors import AtlasError
from atlas_ops.settings import Server
from atlas_ops.stage.fleet import FleetState, RemoteFleet
from atlas_ops.stage.host_tree import HostTree
from atlas_ops.stage.slack_standin import SlackStandIn
from atlas_ops.stage.stack import Stack

LOOK_SECONDS = 0.1
_log = logging.getLogger(__name__)


class Conductor:
    """Follows `fleet` in a thread of its own, inside a `with` block."""

    def __init__(
        self, fleet: RemoteFleet, stack: Stack, slack: SlackStandIn, tree: HostTree, found: FoundServers
    ) -> None:
        self._fleet, self._stack, self._slack, self._tree, self._found = fleet, stack, slack, tree, found
        self._before = fleet.state()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conductor")

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                now = self._fleet.state()
                self._follow(self._before, now)
                self._before = now
            except AtlasError as error:
                _log.warning("the scenario is not played as written: %s", error)

    def _follow(self, before: FleetState, now: FleetState) -> None:
        processes = self._stack.processes
        if now.exporter_restarts != before.exporter_restarts:
            processes["exporter"].stop()
            self._stack.start_exporter()
        if now.scrape_lost != before.scrape_lost:
            # Held where it is, its address takes connections and answers nobody.
            processes["exporter"].send_signal(signal.SIGSTOP if now.scrape_lost else signal.SIGCONT)
        if now.prometheus_away != before.prometheus_away:
            processes["prometheus"].stop() if now.prometheus_away else self._stack.start_prometheus()
        if now.pager_failing != before.pager_failing:
            self._slack.fail_with(503 if now.pager_failing else None)
        kills = (now.memory_kills, now.foreign_memory_kills)
        if kills != (before.memory_kills, before.foreign_memory_kills):
            self._tree.set_kills(now.memory_kills, foreign=now.foreign_memory_kills)
        if (now.there, now.tracks) != (before.there, before.tracks):
            self._found.write(now)

    def __enter__(self) -> Conductor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()


class FoundServers:
    """The file in which the exporter finds the servers that there are, where they come and go."""

    def __init__(self, file: Path, servers: Sequence[Server]) -> None:
        self._file, self._servers = file, servers

    def write(self, state: FleetState) -> None:
        """Name the servers that there are now."""
        groups = [
            {"targets": [server.url], "labels": _labels(server, track)}
            for server, there, track in zip(self._servers, state.there, state.tracks, strict=True)
            if there
        ]
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(groups))
        new.replace(self._file)


def _labels(server: Server, track: str) -> dict[str, str]:
    of_pod = {"namespace": server.namespace, "pod": server.pod, "container": server.container}
    return of_pod | ({"track": track} if track else {})
