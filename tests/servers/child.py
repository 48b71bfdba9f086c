"""A server of our own in a process of its own: started, told apart from its neighbours, and gone when the test is over."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0  # one or two on an idle machine, most of them for imports
STOP_SECONDS = 10.0


@contextlib.contextmanager
def running(module: str, *arguments: str, **environment: str) -> Iterator[dict[str, str]]:
    """Run `python -m module`, and yield what it says of itself: one line of JSON, printed when its ports are open."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={"PATH": os.defpath, "HOME": os.devnull, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            yield _introduction(process, log)
        finally:
            _stop(process)


def introduce(**told: str) -> None:
    """Say that the server is there, as `running` wants it; called by the server."""
    print(json.dumps(told), flush=True)


def _introduction(process: subprocess.Popen[bytes], log: IO[bytes]) -> dict[str, str]:
    assert process.stdout
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + START_SECONDS
        while not line.endswith(b"\n") and selector.select(max(deadline - time.monotonic(), 0)):
            if not (byte := os.read(process.stdout.fileno(), 1)):
                break
            line += byte
    if not line.endswith(b"\n"):
        log.seek(0)
        raise AssertionError(f"the server does not start:\n{log.read().decode(errors='replace')[-4000:]}")
    told: Mapping[str, str] = json.loads(line)
    return dict(told)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
