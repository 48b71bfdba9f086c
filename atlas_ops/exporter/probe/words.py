"""What the JSON of model servers means: text, the end, an error.

Used by `answer` for what comes with HTTP 200, and by `prober` for the body of another status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from atlas_ops.exporter.probe.outcome import ProbeFailure, Result

SAID_CHARACTERS = 300
"""How much of a server's own words is shown."""
_CLEANED_CHARACTERS = 10 * SAID_CHARACTERS
_DEPTH = 2  # {"error": {"message": "..."}}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_PARTS = ("delta", "message")
_TEXTS = ("text", "content", "reasoning_content", "reasoning", "tool_calls")
"""Where a token can stand. Models that think first begin with reasoning, those with tools may begin with a call."""
_FAILED = ("error", "abort", "cancelled", "timeout")
"""Reasons to stop that are failures: vLLM's `FINISH_REASON_STRINGS` and SGLang's (error, abort), TensorRT-LLM's (cancelled,
timeout). The others (stop, length, tool_calls, …) are ends as they should be."""


def parse(text: str | bytes) -> object:
    """Return what a JSON text holds; None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: ten thousand brackets
        return None


def has_text(message: dict[str, object]) -> bool:
    """Say whether OpenAI's completion, or a piece of one, holds a token."""
    return any(part.get(key) for choice in _choices(message) for part in _parts(choice) for key in _TEXTS)


def is_finished(message: dict[str, object]) -> bool:
    """Say whether a piece of OpenAI's completion tells why it is the last one."""
    return any(choice.get("finish_reason") for choice in _choices(message))


def refuse_failed(message: dict[str, object]) -> None:
    """Raise ProbeFailure when OpenAI's completion, or a piece of one, stopped for a reason that is a failure."""
    for choice in _choices(message):
        if choice.get("finish_reason") in _FAILED:
            raise ProbeFailure(
                Result.ERROR_IN_ANSWER, f"HTTP 200, but the answer ended by finish_reason {choice['finish_reason']}"
            )


def holds(message: dict[str, object], keys: Sequence[str]) -> bool:
    """Say whether something stands under one of the keys; ProbeFailure when none of them is there at all."""
    if not any(key in message for key in keys):
        raise ProbeFailure(Result.GARBAGE, f"the answer has none of the keys that this API knows ({', '.join(keys)})")
    return any(message.get(key) not in (None, "", [], {}) for key in keys)


def refuse_error(message: object, *, named: bool = False) -> None:
    """Raise ProbeFailure when the message is an error: an object with one in it, or an event `named` so.

    A number under `error` is none: models return such things. An object may also be an error as a whole: vLLM until 0.9,
    SGLang and LMDeploy send {"object": "error", "message": …}.
    """
    error = message.get("error") if isinstance(message, dict) else None
    if isinstance(message, dict) and message.get("object") == "error":
        error = message
    if named or (isinstance(error, str | dict) and error):
        raise ProbeFailure(
            Result.ERROR_IN_ANSWER, f"HTTP 200, but the answer tells an error{_names(error)}", said=said(message)
        )


def said(message: object) -> str:
    """Return the server's own words on an error; empty where there are none."""
    for _ in range(_DEPTH):
        if isinstance(message, dict):
            message = next((message[key] for key in ("error", "message", "detail") if message.get(key)), None)
    return printable(message) if isinstance(message, str) else ""


def printable(text: str) -> str:
    """Return the beginning of a text, fit for one line on a terminal; `prober` cuts it when it has taken the token out."""
    start = text[:_CLEANED_CHARACTERS]
    return " ".join("".join(char if char.isprintable() else " " for char in start).split())


def _names(error: object) -> str:
    """Return type and code of an error where they are names or numbers, which quote nothing of the request."""
    if not isinstance(error, dict):
        return ""
    found = [str(error[key]) for key in ("type", "code") if isinstance(error.get(key), str | int)]
    names = [name for name in found if _NAME.fullmatch(name)]
    return f" ({', '.join(names)})" if names else ""


def _choices(message: dict[str, object]) -> Iterator[dict[str, object]]:
    choices = message.get("choices")
    if isinstance(choices, list):
        yield from (choice for choice in choices if isinstance(choice, dict))


def _parts(choice: dict[str, object]) -> Iterator[dict[str, object]]:
    yield choice
    for key in _PARTS:
        part = choice.get(key)
        if isinstance(part, dict):
            yield part
