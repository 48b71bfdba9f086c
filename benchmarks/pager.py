"""What the pager takes in, how soon Slack hears of it, and what a storm leaves of it, beside Alertmanager's own Slack receiver.

Run by hand (`make bench-pager`), never by the test command; ten minutes. The pager is a process of its own, at the pace
that Slack allows; Slack is the strict stand-in, one message per second and channel, 429 above. Three tables:

- alerts that the pager has on the disk per second, when each comes alone and when they come in groups, on a file and on a
  PostgreSQL server of this machine,
- the time from the alert in Alertmanager to the call of Slack, through the pager and through Alertmanager's own receiver,
  which has the same alerts from the same route,
- a storm: incidents that are all open at once. What the pager needs of memory for them, how many messages it makes, and
  whether one is missing; how many messages Alertmanager's receiver got through, and how many incidents nobody heard of.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from atlas_ops.postgresql import Server
from atlas_ops.stage import slack_webhook
from atlas_ops.stage.processes import Process, free_port, program
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager import postgres
from tests.pager.notes import alert, body

TOKEN, CHANNEL = "xoxb-bench", "bench"
SETTINGS = "pager: {diagnosis: false, heartbeat: {expected: false, reach: false}}\n"
SENDERS = 16
ROUTE = """\
route:
  receiver: pager
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes: [{{receiver: slack, continue: true}}, {{receiver: pager}}]
receivers:
- {{name: pager, webhook_configs: [{{url: "{pager}/webhook", send_resolved: true}}]}}
- {{name: slack, slack_configs: [{{api_url: "{slack}", channel: "{channel}", title: "{{{{ .CommonLabels.pod }}}}"}}]}}
"""


class Slack(SlackStandIn):
    """The stand-in at Slack's pace, which its incoming webhook has to keep as well; it notes when what came."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN, channel=CHANNEL, per_second=1.0, burst=3)
        self.seen: dict[str, dict[str, float]] = {"pager": {}, "slack": {}}
        self.refused = 0

    def answer(self, method: str, token: str, arguments: Json) -> Answer:
        """Note which pods the message of a pager names."""
        now = time.time()
        answered = super().answer(method, token, arguments)
        if method == "chat.postMessage" and answered.status == 200:
            self._note("pager", json.dumps(arguments), now)
        return answered

    def webhook(self, arguments: Json) -> Answer:
        """Refuse what comes too fast, as Slack does at each of its doors."""
        now = time.time()
        with self._lock:
            limited = self._limited("webhook")
        if limited is not None:
            self.refused += 1
            return limited
        self._note("slack", slack_webhook.said(arguments), now)
        return super().webhook(arguments)

    def _note(self, way: str, text: str, now: float) -> None:
        for pod in re.findall(r"pod-\w+-\d+", text):
            self.seen[way].setdefault(pod, now)


class Pager:
    """`atlas-ops pager` as a process."""

    def __init__(self, folder: Path, slack: Slack | None, database: Path | Server) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "atlas-ops.yaml").write_text(SETTINGS)
        self.url = f"http://127.0.0.1:{free_port()}"
        where = str(database)
        if isinstance(database, Server):
            where = f"postgresql://{database.user}@/{database.database}?host={database.folder}"
        command = [sys.executable, "-m", "atlas_ops", "pager", "--listen", self.url.removeprefix("http://")]
        command += ["--database", where, "--config", str(folder / "atlas-ops.yaml")]
        command += ["--slack-api-url", slack.url.rstrip("/"), "--channel", CHANNEL] if slack else []
        token = {"SLACK_BOT_TOKEN": TOKEN if slack else ""}
        self.process = Process("pager", command, log=folder / "pager.log", environment=token)

    @contextlib.contextmanager
    def running(self) -> Iterator[Pager]:
        """Let it run until this is left."""
        with self.process:
            self.process.wait_until_ready(f"{self.url}/-/ready")
            yield self

    def metric(self, name: str) -> float:
        """Return one of its own signals."""
        page = httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False).text
        found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        page = Path(f"/proc/{self._pid()}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", page, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def _pid(self) -> int:
        return self.process._process.pid  # noqa: SLF001 - a benchmark looks where others need not


# --- what is taken in -------------------------------------------------------------------------------------------------


async def _post_all(url: str, bodies: Sequence[bytes]) -> None:
    waiting = iter(bodies)

    async def send(client: httpx.AsyncClient) -> None:
        for content in waiting:
            while (await client.post(f"{url}/webhook", content=content)).status_code != 200:
                await asyncio.sleep(0.1)

    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        await asyncio.gather(*(send(client) for _ in range(SENDERS)))


def accepted(pager: Pager, groups: int, size: int) -> float:
    """Return how many alerts per second a pager has on the disk, sent in so many groups of a size."""
    bodies = [
        body(*(_alert(f"{size}", group * size + number) for number in range(size)), group=f"{size}-{group}")
        for group in range(groups)
    ]
    began = time.perf_counter()
    asyncio.run(_post_all(pager.url, bodies))
    return groups * size / (time.perf_counter() - began)


def _alert(kind: str, number: int) -> dict[str, object]:
    pod = f"pod-{kind}-{number}"
    return alert(pod=pod, fingerprint=pod)


def rate_table(folder: Path) -> Iterator[str]:
    """Measure what each kind of database takes."""
    yield f"{'alerts on the disk per second':34}{'alone':>10}{'groups of 100':>16}"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres.running(durable=True))
        for name, database in (("SQLite file", folder / "pager.db"), ("PostgreSQL, same machine", server.database())):
            with Pager(folder / name.split()[0], None, database).running() as pager:
                alone, grouped = accepted(pager, 1000, 1), accepted(pager, 50, 100)
            yield f"{name:34}{alone:>10.0f}{grouped:>16.0f}"


