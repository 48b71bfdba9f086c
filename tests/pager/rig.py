"""A pager's parts at full speed, over real HTTP, against a Slack stand-in. For the tests of the pager."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from atlas_ops.pager.composer import Composer
from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.store.lane import lanes
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_message import Message
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.notes import notification, runbooks

TOKEN = "xoxb-test"
CHANNEL = "ml-oncall"
FAST = Pace(
    per_second=500,
    burst=50,
    every=0.0,
    first_retry=0.02,
    last_retry=0.1,
    pause=0.05,
    refused=0.1,
    settle=0.6,
    look=0.02,
    own_messages=1000,
    storm_every=0.1,
)


def eventually(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Wait until a condition holds; False when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def parents(slack: SlackStandIn) -> list[Message]:
    """Return the messages that began a thread."""
    return [message for message in slack.messages if not message.thread_ts]


def replies(slack: SlackStandIn) -> list[Message]:
    """Return the replies in threads."""
    return [message for message in slack.messages if message.thread_ts]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rig:
    """A store and the worker that empties it into Slack."""

    store: Store
    delivery: Delivery
    metrics: Metrics

    def hear(self, *alerts: dict[str, object], group: str = "one") -> None:
        """Take a webhook, as the HTTP side does."""
        self.store.inbox.accept(notification(*alerts, group=group), time.time())
        self.delivery.wake()

    def metric(self, name: str) -> float:
        """Return a value of the pager's own page; 0 where it is not there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.metrics.page().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def quiet(self) -> bool:
        """Wait until Slack shows everything."""
        return eventually(lambda: self.store.outbox.waiting() + self.store.storms.waiting() == 0)


@contextmanager
def standing_slack(**options: float) -> Iterator[SlackStandIn]:
    """Start a stand-in that is as fast as the tests, unless told otherwise."""
    per_second, burst = options.get("per_second", 1000.0), int(options.get("burst", 1000))
    with SlackStandIn(token=TOKEN, channel=CHANNEL, per_second=per_second, burst=burst) as slack:
        yield slack


@contextmanager
def delivering(
    folder: Path,
    slack: SlackStandIn,
    *,
    database: Path | Server | None = None,
    tickets_channel: str = "",
    token: str = TOKEN,
    channel: str = CHANNEL,
    pace: Pace = FAST,
    timeout: int = 10,
) -> Iterator[Rig]:
    """Start a delivery on a database (default: a file in the folder); leaving it is like a stop, not a crash."""
    store = Store(database or folder / "pager.db")
    client = Slack(token=token, url=slack.url, channel=channel, timeout_seconds=timeout)
    metrics = Metrics()
    composer = Composer(runbooks=runbooks(folder / "runbooks"), pager_url="http://pager")
    delivery = Delivery(store, client, composer, metrics, pace, lanes=lanes(channel, tickets_channel))
    rig = Rig(store=store, delivery=delivery, metrics=metrics)
    rig.delivery.start()
    try:
        yield rig
    finally:
        slack.release()
        rig.delivery.stop(10)
        store.close()


@contextmanager
def serving(app: Starlette) -> Iterator[httpx.Client]:
    """Serve an application on a free loopback port, and return a client for it."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
