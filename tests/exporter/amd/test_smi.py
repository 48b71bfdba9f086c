"""AMD's library in front of the files: the same signals, and whatever it does wrong is as if it were not there."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.amd.backend import Amd
from atlas_ops.exporter.amd.device import AmdDevice

from . import fake_amdsmi
from .fake_amdsmi import NA, FakeAmdSmi
from .tables import table
from .trees import MI300X, RX6800, Answer, Content, Host, answers, told

OTHER: fake_amdsmi.Answers = {
    "gpu_asic_info": {"market_name": "told by the library"},
    "temp_metric": {(0, 0): 30, (0, 5): 90, (1, 0): 40, (1, 5): 91, (2, 0): 50, (2, 5): 92},
    "power_info": {"current_socket_power": 1, "average_socket_power": 401},
    "power_cap_info": {"power_cap": 500_000_000},
    "clock_info": {(0,): {"clk": 11, "max_clk": 12}, (4,): {"clk": 13, "max_clk": 14}},
    "gpu_activity": {"gfx_activity": 1, "umc_activity": 2},
    "gpu_memory_total": {(0,): 1000},
    "gpu_memory_usage": {(0,): 400},
    "gpu_fan_speed": 51,
    "gpu_fan_speed_max": 255,
}
"""Answers that no file gives. Questions that it changes, by function: see ASKED."""
ASKED = {
    "gpu_asic_info": {"info"},
    "temp_metric": {"temperature_edge", "temperature_junction", "temperature_memory", "temperature_margin"},
    "power_info": {"power"},
    "power_cap_info": {"power_limit"},
    "clock_info": {"clock_sm", "clock_memory", "clock_max_sm", "clock_max_memory"},
    "gpu_activity": {"utilization", "memory_utilization"},
    "gpu_memory_total": {"memory_total", "memory_free"},
    "gpu_memory_usage": {"memory_used", "memory_free"},
    "gpu_fan_speed": {"fan"},
    "gpu_fan_speed_max": {"fan"},
}
FILES: dict[str, Content] = {
    **MI300X,
    "hwmon/hwmon4/temp1_input": "33000\n",
    "hwmon/hwmon4/temp1_crit": "99000\n",
    "hwmon/hwmon4/pwm1": "0\n",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _measured(host: Host, library: FakeAmdSmi | None) -> dict[str, Answer]:
    return answers(host.open((lambda: library) if library else None)[0])


def test_the_library_and_the_files_give_the_same_signals(host: Host) -> None:
    host.add(MI300X)
    library = FakeAmdSmi(fake_amdsmi.MI300X)

    assert _measured(host, library) == _measured(host, None)
    assert set(library.calls) >= ASKED.keys() - {"gpu_fan_speed_max"}


def test_the_library_comes_first(host: Host) -> None:
    host.add(FILES)
    library = FakeAmdSmi(OTHER)
    told_by_library = told(host.open(lambda: library)[0])

    assert {value for (signal, _), value in told_by_library.items() if signal is s.GPU_TEMPERATURE} == {
        30.0,
        40.0,
        50.0,
    }
    assert {
        signal.name: value
        for (signal, extra), value in told_by_library.items()
        if not extra and signal in (s.GPU_TEMPERATURE_MARGIN, s.GPU_POWER, s.GPU_POWER_LIMIT, s.GPU_FAN, s.GPU_MEMORY_FREE,
                                    s.GPU_UTILIZATION, s.GPU_MEMORY_UTILIZATION)
    } == {
        s.GPU_TEMPERATURE_MARGIN.name: 42.0, s.GPU_POWER.name: 401.0, s.GPU_POWER_LIMIT.name: 500.0,
        s.GPU_FAN.name: 0.2, s.GPU_MEMORY_FREE.name: 600.0, s.GPU_UTILIZATION.name: 0.01,
        s.GPU_MEMORY_UTILIZATION.name: 0.02,
    }  # fmt: skip
    assert told_by_library[s.GPU_CLOCK, (("domain", "sm"),)] == 11e6
    assert told_by_library[s.GPU_CLOCK_MAX, (("domain", "memory"),)] == 14e6


@pytest.mark.parametrize("function", ASKED)
@pytest.mark.parametrize("trouble", ["missing", "raises", NA, None, {}, -1, float("nan"), "text", [NA], True])
def test_a_function_that_is_missing_fails_or_gives_nonsense_leaves_its_questions_to_the_files(
    host: Host, function: str, trouble: Any
) -> None:
    host.add(FILES)
    spoilt = {**OTHER, function: fake_amdsmi.NOT_SUPPORTED if trouble == "raises" else trouble}
    if trouble == "missing":
        del spoilt[function]
    files, healthy = _measured(host, None), _measured(host, FakeAmdSmi(OTHER))

    found = _measured(host, FakeAmdSmi(spoilt))
    for name in found.keys() - {"memory_free"}:  # from two answers, of which one is still the library's
        assert found[name] == (files if name in ASKED[function] else healthy)[name]


@pytest.mark.parametrize(
    ("function", "inner"),
    [("gpu_asic_info", "market_name"), ("power_cap_info", "power_cap"), ("gpu_activity", "gfx_activity")],
)
@pytest.mark.parametrize("value", [NA, "", None, "absent"])
def test_a_value_that_the_library_calls_not_available_comes_from_the_files(
    host: Host, function: str, inner: str, value: Any
) -> None:
    host.add(FILES)
    spoilt = {**OTHER, function: {**OTHER[function], inner: value}}
    if value == "absent":
        del spoilt[function][inner]
    name = {"market_name": "info", "power_cap": "power_limit", "gfx_activity": "utilization"}[inner]

    assert _measured(host, FakeAmdSmi(spoilt))[name] == _measured(host, None)[name]


def test_a_table_of_an_unknown_revision_is_what_the_library_makes_of_it(host: Host) -> None:
    unknown = bytearray(table((1, 7)))
    unknown[3] = 77
    host.add({**MI300X, "gpu_metrics": bytes(unknown)})
    device = host.open(lambda: FakeAmdSmi(fake_amdsmi.MI300X))[0]

    found = told(device)
    assert (found[s.GPU_ENERGY, ()], found[s.GPU_NVLINK_RX, ()]) == (1000.0, 30.0 * 1024)
    assert device.throttle_mask()
    assert device.throttle_bits() is None
    assert device.throttle_counters() == {"sw_power_cap": 0, "hw_slowdown": 0, "hw_thermal": 0}


def test_the_librarys_yes_or_no_is_never_taken_for_a_throttle_status(host: Host) -> None:
    host.add({**RX6800, "gpu_metrics": table((3, 0))})
    info = {"indep_throttle_status": True, "throttle_status": True, "energy_accumulator": NA}
    device = host.open(lambda: FakeAmdSmi({"gpu_metrics_info": info}))[0]

    assert (device.throttle_mask(), device.throttle_bits()) == (0, None)


def test_a_gpu_that_the_library_does_not_know_is_read_from_the_files(host: Host) -> None:
    host.add(MI300X)

    assert _measured(host, FakeAmdSmi(OTHER, address="0000:01:00.0")) == _measured(host, None)


def test_the_library_is_shut_down_as_often_as_it_was_started(host: Host) -> None:
    host.add(MI300X)
    library = FakeAmdSmi(OTHER)
    backend = Amd(str(host.root), load=lambda: library)
    for _ in range(3):
        backend.open()
        assert library.running == 1
    backend.close()
    backend.close()
    assert library.running == 0


class _Unwilling(FakeAmdSmi):
    def amdsmi_get_processor_handles(self) -> list[object]:
        raise fake_amdsmi.AmdSmiLibraryException("AMDSMI_STATUS_DRIVER_NOT_LOADED")


def test_a_library_that_does_not_start_is_let_go_and_logged_once(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.add(MI300X)
    caplog.set_level(logging.INFO)
    library = _Unwilling(OTHER)
    backend = Amd(str(host.root), load=lambda: library)
    for _ in range(3):
        assert len(backend.open()) == 1

    assert library.running == 0
    (record,) = caplog.records
    assert "without the library amdsmi" in record.getMessage()
    assert "AMDSMI_STATUS_DRIVER_NOT_LOADED" in record.getMessage()


@pytest.mark.parametrize(
    "import_fails",
    [
        "print('Unable to find libamd_smi.so library')\nraise KeyError('libamd_smi.so')",
        "raise OSError('libamd_smi.so: wrong ELF class')",
        "raise ImportError('no')",
        "raise AttributeError('/opt/rocm/lib/libamd_smi.so: undefined symbol: amdsmi_get_gpu_ptl_state')",
    ],
)
def test_a_package_that_does_not_find_its_shared_library_is_survived_in_silence(
    host: Host,
    tmp_path: Path,
    import_fails: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    host.add(MI300X)
    (tmp_path / "packages/amdsmi").mkdir(parents=True)
    (tmp_path / "packages/amdsmi/__init__.py").write_text(import_fails)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)

    device: AmdDevice = Amd(str(host.root)).open()[0]

    assert told(device)[s.GPU_POWER, ()] == 612.0
    assert capfd.readouterr().out == ""
