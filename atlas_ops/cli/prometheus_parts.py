"""What commands that read drift out of Prometheus share: its address, its client, and moments. Used by `watch` and `drift_accept`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from atlas_ops import settings
from atlas_ops.errors import UsageError
from atlas_ops.prometheus import Prometheus
from atlas_ops.settings import durations

_TIMEOUT_SECONDS = 30.0
"""A day of a model with a hundred pods takes Prometheus some seconds; what takes longer is cut off."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add `--prometheus`."""
    parser.add_argument("--prometheus", required=True, metavar="URL", help="such as http://prometheus:9090")


@contextmanager
def client(args: argparse.Namespace) -> Iterator[Prometheus]:
    """Yield the client of `--prometheus`."""
    if problem := settings.url_problem(args.prometheus):
        raise UsageError(f"--prometheus: {problem}", next_step="give its address, such as http://127.0.0.1:9090")
    found = Prometheus(args.prometheus, timeout_seconds=_TIMEOUT_SECONDS)
    try:
        yield found
    finally:
        found.close()


def moment(flag: str, text: str) -> float:
    """Return a moment in the past (Unix seconds): written as ISO 8601, in UTC unless it says otherwise, or as how long ago."""
    now, ago = time.time(), durations.seconds(text)
    try:
        found = datetime.fromisoformat(text) if ago is None else None
    except ValueError as error:
        raise UsageError(
            f"{flag}: expected a time or how long ago, found {text!r}", next_step="such as 2026-11-20T08:00 or 36h"
        ) from error
    at = now - (ago or 0.0) if found is None else (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if at > now:
        raise UsageError(f"{flag}: {text} lies in the future", next_step="give a time in the past, in UTC")
    return at
