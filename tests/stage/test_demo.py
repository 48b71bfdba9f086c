"""The demo as a user runs it, one scenario of several families; `make gameday` plays all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from atlas_ops.simulator import SCENARIOS

LIVE = {
    "kv_pressure": "KvCachePressure",  # from a server's own page
    "out_of_memory": "OutOfMemoryKilled",  # from the kernel's files, with a server that comes back
    "row_remap_pending": "GpuRowRemapPending",  # a ticket, through NVML
    "autoscaling_cascade": "AutoscalingCascade",  # from what the simulator tells itself, with servers that come and go
}

STEPS = (
    "fault injected",
    "Prometheus: {fault}.* firing",
    "Slack stand-in: delivered: .*{fault}",
    "fault mended",
    "Slack stand-in: resolved: .*{fault}",
    "PASSED: ",
)


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atlas_ops", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("scenario", LIVE)
def test_a_scenario_is_told_to_people_and_resolved_and_its_timeline_is_printed(scenario: str) -> None:
    ended = demo("--once", "--scenario", scenario)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for step in STEPS:
        assert re.search(step.format(fault=LIVE[scenario]), ended.stdout), step


def test_a_prometheus_that_is_restarted_pages_nobody() -> None:
    ended = demo("--once", "--scenario", "prometheus_restart", "--seconds", "45")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the heartbeat arrived" in ended.stdout


def test_every_scenario_is_listed_under_the_family_of_its_fault() -> None:
    ended = demo("--list")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert all(any(line.startswith(f"  {scenario.name} ") for line in lines) for scenario in SCENARIOS)
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads[:2] == ["nothing is wrong:", "latency:"]


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    ended = demo("--once", "--scenario", "kv_presure")
    assert ended.returncode == 2
    assert "kv_pressure" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_demo_leaves_nothing_running(tmp_path: Path) -> None:
    assert demo("--once", "--scenario", "calm", "--seconds", "1", "--folder", str(tmp_path)).returncode == 0
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert left.stdout == ""
