"""Prints a message as the JSON that Slack takes. Called by `pager.slack.client` (to send) and `pager.delivery.courier` (to compare)."""

from __future__ import annotations

import hashlib
import json

from atlas_ops.pager.slack.blocks import (
    Block,
    Button,
    Buttons,
    Context,
    Fields,
    Header,
    Link,
    Links,
    Message,
    Picture,
    Section,
    Span,
    Style,
    Text,
    escape,
)

Json = dict[str, object]

EVENT_TYPE = "atlas_ops_incident"
"""Type of the metadata by which a message is found again after a crash."""


def blocks(message: Message) -> list[Json]:
    """Return the blocks of a message in Slack's Block Kit."""
    return [_block(block) for block in message.blocks]


def metadata(message: Message) -> Json:
    """Return the metadata that tells which incident, and which event of it, a message is about."""
    return {"event_type": EVENT_TYPE, "event_payload": {"incident": message.incident, "event": message.event}}


def fallback(message: Message) -> str:
    """Return the text that notifications show."""
    return escape(message.text)


def digest(message: Message) -> str:
    """Return what changes when, and only when, the message as Slack shows it changes."""
    return hashlib.sha256(json.dumps([fallback(message), blocks(message)]).encode()).hexdigest()


def _block(block: Block) -> Json:
    match block:
        case Header(text):
            return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": True}}
        case Section(text):
            return {"type": "section", "text": _mrkdwn(text)}
        case Fields(texts):
            return {"type": "section", "fields": [_mrkdwn(text) for text in texts]}
        case Context(text):
            return {"type": "context", "elements": [_mrkdwn(text)]}
        case Links(links):
            return {"type": "actions", "elements": [_link(number, link) for number, link in enumerate(links)]}
        case Buttons(buttons):
            return {"type": "actions", "elements": [_button(button) for button in buttons]}
        case Picture(file, words):
            return {"type": "image", "slack_file": {"id": file}, "alt_text": words}


def _link(number: int, link: Link) -> Json:
    # Slack tells of the press of a link, too: `slack.press` lets it pass.
    return {"type": "button", "action_id": f"link-{number}", "text": _words(link.label), "url": link.url}


def _button(button: Button) -> Json:
    printed: Json = {"type": "button", "action_id": button.action, "text": _words(button.label)}
    printed["value"] = button.incident
    if button.urgent:
        printed["style"] = "primary"
    if button.sure:
        words = {"title": "Are you sure?", "text": button.sure, "confirm": button.label, "deny": "No"}
        printed["confirm"] = {name: _words(text) for name, text in words.items()}
    return printed


def _words(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: Text) -> Json:
    # verbatim: Slack must not look for links and mentions in what alerts say.
    return {"type": "mrkdwn", "text": "".join(map(_span, text)) or "…", "verbatim": True}


def _span(span: Span) -> str:
    text = escape(span.text)
    match span.style:
        case Style.PLAIN:
            return text
        case Style.BOLD:
            return f"*{text}*"
        case Style.CODE:
            return f"`{text}`"
        case Style.BLOCK:
            return f"```\n{text}\n```"
        case Style.MENTION:
            return f"<!subteam^{span.text}>" if span.text.startswith("S") else f"<@{span.text}>"
        case Style.TIME:
            return f"<!date^{int(span.at)}^{{date_short_pretty}} {{time_secs}}|{text}>"
