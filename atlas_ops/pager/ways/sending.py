"""What a way answers when it was asked to send: nothing, or why it did not. Used by the ways and by `pager.ways.teller`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from atlas_ops.errors import AtlasError
from atlas_ops.pager.ways.telling import Batch
from atlas_ops.settings.people import Target


class NotSent(AtlasError):
    """A message was not sent; `message` says why, without a secret or an address in it."""

    def __init__(self, message: str, *, wait: float | None = None, unsure: bool = False) -> None:
        super().__init__(message)
        self.wait = wait
        """How many seconds the receiver asks us to wait; None: it does not say."""
        self.unsure = unsure
        """Whether the message may be there all the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be sent to whom, in words that are made once for all ways."""

    batch: Batch
    target: Target
    title: str
    text: str


class Sender(Protocol):
    """One way."""

    def send(self, order: Order) -> None:
        """Send a message; NotSent when that did not work."""


def secret(file: str, key: str) -> str:
    """Return what a file holds; NotSent when it cannot be read. `key` of the settings names it."""
    try:
        found = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NotSent(f"the file of {key} cannot be read: {reason}") from error
    if not found or any(character.isspace() for character in found):
        raise NotSent(f"the file of {key} holds no single word")
    return found
