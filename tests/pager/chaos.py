"""A Slack that has bad days, pagers that are killed, a sender that never gives up, and the judge of what came of it.

For `test_chaos`. Everything random comes from one seed.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import Row, select

from atlas_ops.pager import webhook
from atlas_ops.pager.incident import by_severity
from atlas_ops.pager.store.store import Store
from atlas_ops.pager.store.tables import EVENTS, INCIDENTS, STORMS
from atlas_ops.postgresql import Server
from atlas_ops.stage.processes import free_port
from atlas_ops.stage.slack_http import Answer
from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager import quick_pager
from tests.pager.notes import alert, body, runbooks
from tests.pager.rig import CHANNEL, TOKEN, eventually

SETTINGS = "pager: {diagnosis: false, heartbeat: {expected: false, reach: false}}\n"
_CLIENT = httpx.Client(timeout=10, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
_HANG_SECONDS = quick_pager.TIMEOUT_SECONDS + 0.5
"""Longer than the pager waits, and shorter than it lets a message settle."""


class Weather(SlackStandIn):
    """A stand-in that now and then limits, fails, hangs, or fails after it has taken a message."""

    def __init__(self, seed: int) -> None:
        super().__init__(token=TOKEN, channel=CHANNEL, per_second=1000, burst=1000)
        self._dice = random.Random(seed)
        self.fair = threading.Event()
        """While it is set, nothing goes wrong."""

    def answer(self, method: str, token: str, arguments: Json) -> Answer:
        """Answer one call, or not."""
        luck = 1.0 if self.fair.is_set() else self._dice.random()
        if luck < 0.03:
            return Answer(body={"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
        if luck < 0.08:
            return Answer(body={"ok": False, "error": "internal_error"}, status=self._dice.choice((500, 502, 503, 504)))
        if luck < 0.09:
            time.sleep(_HANG_SECONDS)
        answered = super().answer(method, token, arguments)
        if 0.10 < luck < 0.11:
            time.sleep(_HANG_SECONDS)
        if 0.11 < luck < 0.15:
            return Answer(body="<html>Bad gateway</html>", status=502)
        return answered


class Pager:
    """A pager that can be killed and started again."""

    def __init__(
        self, folder: Path, slack: SlackStandIn, database: Path | Server, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "atlas-ops.yaml").write_text(SETTINGS)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "pager.log"
        where = str(database)
        if isinstance(database, Server):
            where = f"postgresql://{database.user}@/{database.database}?host={database.folder}"
        self._command = [sys.executable, "-m", "tests.pager.quick_pager", "pager", "--channel", CHANNEL]
        self._command += ["--listen", self.url.removeprefix("http://"), "--database", where]
        self._command += ["--slack-api-url", slack.url.rstrip("/"), "--config", str(folder / "atlas-ops.yaml")]
        self._command += ["--runbooks", str(runbooks(folder / "runbooks"))]
        self._environment = {**os.environ, "SLACK_BOT_TOKEN": TOKEN, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it need not answer yet."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log, stdout=log, env=self._environment)

    def wait(self) -> None:
        """Wait until it answers."""
        assert eventually(lambda: asked(f"{self.url}/-/ready") is not None, seconds=180), self.log.read_text()[-3000:]

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)

    @property
    def waiting(self) -> float:
        """How much it has still to deliver; more than nothing when it does not answer."""
        found = re.search(r"^atlas_pager_queue (\S+)$", asked(f"{self.url}/metrics") or "", re.MULTILINE)
        return float(found[1]) if found else 1.0


@contextmanager
def pagers(
    folder: Path, slack: SlackStandIn, database: Path | Server, *, count: int = 1, environment: Mapping[str, str] = {}
) -> Iterator[Sequence[Pager]]:
    """Start pagers that share a database, and end them."""
    made = [Pager(folder / f"pager{number}", slack, database, environment) for number in range(count)]
    for pager in made:
        pager.start()
    try:
        for pager in made:
            pager.wait()
        yield made
    finally:
        for pager in made:
            pager.end(signal.SIGKILL)


def asked(url: str) -> str | None:
    """GET a page; None when nobody answers 200."""
    try:
        answer = _CLIENT.get(url, timeout=5)
    except httpx.TransportError:
        return None
    return answer.text if answer.status_code == 200 else None


@dataclass
class Load:
    """Groups of alerts, each from its first alert to its resolve, told as Alertmanager does: again until it is taken."""

    pagers: Sequence[Pager]
    seed: int
    groups: int
    pause: float = 0.02
    fires: dict[str, bool] = field(default_factory=dict)
    """Whether a group still fires at the end."""

    def run(self) -> None:
        """Tell everything: each group's webhooks in their order, some of them twice, and late mail among them."""
        dice = random.Random(self.seed)
        queues = {str(number): self._life(dice, str(number)) for number in range(self.groups)}
        turns = [name for name, queue in queues.items() for _ in queue]
        dice.shuffle(turns)
        for turn in turns:
            for content in queues[turn].pop(0):
                post(self.pagers, content, dice)
            time.sleep(self.pause * dice.random())

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread

    def _life(self, dice: random.Random, name: str) -> list[list[bytes]]:
        """Return what is told of a group, turn by turn; late mail comes at once after the turn that it is late for."""
        severity = dice.choice(("page", "ticket"))
        fault = dice.choice(("QueueBacklog", "EngineStalled", "GpuLost"))
        group = f"{self.seed}-{name}"

        def told(*pods: str, firing: bool = True) -> bytes:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            each = [
                alert(fault, severity=severity, pod=pod, fingerprint=f"{group}{pod}", firing=firing, ends=now)
                for pod in pods
            ]
            return body(*each, group=group)

        first, second, over = told("a"), told("a", "b"), told("a", "b", firing=False)
        fires = self.fires[key(group, severity)] = dice.random() < 0.3
        life = [[first], [second]] if fires else [[first], [second], [over]]
        for turn in life:
            turn += turn if dice.random() < 0.2 else []
        if dice.random() < 0.3:  # the other Alertmanager, which is late
            life[-1].append(dice.choice((first, second)))
        return life


