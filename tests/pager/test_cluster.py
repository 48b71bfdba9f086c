"""Two real Alertmanagers in a cluster, each of which tells a pager of its own; the pagers share a database."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import INCIDENTS
from atlas_ops.stage.processes import Process, free_port, program
from tests.pager import postgres
from tests.pager.chaos import Pager, Weather, judge, pagers, settled
from tests.pager.rig import eventually

GROUPS = 12
CONFIG = """\
route: {{receiver: pager, group_by: [alertname, pod], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: pager, webhook_configs: [{{url: "{url}/webhook", send_resolved: true}}]}}]
"""


class Alertmanagers:
    """Two that know of each other."""

    def __init__(self, folder: Path, running: Sequence[Pager], stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._gossip = [f"127.0.0.1:{free_port()}" for _ in running]
        self.urls = [f"http://127.0.0.1:{free_port()}" for _ in running]
        self.processes: dict[int, Process] = {}
        for number, pager in enumerate(running):
            (folder / f"am{number}.yml").write_text(CONFIG.format(url=pager.url))
            self.start(number)

    def start(self, number: int) -> None:
        """Start one of them, also again after it was killed."""
        listen, gossip = self.urls[number].removeprefix("http://"), self._gossip[number]
        command = [program("prometheus-alertmanager", "prometheus-alertmanager")]
        command += [
            f"--config.file={self._folder / f'am{number}.yml'}",
            f"--storage.path={self._folder / f'am{number}'}",
        ]
        command += [f"--web.listen-address={listen}", f"--cluster.listen-address={gossip}"]
        command += [f"--cluster.advertise-address={gossip}", f"--cluster.peer={self._gossip[1 - number]}"]
        command += ["--cluster.peer-timeout=1s", "--cluster.gossip-interval=20ms", "--cluster.pushpull-interval=1s"]
        process = Process(f"am{number}", command, log=self._folder / f"am{number}.log")
        self.processes[number] = self._stack.enter_context(process)
        process.wait_until_ready(f"{self.urls[number]}/-/ready")

    def tell(self, pods: Sequence[str], *, firing: bool, to: Sequence[int] = (0, 1)) -> None:
        """Send alerts to some of them, as Prometheus does to all that it knows."""
        now = datetime.now(UTC)
        ends = now + timedelta(hours=1) if firing else now
        alerts = [
            {
                "labels": {"alertname": "QueueBacklog", "severity": "page", "pod": pod},
                "annotations": {"summary": "A new request would wait."},
                "startsAt": "2026-11-27T00:00:00Z",
                "endsAt": ends.isoformat(),
            }
            for pod in pods
        ]
        for number in to:
            answer = httpx.post(f"{self.urls[number]}/api/v2/alerts", json=alerts, timeout=20, trust_env=False)
            assert answer.status_code == 200, answer.text


@pytest.fixture
def slack() -> Iterator[Weather]:
    weather = Weather(7)
    with weather:
        yield weather


def test_each_group_has_one_message_although_an_alertmanager_is_killed_and_comes_back(
    tmp_path: Path, server: postgres.Postgres, slack: Weather
) -> None:
    database = server.database()
    pods = [f"pod-{number}" for number in range(GROUPS)]
    with pagers(tmp_path, slack, database, count=2) as running, ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(Store(database)))
        cluster = Alertmanagers(tmp_path, running, stack)
        cluster.tell(pods, firing=True)
        assert eventually(lambda: len(_places(store, firing=True)) >= GROUPS // 2)
        cluster.processes[0].kill()
        cluster.tell(pods[:6], firing=False, to=(1,))
        assert eventually(lambda: _places(store, firing=False) == pods[:6], seconds=60)
        cluster.start(0)
        cluster.tell(pods[6:], firing=True)
        cluster.tell(pods[:6], firing=False)
        time.sleep(3)  # three group intervals: whoever of the two thinks that it has something to tell has told it
        slack.fair.set()
        assert settled(running)
        assert _places(store, firing=True) == sorted(pods[6:])
        assert _places(store, firing=False) == sorted(pods[:6])
        assert judge(store, slack, {}) == []


def _places(store: Store, *, firing: bool) -> list[str]:
    """Return the places of all incidents that fire, or are over; each as often as there are incidents."""
    until = INCIDENTS.c.until
    wanted = select(INCIDENTS.c.place).where(until.is_(None) if firing else until.is_not(None))
    with store._database.reading() as connection:
        return sorted(connection.scalars(wanted))
