"""A release before and after a delay crept in: a real server, real load, runs that take turns."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.cli import main
from tests.servers.fastapi_server import FastapiServer, running_fastapi

LOAD = Path(__file__).with_name("load.py")


@pytest.fixture(scope="module")
def server() -> Iterator[FastapiServer]:
    with running_fastapi("instrumentator") as running:
        yield running


def gate(server: FastapiServer, folder: Path, baseline: float, canary: float) -> tuple[int, dict[str, object]]:
    """Compare two releases that work for so many seconds each."""
    urls = [f"{server.url}/predict?seconds={seconds}" for seconds in (baseline, canary)]
    command = f"{sys.executable} -I -S {LOAD} {{url}} {{output}} 40"
    code = main(
        ["gate", "--run", command, "--baseline-url", urls[0], "--canary-url", urls[1], "--runs", "6", "--warm-up", "1",
         "--json", str(folder / "gate.json"), "--keep", str(folder / "results")],
    )  # fmt: skip
    return code, json.loads((folder / "gate.json").read_text(encoding="utf-8"))


def test_a_delay_that_doubles_the_latency_fails_the_release(server: FastapiServer, tmp_path: Path) -> None:
    code, told = gate(server, tmp_path, 0.04, 0.12)
    assert (code, told["verdict"]) == (1, "fail")
    assert "request latency p50 is worse by at least" in str(told["sentence"])
    # A warm-up of each side, and then in turns; the last may have been spared.
    names = sorted(path.name for path in (tmp_path / "results").iterdir() if path.suffix != ".log")
    assert [name.split("-")[1] for name in names[:6]] == [
        "baseline",
        "canary",
        "canary",
        "baseline",
        "baseline",
        "canary",
    ]
    assert names[-2:] == ["warm-up-1-baseline", "warm-up-2-canary"]


def test_the_same_release_does_not_fail(server: FastapiServer, tmp_path: Path) -> None:
    code, _ = gate(server, tmp_path, 0.04, 0.04)
    assert code in (0, 3)  # on a busy machine the runs may differ so much that it cannot tell
