"""The pager as a process in a bad world: every incident has exactly one message, which tells how it ended; nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from tests.pager.chaos import Load, Pager, Weather, judge, pagers, post, refused, settled
from tests.pager.notes import alert, body

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return sum(map(ord, request.node.name))


@pytest.fixture
def slack(seed: int) -> Iterator[Weather]:
    weather = Weather(seed)
    with weather:
        yield weather


def verdict(database: Path | Server, running: Sequence[Pager], slack: Weather, load: Load) -> list[str]:
    """Let the weather clear, wait until everything is delivered, and judge."""
    slack.fair.set()
    assert settled(running), [pager.log.read_text()[-2000:] for pager in running]
    for pager in running:
        pager.end()
    store = Store(database)
    try:
        return judge(store, slack, load.fires)
    finally:
        store.close()


def test_killed_at_random_moments_under_load_and_a_slack_that_fails(
    tmp_path: Path, address: Path | Server, slack: Weather, seed: int, request: pytest.FixtureRequest
) -> None:
    """One pager with a file; two that share a server."""
    kills, dice = int(request.config.getoption("--kills")), random.Random(seed)
    with pagers(tmp_path, slack, address, count=2 if isinstance(address, Server) else 1) as running:
        load = Load(running, seed, groups=30 + 5 * kills, pause=0.2)
        sending = load.start()
        for _ in range(kills):
            victim = dice.choice(running)
            time.sleep(dice.random() * 1.5)
            victim.end(signal.SIGKILL)
            victim.start()
            if dice.random() < 0.7:  # or it is killed again while it starts
                victim.wait()
        sending.join(900)
        for pager in running:
            pager.wait()
        assert verdict(address, running, slack, load) == []
        assert not any("Traceback" in pager.log.read_text() for pager in running)


def test_slack_that_is_away_for_long_gets_everything_after(
    tmp_path: Path, address: Path | Server, slack: Weather, seed: int
) -> None:
    slack.fail_with(503)
    with pagers(tmp_path, slack, address) as running:
        load = Load(running, seed, groups=30, pause=0.0)
        load.run()
        assert slack.messages == ()
        slack.fail_with(None)
        assert verdict(address, running, slack, load) == []


def test_a_disk_that_is_full_refuses_webhooks_and_loses_none_that_it_took(
    tmp_path: Path, slack: Weather, seed: int
) -> None:
    slack.fair.set()
    with small_disk(tmp_path / "disk") as disk:
        database, ballast = disk / "pager.db", disk / "ballast"
        with pagers(tmp_path, slack, database) as running:
            load = Load(running, seed, groups=10, pause=0.0)
            load.run()
            fill(ballast)
            more = body(*(alert(pod=f"p{number}", fingerprint=str(number)) for number in range(200)), group="more")
            assert refused(running[0], more)
            time.sleep(0.5)
            assert refused(running[0], more)
            ballast.unlink()
            post(running, more, random.Random(seed))
            assert verdict(database, running, slack, load) == []
        assert any(
            "200 of 200" in str(posted.blocks) or "alerts fire" in str(posted.blocks) for posted in slack.messages
        )


def test_a_clock_that_jumps_neither_loses_nor_doubles_anything(
    tmp_path: Path, address: Path | Server, slack: Weather, seed: int
) -> None:
    if FAKETIME is None:
        pytest.skip("faketime is not installed: apt-get install faketime")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    dice = random.Random(seed)
    with pagers(tmp_path, slack, address, environment=faked) as running:
        load = Load(running, seed, groups=20, pause=0.15)
        sending = load.start()
        for jump in ("+2h", "-50m", "+0", "-2h"):
            time.sleep(dice.random())
            clock.write_text(jump)
            if dice.random() < 0.5:
                running[0].end(signal.SIGKILL)
                running[0].start()
                running[0].wait()
        sending.join(900)
        assert verdict(address, running, slack, load) == []


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount 4 MB of memory; skip where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted by user {os.geteuid()}: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
