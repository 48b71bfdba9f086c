"""The demo as a user runs it: each scenario gets its page, and calm gets none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atlas_ops.simulator import SCENARIOS

FAULTS = [scenario.name for scenario in SCENARIOS if scenario.expected_fault]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atlas_ops", "demo", "--once", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=420, check=False)


@pytest.mark.parametrize("scenario", FAULTS)
def test_a_scenario_is_paged_and_resolved_and_its_timeline_is_printed(scenario: str) -> None:
    ended = demo("--scenario", scenario)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for step in ("fault injected", "pending", "firing", "delivered", "fault mended", "resolved", "PASSED"):
        assert step in ended.stdout


def test_calm_pages_nothing_but_the_heartbeat() -> None:
    ended = demo("--scenario", "calm", "--calm-seconds", "45")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the heartbeat arrived" in ended.stdout


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    ended = demo("--scenario", "kv_presure")
    assert ended.returncode == 2
    assert "kv_pressure" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_demo_leaves_nothing_running(tmp_path: Path) -> None:
    assert demo("--scenario", "calm", "--calm-seconds", "1", "--folder", str(tmp_path)).returncode == 0
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == ""