def key(group: str, severity: str = "page") -> str:
    """Return what the pager calls the alerts of a group that have a severity."""
    [told] = by_severity(webhook.parse(body(alert(severity=severity), group=group)))
    return told.key


def post(pagers: Sequence[Pager], content: bytes, dice: random.Random, *, seconds: float = 300.0) -> None:
    """Post a webhook to any pager until one has taken it, as Alertmanager does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            answer = _CLIENT.post(f"{dice.choice(pagers).url}/webhook", content=content)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code == 200:
            return
        assert answer.status_code == 503, answer.text
        time.sleep(0.05)
    raise AssertionError("no pager takes webhooks")


def refused(pager: Pager, content: bytes) -> bool:
    """Whether a webhook is answered 503."""
    return _CLIENT.post(f"{pager.url}/webhook", content=content).status_code == 503


def settled(pagers: Sequence[Pager], *, seconds: float = 300.0) -> bool:
    """Wait until nothing is left to deliver."""
    return eventually(lambda: all(pager.waiting == 0 for pager in pagers), seconds=seconds)


# --- the judge --------------------------------------------------------------------------------------------------------


def judge(store: Store, slack: SlackStandIn, fires: Mapping[str, bool]) -> list[str]:
    """Return everything that is wrong; nothing when each incident has exactly one parent and tells how it ended."""
    with store._database.reading() as connection:
        incidents = connection.execute(select(INCIDENTS)).all()
        storms = connection.execute(select(STORMS)).all()
        told = {(row.incident, row.number) for row in connection.execute(select(EVENTS))}
    parents, threads = _by_incident(slack)
    wrong = [*_lives(incidents, fires), *_messages(incidents, storms, parents)]
    for thread, events in threads.items():
        wrong += [f"{thread} tells event {event} {count} times" for event, count in events.items() if count > 1]
        wrong += [f"{thread} tells an event that never was" for event in events if (thread, event) not in told]
    last = dict(sorted(told))
    for row in [*incidents, *storms]:
        if row.ts and row.sent_event != last.get(row.id, 0):
            wrong.append(f"the thread of {row.id} does not tell its last event")
    return wrong


def _lives(incidents: Sequence[Row[tuple[object, ...]]], fires: Mapping[str, bool]) -> Iterator[str]:
    counts = Counter(row.key for row in incidents)
    for name, firing in fires.items():
        if counts[name] != 1:
            yield f"group {name[:8]} has {counts[name]} incidents"
        yield from (
            f"incident {row.id} should {'fire' if firing else 'be over'}"
            for row in incidents
            if row.key == name and (row.until is None) != firing
        )


def _messages(
    incidents: Sequence[Row[tuple[object, ...]]],
    storms: Sequence[Row[tuple[object, ...]]],
    parents: Mapping[str, list[Message]],
) -> Iterator[str]:
    for row in incidents:
        own = parents.get(row.id, [])
        if len(own) != (0 if row.storm else 1):
            yield f"incident {row.id} (storm {row.storm or 'none'}) has {len(own)} messages: {row.problem}"
        if own and ("RESOLVED" in own[0].text) != (row.until is not None):
            yield f"the message of incident {row.id} says {own[0].text[:40]}"
    for row in storms:
        own, members = parents.get(row.id, []), [one for one in incidents if one.storm == row.id]
        if len(own) != (1 if members else 0):
            yield f"storm {row.id} has {len(own)} messages for {len(members)} incidents"
        firing = sum(one.until is None for one in members)
        if own and f"{firing or len(members)} incidents" not in own[0].text:
            yield f"the message of storm {row.id} says {own[0].text[:60]}, of {firing} that fire"
    known = {row.id for row in [*incidents, *storms]}
    yield from (f"a message tells of {name}, which is not known" for name in parents.keys() - known)


def _by_incident(slack: SlackStandIn) -> tuple[dict[str, list[Message]], dict[str, Counter[int]]]:
    parents: dict[str, list[Message]] = {}
    threads: dict[str, Counter[int]] = {}
    for posted in slack.messages:
        about = json.loads(json.dumps(posted.metadata))["event_payload"]
        if posted.thread_ts:
            threads.setdefault(about["incident"], Counter())[about["event"]] += 1
        else:
            parents.setdefault(about["incident"], []).append(posted)
    return parents, threads
