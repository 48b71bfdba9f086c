"""Answers of model servers, byte by byte, and what the probe makes of them. Shared by the tests of the probe."""

from __future__ import annotations

import json
from typing import Any

from atlas_ops.exporter.probe.outcome import Outcome
from atlas_ops.exporter.probe.prober import Prober
from atlas_ops.settings import Probe
from tests.exporter.fake_server import Behaviour, raw, serving

SECONDS = 20.0
"""More than any test needs that does not wait for a timeout."""
SOON = 0.1
"""For tests that do."""
MODEL = "org/tiny"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(message: object) -> bytes:
    return f"data: {json.dumps(message)}\n\n".encode()


def token(text: str = "Hi", finish: str | None = None, **choice: object) -> bytes:
    """A piece of a completion."""
    return event({"choices": [{"index": 0, "text": text, "finish_reason": finish, **choice}]})


def delta(finish: str | None = None, **parts: object) -> bytes:
    """A piece of a chat completion."""
    return event({"choices": [{"index": 0, "delta": parts, "finish_reason": finish}]})


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def stream(*parts: bytes) -> Behaviour:
    """A whole event stream in chunks."""
    return raw(STREAM + chunks(*parts) + b"0\r\n\r\n")


GOOD = (token("Hi"), token(" there", "length"), DONE)


def ask(behaviour: Behaviour, *, api: str = "openai", seconds: float = SECONDS, **options: Any) -> Outcome:
    """What becomes of one request to a server that behaves like this."""
    with serving(behaviour) as server:
        return prober(server.url, api=api, seconds=seconds, **options).ask()


def prober(url: str, *, api: str = "openai", seconds: float = SECONDS, model: str = MODEL, **options: Any) -> Prober:
    return Prober(Probe(model=model, api=api, timeout_seconds=seconds, **options), url)
