"""One AMD card as the kernel's files tell of it, in base units.

Asked by `exporter.amd.questions`; `exporter.amd.smi` puts AMD's library in front of it. Every answer raises GpuAbsent,
GpuFailed or GpuLost (see `exporter.amd.sysfs`). Files and units are those of the kernel's documents "GPU driver: thermal,
power, RAS" and "hwmon sysfs interface". Never read: `pcie_bw`, which measures for a whole second, and `xgmi_error`, which
is cleared by reading it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from atlas_ops.exporter.amd.kfd import Kfd
from atlas_ops.exporter.amd.metrics import Metrics, parse
from atlas_ops.exporter.amd.sysfs import DeviceFolder, Folder
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed

SENSORS = {"edge": 1, "junction": 2, "memory": 3}
"""{sensor: N of hwmon's `tempN_input`}; fixed in the driver, and named so by its `tempN_label`."""
DOMAINS = {"sm": (1, "pp_dpm_sclk"), "memory": (2, "pp_dpm_mclk")}
"""{clock domain of the contract: (N of hwmon's `freqN_input`, file with its levels)}."""
ERROR_TYPES = {"ce": "corrected", "ue": "uncorrected", "de": "deferred"}
TABLE_SECONDS = 0.05
"""So long the table of the firmware is good for another question: one read serves a whole round."""

_LEVEL = re.compile(r"^\w+: *([0-9]{1,9})mhz( *\*)?", re.IGNORECASE | re.MULTILINE)
_ERRORS = re.compile(r"^(ce|ue|de): *([0-9]{1,20})$", re.MULTILINE)
_BAD_PAGE = re.compile(r"0x[0-9a-f]+ : 0x[0-9a-f]+ : ([RPF])")
_BLOCK = re.compile(r"([a-z0-9_]{1,32})_err_count")
_GENERATIONS = {"2.5": 1, "5.0": 2, "5": 2, "8.0": 3, "8": 3, "16.0": 4, "32.0": 5, "64.0": 6}
"""{GT/s per lane, as the kernel prints it: PCIe generation}. Older kernels print the 2nd and 3rd without the zero."""
_WIDEST_LINK = 32
_T = TypeVar("_T")


class Card:
    """The card whose PCI device has the folder `device`, on the host whose file system is at `host_root`."""

    def __init__(self, device: Path, host_root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = device.name
        self._device = DeviceFolder(device)
        self._host, self._kfd, self._clock = Folder(host_root), Kfd(host_root), clock
        self._table: tuple[float, Metrics] | None = None
        self._sensors = ""

    # --- what it is ---------------------------------------------------------------------------------------------------

    def unique_id(self) -> str:
        """Return the serial number in hexadecimal digits; ROCm, too, calls the GPU `GPU-<unique id>`."""
        text = self._device.text("unique_id")
        if not re.fullmatch(r"[0-9a-f]{1,16}", text) or not text.strip("0"):
            raise GpuAbsent(f"unique_id: expected hexadecimal digits, found {text[:40]!r}")
        return text

    def name(self) -> str:
        """Return the name of the product, which boards for servers carry; elsewhere the number of the chip."""
        return _first(lambda: self._device.text("product_name"), lambda: f"AMD {self._device.text('device')}")

    def driver_version(self) -> str:
        """Return the version of the module amdgpu; the one that comes with the kernel has the kernel's."""
        return _first(
            lambda: self._host.text("sys/module/amdgpu/version"),
            lambda: self._host.text("proc/sys/kernel/osrelease"),
        )

    # --- heat, power, clocks ------------------------------------------------------------------------------------------

    def temperature(self, sensor: str) -> float:
        """Return the temperature of one of SENSORS, in degrees Celsius."""
        return self._sensor(f"temp{SENSORS[sensor]}_input") / 1000

    def critical_temperature(self, sensor: str) -> float:
        """Return at how many degrees the card slows itself down."""
        critical = self._sensor(f"temp{SENSORS[sensor]}_crit")
        if critical <= 0:
            raise GpuAbsent(f"{sensor} has no critical temperature")
        return critical / 1000

    def power(self) -> float:
        """Return watts: the average of the last moments, or where a card has none (MI300) the momentary value."""
        return _first(lambda: self._sensor("power1_average"), lambda: self._sensor("power1_input")) / 1e6

    def power_limit(self) -> float:
        """Return the limit in force, in watts."""
        return self._sensor("power1_cap") / 1e6

    def energy(self) -> float:
        """Return the joules used since the driver was loaded."""
        return _first(lambda: self._sensor("energy1_input") / 1e6, lambda: _given(self.metrics().energy, "energy"))

    def fan(self) -> float:
        """Return the fan's speed, 0 to 1."""
        return _share(self._sensor("pwm1"), 255)

    def clock(self, domain: str) -> float:
        """Return the clock of one of DOMAINS, in hertz."""
        number, levels = DOMAINS[domain]
        return _first(lambda: float(self._sensor(f"freq{number}_input")), lambda: self._level(levels, current=True))

    def clock_max(self, domain: str) -> float:
        """Return its highest level, in hertz."""
        return self._level(DOMAINS[domain][1])

    # --- work and memory ----------------------------------------------------------------------------------------------

    def utilization(self) -> float:
        """Return the share of time in which the shader engines were busy."""
        return _share(self._device.count("gpu_busy_percent"), 100)

    def memory_utilization(self) -> float:
        """Return the share of time in which the memory was busy."""
        return _share(self._device.count("mem_busy_percent"), 100)

    def memory_used(self) -> float:
        """Return the bytes of its own memory in use."""
        return float(self._device.count("mem_info_vram_used"))

    def memory_total(self) -> float:
        """Return the bytes of its own memory."""
        return float(self._device.count("mem_info_vram_total"))

    def processes(self) -> Mapping[int, int]:
        """Return {pid: bytes of GPU memory}."""
        return self._kfd.memory(self._kfd.gpu_ids(self.address))

    def metrics(self) -> Metrics:
        """Return the firmware's table, or the one of a moment ago."""
        now = self._clock()
        if self._table is None or now - self._table[0] >= TABLE_SECONDS:
            self._table = now, self._read_metrics()
        return self._table[1]

    def _read_metrics(self) -> Metrics:
        return parse(self._device.data("gpu_metrics"))

    # --- health and links ---------------------------------------------------------------------------------------------

    def blocks(self) -> tuple[str, ...]:
        """Return the parts of the chip whose errors are counted; none where the card has no RAS."""
        try:
            names = self._device.names("ras")
        except (GpuAbsent, GpuFailed):
            return ()
        return tuple(match[1] for name in names if (match := _BLOCK.fullmatch(name)))

    def errors(self, block: str) -> Mapping[str, int]:
        """Return {type: errors of one of `blocks` so far}."""
        text = self._device.text(f"ras/{block}_err_count")
        counts = {ERROR_TYPES[kind]: int(count) for kind, count in _ERRORS.findall(text)}
        if not counts:
            raise GpuFailed(f"ras/{block}_err_count: expected lines such as 'ue: 0', found {text[:40]!r}")
        return counts

    def retired_pages(self) -> int:
        """Return how many pages of memory are out of use; those that wait for it do not count yet."""
        text = self._device.data("ras/gpu_vram_bad_pages").decode("utf-8", "replace")
        pages = [_BAD_PAGE.fullmatch(line) for line in text.strip(" \n\0").splitlines()]
        if not all(pages):
            raise GpuFailed("ras/gpu_vram_bad_pages: expected lines such as '0x1 : 0x1000 : R'")
        return sum(page is not None and page[1] == "R" for page in pages)

    def pcie_generation(self, which: str) -> int:
        """Return the PCIe generation; `which` is `current` or `max`. Some boards have a switch: this is its inner side."""
        speed = self._device.text(f"{which}_link_speed")
        generation = _GENERATIONS.get(speed.split(" ")[0])
        if generation is None:
            raise GpuAbsent(f"{which}_link_speed: {speed[:40]!r} is no speed of PCIe")
        return generation

    def pcie_width(self, which: str) -> int:
        """Return the lanes; `which` as above."""
        width = self._device.count(f"{which}_link_width")
        if not 1 <= width <= _WIDEST_LINK:  # the kernel has 0 and 255 for "unknown"
            raise GpuAbsent(f"{which}_link_width: {width} is no width of PCIe")
        return width

    def pcie_replays(self) -> int:
        """Return the packets sent again."""
        return self._device.count("pcie_replay_count")

    def xgmi_written(self) -> float:
        """Return the bytes sent to other GPUs, over all XGMI links."""
        return _given(self.metrics().xgmi_written, "XGMI traffic")

    def xgmi_read(self) -> float:
        """Return the bytes received from other GPUs, over all XGMI links."""
        return _given(self.metrics().xgmi_read, "XGMI traffic")

    # --- files --------------------------------------------------------------------------------------------------------

    def _sensor(self, name: str) -> int:
        """Return a value of the card's one hwmon folder."""
        try:
            value = self._device.number(f"{self._sensors or self._find_sensors()}/{name}")
        except GpuAbsent:
            self._sensors = ""  # its number changes with every reload of the driver
            raise
        if value < 0 and not name.startswith("temp"):
            raise GpuFailed(f"{name}: expected 0 or more, found {value}")
        return value

    def _find_sensors(self) -> str:
        folders = [folder for folder in self._device.names("hwmon") if folder.startswith("hwmon")]
        if not folders:
            raise GpuAbsent("the card has no sensors")
        self._sensors = f"hwmon/{folders[0]}"
        return self._sensors

    def _level(self, name: str, *, current: bool = False) -> float:
        """Return the highest clock of a file such as '0: 500Mhz, 1: 2100Mhz *', or the current one, in hertz."""
        text = self._device.text(name)
        levels = [int(level) for level, marked in _LEVEL.findall(text) if marked or not current]
        if not levels:
            raise GpuFailed(f"{name}: expected lines such as '1: 2100Mhz *', found {text[:40]!r}")
        return max(levels) * 1e6


def _first(answer: Callable[[], _T], other: Callable[[], _T]) -> _T:
    try:
        return answer()
    except GpuAbsent:
        return other()


def _share(value: int, whole: int) -> float:
    if value > whole:
        raise GpuFailed(f"expected {whole} at most, found {value}")
    return value / whole


def _given(value: _T | None, what: str) -> _T:
    if value is None:
        raise GpuAbsent(f"gpu_metrics does not give {what}")
    return value
