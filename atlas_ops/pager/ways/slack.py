"""Posts a message of its own into the Slack channel of a target. Called by `pager.ways.teller`.

What may be there already, because a pager was killed after it had sent it, is looked for before it is sent again.
"""

from __future__ import annotations

import time

from atlas_ops.pager.delivery.pace import Pace
from atlas_ops.pager.slack import blocks
from atlas_ops.pager.slack.blocks import Message
from atlas_ops.pager.slack.client import Absent, Accepted, Later, Refused, Sent, Slack
from atlas_ops.pager.store.buckets import Buckets
from atlas_ops.pager.ways import wording
from atlas_ops.pager.ways.sending import NotSent, Order

_LOOK_BACK_SECONDS = 24 * 3600.0
_REFUSED_SECONDS = 60.0


class Channels:
    """`pager_url` is the public address of the pager, without a slash at its end; `buckets` count what a channel gets."""

    def __init__(self, slack: Slack, pager_url: str, buckets: Buckets) -> None:
        self._slack = slack
        self._pager_url = pager_url
        self._buckets = buckets

    def send(self, order: Order) -> None:
        """Post it, unless it is there; NotSent when Slack does not take it."""
        if order.batch.unsure and self._there(order):
            return
        channel = order.target.slack_channel
        # It does not wait for its turn: it is rare and urgent. What else goes to the channel waits for it.
        self._buckets.take(channel, Pace().rate)
        match self._slack.post(self._message(order), channel=channel):
            case Later() as later:
                if later.wait is not None:
                    self._buckets.pause(channel, later.wait)
                raise NotSent(later.detail, wait=_wait(later), unsure=later.accepted is not Accepted.NO)
            case Refused() as refused:
                raise NotSent(refused.advice, wait=_REFUSED_SECONDS)
            case Sent():
                return

    def _there(self, order: Order) -> bool:
        since, channel = time.time() - _LOOK_BACK_SECONDS, order.target.slack_channel
        match self._slack.find(incident=order.batch.id, since=since, channel_id="", channel=channel):
            case Sent():
                return True
            case Later() as later:
                raise NotSent(later.detail, wait=later.wait, unsure=True)
            case Absent() | Refused():  # a token that may not look: rather twice than never
                return False

    def _message(self, order: Order) -> Message:
        called = [blocks.mention(order.target.slack_user), blocks.plain(" ")] if order.target.slack_user else []
        first = wording.incidents(order.batch)[0]
        page = blocks.Link("Incident", wording.address(first.id, self._pager_url))
        return Message(
            incident=order.batch.id,
            event=0,
            text=order.title,
            blocks=(
                blocks.header(order.title),
                blocks.section([*called, blocks.plain(order.text)]),
                blocks.links([page]),
            ),
        )


def _wait(later: Later) -> float | None:
    """Return for how long to wait: what Slack may still be busy with cannot be looked for yet."""
    return Pace().settle if later.accepted is Accepted.IN_FLIGHT else later.wait
