"""What a post to one of Slack's incoming webhooks says. Called by `stage.slack_standin`.

Alertmanager posts there by itself, in the old form of attachments, which are kept here as plain text.
"""

from __future__ import annotations

from atlas_ops.stage.slack_limits import Json

PATH = "/services/T0STANDIN/B0STANDIN/secret"
"""Where the stand-in's one webhook is."""


def said(post: Json) -> str:
    """Return the texts of a post and its attachments, line by line; empty when it has none, which Slack refuses."""
    attachments = post.get("attachments")
    parts = [post, *(attachments if isinstance(attachments, list) else ())]
    texts = [part.get(key) for part in parts if isinstance(part, dict) for key in ("pretext", "title", "text")]
    return "\n".join(str(text) for text in texts if text)