# --- how soon, and what is lost ---------------------------------------------------------------------------------------


class Alertmanager:
    """A real one, whose route has both receivers."""

    def __init__(self, folder: Path, pager: Pager, slack: Slack) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        configuration = folder / "alertmanager.yml"
        configuration.write_text(ROUTE.format(pager=pager.url, slack=slack.webhook_url, channel=CHANNEL))
        command = [program("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={configuration}"]
        command += [f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={self.url[7:]}"]
        command += ["--cluster.listen-address=", "--log.level=error"]
        self.process = Process("alertmanager", command, log=folder / "alertmanager.log")

    @contextlib.contextmanager
    def running(self) -> Iterator[Alertmanager]:
        """Let it run until this is left."""
        with self.process:
            self.process.wait_until_ready(f"{self.url}/-/ready")
            yield self

    def tell(self, pods: Sequence[str]) -> None:
        """Send one firing alert for each pod."""
        now = datetime.now(UTC)
        alerts = [
            {
                "labels": {"alertname": "QueueBacklog", "severity": "page", "pod": pod, "model": "llama-3-8b"},
                "annotations": {"summary": "A new request would wait 2m 13s."},
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(hours=2)).isoformat(),
            }
            for pod in pods
        ]
        httpx.post(f"{self.url}/api/v2/alerts", json=alerts, timeout=60, trust_env=False).raise_for_status()


def latency_table(folder: Path, samples: int) -> Iterator[str]:
    """Tell one alert after the other, slower than Slack's pace, and measure when Slack is called."""
    sent: dict[str, float] = {}
    with Slack() as standing:
        assert isinstance(standing, Slack)
        slack = standing
        with (
            Pager(folder / "latency", slack, folder / "latency.db").running() as pager,
            Alertmanager(folder, pager, slack).running() as alertmanager,
        ):
            for number in range(samples):
                pod = f"pod-l-{number}"
                sent[pod] = time.time()
                alertmanager.tell([pod])
                _until(lambda pod=pod: all(pod in seen for seen in slack.seen.values()), 10)
                time.sleep(max(0.0, 7.0 - (time.time() - sent[pod])))  # below ten a minute: no storm
        yield f"{'ms from the alert to Slack':34}{'p50':>10}{'p99':>16}"
        for way, name in (("pager", "Alertmanager, pager, Slack"), ("slack", "Alertmanager's own receiver")):
            times = sorted((at - sent[pod]) * 1000 for pod, at in slack.seen[way].items() if pod in sent)
            p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
            yield f"{name:34}{statistics.median(times):>10.0f}{p99:>16.0f}"


def storm_table(folder: Path, incidents: int, seconds: float) -> Iterator[str]:
    """Let everything fire at once, and see what of it reaches people."""
    pods = [f"pod-s-{number}" for number in range(incidents)]
    with Slack() as standing:
        assert isinstance(standing, Slack)
        slack = standing
        with Pager(folder / "storm", slack, folder / "storm.db").running() as pager:
            before, peak = pager.memory(), _Peak(pager)
            with Alertmanager(folder, pager, slack).running() as alertmanager, peak:
                began = time.time()
                for first in range(0, incidents, 500):
                    alertmanager.tell(pods[first : first + 500])
                _until(lambda: pager.metric('atlas_pager_received_total{result="accepted"}') >= incidents, seconds)
                took = time.time() - began
                _until(lambda: pager.metric("atlas_pager_queue") == 0, seconds)
                delivered = time.time() - began
            limited = pager.metric('atlas_pager_retried_total{reason="rate_limited"}')
            listed = httpx.get(f"{pager.url}/", timeout=60, trust_env=False).text
        parents = [posted for posted in slack.messages if posted.metadata and not posted.thread_ts]
        told = sum(1 for posted in parents if "STORM" not in posted.text)
        gathered = [int(found) for posted in parents for found in re.findall(r"STORM · (\d+) incidents", posted.text)]
        heard = len(slack.seen["slack"])
    yield f"{f'{incidents} incidents at once':34}{'pager':>10}{'own receiver':>16}"
    yield f"{'messages in the channel':34}{len(parents):>10}{heard:>16}"
    yield f"{'replies in threads':34}{sum(1 for one in slack.messages if one.thread_ts):>10}{'-':>16}"
    yield f"{'incidents told of':34}{told + sum(gathered):>10}{heard:>16}"
    yield f"{'incidents nobody heard of':34}{incidents - told - sum(gathered):>10}{incidents - heard:>16}"
    yield f"{'posts refused with 429':34}{limited:>10.0f}{slack.refused:>16}"
    yield f"{'s until all are on the disk':34}{took:>10.0f}{'-':>16}"
    yield f"{'s until all are told':34}{delivered:>10.0f}{'never':>16}"
    yield f"{'MiB of memory before, at most':34}{before:>10.0f}{peak.mebi:>16.0f}"
    console = re.search(r"[\d,]+ open incidents", listed)
    yield f"on the console: {console[0] if console else 'no list'}"


class _Peak:
    """Watches the memory of a pager."""

    def __init__(self, pager: Pager) -> None:
        self.mebi = 0.0
        self._pager = pager
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.mebi = max(self.mebi, self._pager.memory())

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join()


def _until(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=10_000, help="in the storm (%(default)s)")
    parser.add_argument("--samples", type=int, default=30, help="of the latency, seven seconds each (%(default)s)")
    parser.add_argument("--patience", type=float, default=600, help="seconds for each part of the storm (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ.pop("SLACK_BOT_TOKEN", None)
        for table in (
            rate_table(folder),
            storm_table(folder, args.incidents, args.patience),
            latency_table(folder, args.samples),
        ):
            for line in table:
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
