"""What commands that read Prometheus share: its address, how to log in there, its client, and moments of its past."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from atlas_ops import http_config, settings
from atlas_ops.errors import ConfigError, DataError, UsageError
from atlas_ops.http_config import HttpConfig
from atlas_ops.prometheus import Prometheus
from atlas_ops.settings import Settings, durations

_EXAMPLE = "such as http://prometheus:9090"
_TIMEOUT_SECONDS = 60.0
"""A day of a model with a hundred pods takes Prometheus some seconds; what takes longer is cut off."""


def add(
    parser: argparse._ActionsContainer, told: str = _EXAMPLE, *, required: bool = True, default: str | None = None
) -> None:
    """Add `--prometheus` and `--http-config`."""
    parser.add_argument("--prometheus", required=required, default=default, metavar="URL", help=told)
    parser.add_argument(
        "--http-config",
        type=Path,
        metavar="FILE",
        help="how to log in there: credentials and TLS, in the format of Prometheus's http_config (docs/settings.md, Prometheus behind a login)",
    )


def address(args: argparse.Namespace, configured: Settings | None = None) -> str:
    """Return the address that `--prometheus` gives, or else the settings; UsageError when it is none."""
    url = str(args.prometheus or (configured.links.prometheus if configured else "")).rstrip("/")
    problem = settings.url_problem(url)
    if not problem and ("?" in url or "#" in url):
        problem = "it has to end before the first ? or #"
    if problem:
        raise UsageError(
            f"--prometheus: {problem}",
            next_step="give its address alone, such as http://127.0.0.1:9090; credentials go into the file of --http-config",
        )
    return url


def login(args: argparse.Namespace, configured: Settings | None = None) -> HttpConfig | None:
    """Return how to log in at `address`; DataError when that file has mistakes, whose own exit code means something else here.

    What the settings name is for the address in the settings, and sent to no other.
    """
    path: Path | None = args.http_config
    if not path and configured and configured.prometheus.http_config_file:
        ours = address(args, configured) == configured.links.prometheus
        path = Path(configured.prometheus.http_config_file) if ours else None
    try:
        return http_config.read(path) if path else None
    except ConfigError as error:
        raise DataError(error.message, next_step=error.next_step) from error


@contextmanager
def client(
    args: argparse.Namespace, configured: Settings | None = None, *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> Iterator[Prometheus]:
    """Yield the client of `address`, which logs in as `login` says."""
    found = Prometheus(address(args, configured), timeout_seconds=timeout_seconds, http_config=login(args, configured))
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
