"""A pager whose buttons work, with a real Alertmanager behind them and the stand-in for Slack before them. For the tests of buttons."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.alertmanager import Alertmanager
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.client import Slack
from atlas_ops.pager.slack.press import Presses
from atlas_ops.pager.store.store import Store
from atlas_ops.stage import slack_press
from atlas_ops.stage.slack_message import Message, Whisper
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager.notes import notification, runbooks
from tests.pager.rig import CHANNEL, FAST, TOKEN, eventually

APP_TOKEN = "xapp-test"
_GROUPS = itertools.count()


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a person sees of a pager, and its parts."""

    store: Store
    slack: SlackStandIn
    metrics: Metrics
    presses: Presses
    delivery: Delivery

    def page(self, alert: dict[str, object]) -> Message:
        """Have a page posted, of an incident of its own, and return its message."""
        seen = {message.ts for message in self.slack.messages}
        self.store.inbox.accept(notification(alert, group=f"group {next(_GROUPS)}"), time.time())
        self.delivery.wake()

        def fresh() -> list[Message]:
            return [one for one in self.slack.messages if not one.thread_ts and one.ts not in seen]

        assert eventually(lambda: bool(fresh()))
        return fresh()[0]

    def now(self, message: Message) -> Message:
        """Return a message as it reads now."""
        return next(one for one in self.slack.messages if one.ts == message.ts)

    def thread(self, message: Message) -> list[str]:
        """Return what was replied to a message."""
        return [one.text for one in self.slack.messages if one.thread_ts == message.ts]

    def whispers(self, message: Message) -> list[Whisper]:
        """Return what single persons were told beside a message."""
        return [one for one in self.slack.whispers if one.thread_ts == message.ts]

    def head(self, message: Message) -> Headline:
        """Return the incident of a message."""
        payload = message.metadata["event_payload"]
        assert isinstance(payload, dict)
        work = self.store.incidents.work(str(payload["incident"]))
        assert work
        return work.incident.headline

    def offers(self, message: Message, *labels: str) -> bool:
        """Wait until a message has exactly these buttons."""
        return eventually(lambda: slack_press.labels(self.now(message)) == labels)


@contextmanager
def desk(folder: Path, slack: SlackStandIn, alertmanager_url: str, *, buttons: bool = True) -> Iterator[Desk]:
    """Put the parts together; buttons reach them by `presses`."""
    store, metrics = Store(folder / "pager.db"), Metrics()
    client = Slack(token=TOKEN, url=slack.url, channel=CHANNEL)
    composer = Composer(runbooks=runbooks(folder / "runbooks"), pager_url="http://pager", buttons=buttons)
    delivery = Delivery(store, client, composer, metrics, FAST)
    alertmanager = Alertmanager(alertmanager_url, timeout_seconds=2)
    performer = Performer(store, alertmanager, metrics, changed=delivery.wake)
    presses = Presses(performer=performer, slack=client)
    delivery.start()
    try:
        yield Desk(store=store, slack=slack, metrics=metrics, presses=presses, delivery=delivery)
    finally:
        slack.release()
        delivery.stop(10)
        alertmanager.close()
        store.close()
