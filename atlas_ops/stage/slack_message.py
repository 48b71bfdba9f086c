"""One message of the Slack stand-in. Used by the modules beside this one and by the tests."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.stage.slack_limits import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message as it reads now. `thread_ts` is empty unless it is a reply; `edits` counts its updates."""

    channel: str
    ts: str
    thread_ts: str
    text: str
    blocks: tuple[Json, ...]
    metadata: Json
    edits: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Whisper:
    """A message that one person alone sees, and Slack does not keep."""

    channel: str
    user: str
    thread_ts: str
    text: str
