"""What Slack sends when a person presses a button of a message. Used by `stage.slack_socket`, and by tests that post it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_message import Message

_COUNT = itertools.count()


def payload(message: Message, action: str, *, user: str = "jane", channel: str = "ml-oncall") -> Json:
    """Return the payload of a press; KeyError when the message has no such button."""
    block, button = next(((b, e) for b, e in _buttons(message) if e.get("action_id") == action), ({}, {}))
    if not button:
        raise KeyError(action)
    pressed = {name: button[name] for name in ("action_id", "text", "value", "type", "style") if name in button}
    # A link, too, is told of when it is pressed.
    pressed |= {"block_id": str(block.get("block_id") or "b1"), "action_ts": f"{time.time():.4f}{next(_COUNT):02}"}
    return {
        "type": "block_actions",
        "api_app_id": "A0STANDIN",
        "token": "old-verification-token",
        "user": {"id": f"U0{user.upper()[:9]}", "username": user, "name": user, "team_id": "T0"},
        "team": {"id": "T0", "domain": "standin"},
        "enterprise": None,
        "is_enterprise_install": False,
        "trigger_id": "1.2.3",
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": False,
        },
        "channel": {"id": message.channel, "name": channel},
        "message": {"type": "message", "ts": message.ts, "text": message.text, "blocks": list(message.blocks)},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.com/actions/T0/1/x",
        "actions": [pressed],
    }


def labels(message: Message) -> tuple[str, ...]:
    """Return the labels of the buttons that the app hears of, in the order in which they are shown."""
    return tuple(
        str(text["text"])
        for _, button in _buttons(message)
        if "url" not in button and isinstance(text := button.get("text"), dict)
    )


def _buttons(message: Message) -> Iterator[tuple[Json, Json]]:
    for block in message.blocks:
        elements = block.get("elements") if block.get("type") == "actions" else None
        for element in elements if isinstance(elements, list) else ():
            yield block, element
