"""What is told of every kind of GPU, to the letter. After a change: `python -m tests.exporter.gpu.goldens`, and read the difference."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from atlas_ops.simulator.drivers import DRIVERS

from . import goldens


@pytest.mark.parametrize("profile", goldens.names())
def test_the_page_of_a_profile_is_its_golden_file(profile: str) -> None:
    assert goldens.page(profile) == (goldens.FOLDER / f"{profile}.prom").read_text(encoding="utf-8")


def test_every_golden_file_is_of_a_profile_and_passes_promtool() -> None:
    promtool = shutil.which("promtool")
    assert promtool
    files = sorted(goldens.FOLDER.glob("*.prom"))
    assert {file.stem for file in files} == set(goldens.names())
    for file in files:
        done = subprocess.run([promtool, "check", "metrics"], input=file.read_bytes(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("driver", [driver.name for driver in DRIVERS])
def test_a_driver_is_told_with_the_sources_that_it_has(driver: str) -> None:
    text = goldens.page("h100", driver)
    sources = {
        reason: source
        for reason in ("sw_power_cap", "hw_thermal", "hw_power_brake", "hw_slowdown")
        for source in ("hardware_counter", "sampled")
        if f'reason="{reason}",source="{source}"' in text
    }
    newer = "sampled" if driver in ("535", "570") else "hardware_counter"
    assert sources == {
        "sw_power_cap": "hardware_counter",
        "hw_thermal": newer,
        "hw_power_brake": newer,
        "hw_slowdown": "sampled",
    }
