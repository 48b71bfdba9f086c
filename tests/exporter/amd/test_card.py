"""What the files of a card become, and what one that is missing, empty, wrong or refused costs: its own signals."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed, GpuLost
from atlas_ops.exporter.samples import Labels

from .trees import GIB, MI100, MI250X, MI300X, RX6800, Answer, Host, answers, told

ADDRESS = "0000:c1:00.0"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _l(**values: str) -> Labels:
    return tuple(values.items())


def test_an_mi300x_gives_all_this_in_base_units(host: Host) -> None:
    host.add(MI300X)
    host.add_process(4321, 140 * GIB)

    assert told(host.open()[0]) == {
        (s.GPU_INFO, _l(name="AMD Instinct MI300X OAM", driver_version="6.12.12", pci_bus_id=ADDRESS)): 1.0,
        (s.GPU_UTILIZATION, ()): 0.97,
        (s.GPU_MEMORY_UTILIZATION, ()): 0.41,
        (s.GPU_MEMORY_USED, ()): 150.0 * GIB,
        (s.GPU_MEMORY_TOTAL, ()): 192.0 * GIB,
        (s.GPU_MEMORY_FREE, ()): 42.0 * GIB,
        (s.GPU_PROCESS_MEMORY, _l(pid="4321")): 140.0 * GIB,
        (s.GPU_TEMPERATURE, _l(sensor="junction")): 71.0,
        (s.GPU_TEMPERATURE, _l(sensor="memory")): 62.0,
        (s.GPU_TEMPERATURE_MARGIN, ()): 29.0,
        (s.GPU_POWER, ()): 612.0,
        (s.GPU_POWER_LIMIT, ()): 750.0,
        (s.GPU_ENERGY, ()): 1000.0,
        (s.GPU_CLOCK, _l(domain="sm")): 1.875e9,
        (s.GPU_CLOCK, _l(domain="memory")): 1.3e9,
        (s.GPU_CLOCK_MAX, _l(domain="sm")): 2.1e9,
        (s.GPU_CLOCK_MAX, _l(domain="memory")): 1.3e9,
        (s.GPU_NVLINK_TX, ()): 28.0 * 1024,
        (s.GPU_NVLINK_RX, ()): 30.0 * 1024,
        (s.GPU_NVLINK_ERRORS, _l(type="uncorrected")): 0.0,
        (s.GPU_NVLINK_ERRORS, _l(type="corrected")): 5.0,
        (s.GPU_PCIE_GENERATION, ()): 5.0,
        (s.GPU_PCIE_GENERATION_MAX, ()): 5.0,
        (s.GPU_PCIE_WIDTH, ()): 16.0,
        (s.GPU_PCIE_WIDTH_MAX, ()): 16.0,
        (s.GPU_PCIE_REPLAYS, ()): 3.0,
        (s.GPU_ECC_ERRORS, _l(type="uncorrected", location="umc")): 1.0,
        (s.GPU_ECC_ERRORS, _l(type="corrected", location="umc")): 12.0,
        (s.GPU_ECC_ERRORS, _l(type="deferred", location="umc")): 4.0,
        (s.GPU_ECC_ERRORS, _l(type="uncorrected", location="gfx")): 0.0,
        (s.GPU_ECC_ERRORS, _l(type="corrected", location="gfx")): 2.0,
        (s.GPU_RETIRED_PAGES, _l(cause="uncorrected")): 2.0,
    }


def test_an_mi250x_has_an_edge_sensor_an_average_power_and_a_name_by_its_chip(host: Host) -> None:
    host.add(MI250X)
    found = told(host.open()[0])

    assert found[s.GPU_INFO, _l(name="AMD 0x7408", driver_version="6.12.12", pci_bus_id=ADDRESS)] == 1.0
    assert found[s.GPU_TEMPERATURE, _l(sensor="edge")] == 48.5
    assert found[s.GPU_TEMPERATURE_MARGIN, ()] == 51.5
    assert found[s.GPU_POWER, ()] == 93.0
    assert found[s.GPU_ENERGY, ()] == 7.0


def test_a_consumer_card_has_a_fan_and_clocks_by_level_and_no_energy_of_an_unknown_unit(host: Host) -> None:
    host.add(RX6800)
    found = told(host.open()[0])

    assert found[s.GPU_FAN, ()] == 0.2
    assert found[s.GPU_CLOCK, _l(domain="sm")] == 0.0
    assert found[s.GPU_CLOCK_MAX, _l(domain="sm")] == 2.475e9
    assert found[s.GPU_PCIE_GENERATION, ()] == 3.0
    assert (s.GPU_ENERGY, ()) not in found


def test_a_driver_that_has_no_version_of_its_own_has_the_kernels(host: Host) -> None:
    host.add(MI100)
    (host.root / "sys/module/amdgpu/version").unlink()
    host.write("proc/sys/kernel/osrelease", "6.8.0-45-generic\n")

    extra = _l(name="AMD 0x738c", driver_version="6.8.0-45-generic", pci_bus_id=ADDRESS)
    assert told(host.open()[0])[s.GPU_INFO, extra] == 1.0


def test_a_meter_of_energy_in_the_sensors_comes_before_the_table(host: Host) -> None:
    host.add({**MI300X, "hwmon/hwmon4/energy1_input": "2500000\n"})

    assert told(host.open()[0])[s.GPU_ENERGY, ()] == 2.5


def test_what_a_part_lacks_is_absent_and_names_every_signal_all_the_same(host: Host) -> None:
    host.add(MI100)
    device = host.open()[0]
    found = answers(device)

    given = {name for name, answer in found.items() if isinstance(answer, tuple)}
    assert given == {"info", "utilization"}
    assert {found[name] for name in found.keys() - given} == {GpuAbsent}
    assert {s.GPU_ECC_ERRORS, s.GPU_NVLINK_ERRORS, s.GPU_NVLINK_TX, s.GPU_RETIRED_PAGES, s.GPU_FAN} <= {
        signal for question in device.questions() for signal in question.signals
    }


_JUNCTION, _MEMORY = {"temperature_junction", "temperature_margin"}, {"temperature_memory", "temperature_margin"}
MATRIX: dict[str, tuple[set[str], set[str]]] = {
    # file: (questions without an answer when it is absent, and when it fails)
    "device": (set(), set()),
    "unique_id": (set(), set()),
    "product_name": (set(), {"info"}),
    "gpu_busy_percent": ({"utilization"}, {"utilization"}),
    "mem_busy_percent": ({"memory_utilization"}, {"memory_utilization"}),
    "mem_info_vram_total": ({"memory_total", "memory_free"}, {"memory_total", "memory_free"}),
    "mem_info_vram_used": ({"memory_used", "memory_free"}, {"memory_used", "memory_free"}),
    "pp_dpm_sclk": ({"clock_max_sm"}, {"clock_max_sm"}),
    "pp_dpm_mclk": ({"clock_max_memory"}, {"clock_max_memory"}),
    "current_link_speed": ({"pcie_generation_current"}, {"pcie_generation_current"}),
    "current_link_width": ({"pcie_width_current"}, {"pcie_width_current"}),
    "max_link_speed": ({"pcie_generation_max"}, {"pcie_generation_max"}),
    "max_link_width": ({"pcie_width_max"}, {"pcie_width_max"}),
    "pcie_replay_count": ({"pcie_replays"}, {"pcie_replays"}),
    # The margin is then that of the other sensor; but one that fails may be the nearest to its limit.
    "hwmon/hwmon4/temp2_input": ({"temperature_junction"}, _JUNCTION),
    "hwmon/hwmon4/temp2_crit": (set(), {"temperature_margin"}),
    "hwmon/hwmon4/temp3_input": ({"temperature_memory"}, _MEMORY),
    "hwmon/hwmon4/temp3_crit": (set(), {"temperature_margin"}),
    "hwmon/hwmon4/power1_input": ({"power"}, {"power"}),
    "hwmon/hwmon4/power1_cap": ({"power_limit"}, {"power_limit"}),
    # The clock is then the level that is marked.
    "hwmon/hwmon4/freq1_input": (set(), {"clock_sm"}),
    "hwmon/hwmon4/freq2_input": (set(), {"clock_memory"}),
    "ras/umc_err_count": ({"errors_umc"}, {"errors_umc"}),
    "ras/gfx_err_count": ({"errors_gfx"}, {"errors_gfx"}),
    "ras/xgmi_wafl_err_count": ({"errors_xgmi_wafl"}, {"errors_xgmi_wafl"}),
    "ras/gpu_vram_bad_pages": ({"retired_pages"}, {"retired_pages"}),
    "gpu_metrics": ({"energy", "xgmi_read", "xgmi_written"}, {"energy", "xgmi_read", "xgmi_written"}),
}
OTHER_ANSWERS = {"info", "temperature_margin", "clock_sm", "clock_memory"}
"""Questions that have a second source."""
GARBAGE = (b"\xff\xfe\x00garbage\n", b"-1\n", b"9" * 50)
TAKES_ANY_TEXT = {"device", "product_name"}


def test_the_matrix_knows_every_file_of_the_card() -> None:
    assert MATRIX.keys() == MI300X.keys()


def _check(found: dict[str, Answer], healthy: dict[str, Answer], lost: set[str], error: type[Exception]) -> None:
    assert {name for name, answer in found.items() if not isinstance(answer, tuple)} - {
        name for name, answer in healthy.items() if not isinstance(answer, tuple)
    } == lost
    assert {found[name] for name in lost} <= {error}
    for name in found.keys() - lost - OTHER_ANSWERS:
        assert found[name] == healthy[name]


@pytest.mark.parametrize("file", MATRIX)
def test_a_file_that_is_not_there_or_empty_costs_its_own_signals(host: Host, file: str) -> None:
    path, device = host.add(MI300X) / file, host.open()[0]
    healthy = answers(device)
    path.write_bytes(b"")
    _forget_the_table(device)
    if file == "ras/gpu_vram_bad_pages":
        assert told(device)[s.GPU_RETIRED_PAGES, _l(cause="uncorrected")] == 0.0, "an empty list has no pages"
    else:
        _check(answers(device), healthy, MATRIX[file][0], GpuFailed if file == "gpu_metrics" else GpuAbsent)

    path.unlink()
    _forget_the_table(device)
    _check(answers(device), healthy, MATRIX[file][0], GpuAbsent)


@pytest.mark.parametrize(
    ("file", "garbage"),
    [
        (file, garbage)
        for file in sorted(MATRIX.keys() - TAKES_ANY_TEXT)
        for garbage in GARBAGE
        if not (garbage == b"-1\n" and "temp" in file)  # a temperature may be below zero
    ],
)
def test_a_file_full_of_garbage_costs_its_own_signals(host: Host, file: str, garbage: bytes) -> None:
    path, device = host.add(MI300X) / file, host.open()[0]
    healthy = answers(device)
    path.write_bytes(garbage)
    _forget_the_table(device)
    odd_speed = file.endswith("_link_speed") or (file.endswith("_link_width") and garbage == b"9" * 50)

    found = answers(device)
    if odd_speed:
        assert {found[name] for name in MATRIX[file][1]} <= {GpuAbsent, GpuFailed}
        found |= dict.fromkeys(MATRIX[file][1], GpuFailed)
    _check(found, healthy, MATRIX[file][1], GpuFailed)


@pytest.mark.parametrize("file", MATRIX)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EOPNOTSUPP, errno.EIO, errno.EBUSY])
def test_a_file_that_the_kernel_refuses_to_read_costs_its_own_signals(
    host: Host, file: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, device = host.add(MI300X) / file, host.open()[0]
    healthy = answers(device)
    _refuse(monkeypatch, path, code)
    _forget_the_table(device)
    failing = code in (errno.EIO, errno.EBUSY)

    _check(answers(device), healthy, MATRIX[file][failing], GpuFailed if failing else GpuAbsent)


@pytest.mark.parametrize("file", sorted(MATRIX.keys() - {"device"}))
def test_a_card_is_lost_as_soon_as_one_of_its_files_says_that_there_is_no_device(
    host: Host, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, device = host.add(MI300X) / file, host.open()[0]
    _refuse(monkeypatch, path, errno.ENODEV)
    _forget_the_table(device)

    if file == "unique_id":
        with pytest.raises(GpuLost):
            device.identify()
    else:
        assert GpuLost in answers(device).values()


def test_a_card_that_fell_off_the_bus_is_lost_to_every_question_and_sample_and_comes_back_as_itself(
    host: Host, tmp_path: Path
) -> None:
    folder, device = host.add(MI300X), host.open()[0]
    before, healthy = device.identify(), answers(device)
    shutil.move(folder, tmp_path / "elsewhere")
    _forget_the_table(device)

    assert {answer for name, answer in answers(device).items() if name != "processes"} == {GpuLost}
    for ask in (device.identify, device.throttle_mask, device.throttle_bits):
        with pytest.raises(GpuLost):
            ask()

    shutil.move(tmp_path / "elsewhere", folder)
    assert device.identify() == before
    assert answers(device) == healthy


def test_a_card_without_its_driver_is_lost_though_its_folder_is_there(host: Host) -> None:
    folder, device = host.add(MI300X), host.open()[0]
    device.questions()
    (folder / "driver").unlink()
    for file in ("gpu_busy_percent", "gpu_metrics"):
        (folder / file).unlink()

    assert answers(device)["utilization"] is GpuLost


def test_sensors_are_found_again_when_a_reload_of_the_driver_gave_them_another_number(host: Host) -> None:
    folder, device = host.add(MI300X) / "hwmon", host.open()[0]
    healthy = answers(device)
    (folder / "hwmon4").rename(folder / "hwmon9")
    answers(device)

    assert answers(device) == healthy


@pytest.mark.parametrize(
    ("speed", "generation"),
    [("2.5 GT/s PCIe", 1), ("5.0 GT/s PCIe", 2), ("5 GT/s", 2), ("8.0 GT/s PCIe", 3), ("16.0 GT/s PCIe", 4),
     ("32.0 GT/s PCIe", 5), ("64.0 GT/s PCIe", 6), ("Unknown", GpuAbsent)],
)  # fmt: skip
def test_a_speed_is_a_generation(host: Host, speed: str, generation: int | type[Exception]) -> None:
    host.add({"current_link_speed": f"{speed}\n"})
    answer = answers(host.open()[0])["pcie_generation_current"]

    assert answer is generation if not isinstance(answer, tuple) else answer[0].value == generation


@pytest.mark.parametrize("width", [0, 63, 255])
def test_the_kernels_words_for_an_unknown_width_are_no_widths(host: Host, width: int) -> None:
    host.add({"current_link_width": f"{width}\n"})

    assert answers(host.open()[0])["pcie_width_current"] is GpuAbsent


def test_a_share_of_more_than_all_is_a_failure(host: Host) -> None:
    host.add({"gpu_busy_percent": "4294967295\n", "hwmon/hwmon1/pwm1": "256\n"})
    found = answers(host.open()[0])

    assert (found["utilization"], found["fan"]) == (GpuFailed, GpuFailed)


def test_a_sensor_without_a_limit_does_not_count_for_the_margin(host: Host) -> None:
    host.add({**MI300X, "hwmon/hwmon4/temp2_crit": "0\n"})

    assert told(host.open()[0])[s.GPU_TEMPERATURE_MARGIN, ()] == 33.0


def test_the_table_is_read_once_for_the_questions_of_a_round_and_anew_for_the_next(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, device = host.add(MI300X) / "gpu_metrics", host.open()[0]
    now, reads = 100.0, _count_reads(monkeypatch, path)
    monkeypatch.setattr(device._card, "_clock", lambda: now)

    answers(device)
    device.throttle_bits()
    assert reads == [path]
    now += 0.1
    answers(device)
    assert len(reads) == 2


def test_only_processes_that_hold_memory_of_this_gpu_are_told(host: Host) -> None:
    host.add(MI300X)
    host.add_process(1, 0)
    host.add_process(2, 7)
    host.write("sys/class/kfd/kfd/proc/3/vram_999", "5\n")
    host.write("sys/class/kfd/kfd/proc/4/vram_4711", "garbage\n")
    host.write("sys/class/kfd/kfd/proc/self/vram_4711", "8\n")

    held = {extra: value for (signal, extra), value in told(host.open()[0]).items() if signal is s.GPU_PROCESS_MEMORY}
    assert held == {_l(pid="2"): 7.0}


def test_a_gpu_that_the_compute_driver_does_not_list_has_no_processes_to_tell(host: Host) -> None:
    host.add(MI300X, "0000:e1:00.0")
    host.add_process(1, 5)

    assert answers(host.open()[0])["processes"] is GpuAbsent


def _forget_the_table(device: Any) -> None:
    device.questions()
    device._card._table = None


def _refuse(monkeypatch: pytest.MonkeyPatch, path: Path, code: int) -> None:
    """Root may read everything, and no file system of a test says "no such device": so the opening is intercepted."""
    opening: Callable[..., IO[Any]] = Path.open

    def refuse(self: Path, *arguments: Any, **more: Any) -> IO[Any]:
        if self == path:
            raise OSError(code, os.strerror(code))
        return opening(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)


def _count_reads(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[Path]:
    opening: Callable[..., IO[Any]] = Path.open
    reads: list[Path] = []

    def count(self: Path, *arguments: Any, **more: Any) -> IO[Any]:
        if self == path:
            reads.append(self)
        return opening(self, *arguments, **more)

    monkeypatch.setattr(Path, "open", count)
    return reads
