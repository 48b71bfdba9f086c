"""Hosts with AMD cards, as trees of files such as the kernel shows them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.amd.backend import Amd
from atlas_ops.exporter.amd.device import AmdDevice
from atlas_ops.exporter.amd.smi import SmiTrouble
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuFailed, GpuLost, Value
from atlas_ops.exporter.samples import Labels

from .tables import table

GIB = 1 << 30
Content = str | bytes
Answer = tuple[Value, ...] | type[Exception]

MI300X: Mapping[str, Content] = {
    "device": "0x74a1\n",
    "unique_id": "a1b2c3d4e5f60718\n",
    "product_name": "AMD Instinct MI300X OAM\n",
    "gpu_busy_percent": "97\n",
    "mem_busy_percent": "41\n",
    "mem_info_vram_total": f"{192 * GIB}\n",
    "mem_info_vram_used": f"{150 * GIB}\n",
    "pp_dpm_sclk": "0: 132Mhz *\n1: 2100Mhz\n",
    "pp_dpm_mclk": "0: 900Mhz\n1: 1100Mhz\n2: 1300Mhz *\n",
    "current_link_speed": "32.0 GT/s PCIe\n",
    "current_link_width": "16\n",
    "max_link_speed": "32.0 GT/s PCIe\n",
    "max_link_width": "16\n",
    "pcie_replay_count": "3\n",
    "hwmon/hwmon4/temp2_input": "71000\n",
    "hwmon/hwmon4/temp2_crit": "100000\n",
    "hwmon/hwmon4/temp3_input": "62000\n",
    "hwmon/hwmon4/temp3_crit": "95000\n",
    "hwmon/hwmon4/power1_input": "612000000\n",
    "hwmon/hwmon4/power1_cap": "750000000\n",
    "hwmon/hwmon4/freq1_input": "1875000000\n",
    "hwmon/hwmon4/freq2_input": "1300000000\n",
    "ras/umc_err_count": "ue: 1\nce: 12\nde: 4\n",
    "ras/gfx_err_count": "ue: 0\nce: 2\n",
    "ras/xgmi_wafl_err_count": "ue: 0\nce: 5\n",
    "ras/gpu_vram_bad_pages": "0x00000001 : 0x00001000 : R\n0x00000002 : 0x00001000 : P\n0x00000003 : 0x00001000 : R\n",
    "gpu_metrics": table(
        (1, 7),
        energy_accumulator=65536 * 1000,
        accumulation_counter=100_000,
        prochot_residency_acc=0, ppt_residency_acc=5_000, socket_thm_residency_acc=10, vr_thm_residency_acc=0,
        hbm_thm_residency_acc=0,
        xgmi_read_data_acc=[10, 20, 0, 0, 0, 0, 0], xgmi_write_data_acc=[1, 2, 3, 4, 5, 6, 7],
    ),
}  # fmt: skip
MI250X: Mapping[str, Content] = {
    "device": "0x7408\n",
    "unique_id": "00d1e2f3a4b5c6d7\n",
    "gpu_busy_percent": "5\n",
    "mem_info_vram_total": f"{64 * GIB}\n",
    "mem_info_vram_used": f"{1 * GIB}\n",
    "hwmon/hwmon2/temp1_input": "48500\n",
    "hwmon/hwmon2/temp1_crit": "100000\n",
    "hwmon/hwmon2/temp2_input": "50000\n",
    "hwmon/hwmon2/temp2_crit": "110000\n",
    "hwmon/hwmon2/power1_average": "93000000\n",
    "gpu_metrics": table(
        (1, 3), energy_accumulator=65536 * 7, temperature_hbm=(40, 41, 42, 43), indep_throttle_status=0,
    ),
}  # fmt: skip
RX6800: Mapping[str, Content] = {
    "device": "0x73bf\n",
    "pp_dpm_sclk": "0: 500Mhz \n1: 0Mhz *\n2: 2475Mhz \n",
    "current_link_speed": "8 GT/s\n",
    "current_link_width": "8\n",
    "hwmon/hwmon7/temp1_input": "35000\n",
    "hwmon/hwmon7/temp1_crit": "100000\n",
    "hwmon/hwmon7/temp1_label": "edge\n",
    "hwmon/hwmon7/pwm1": "51\n",
    "gpu_metrics": table((1, 3), energy_accumulator=65536 * 9, indep_throttle_status=0),
}
MI100: Mapping[str, Content] = {
    "device": "0x738c\n",
    "gpu_busy_percent": "0\n",
    "gpu_metrics": table((1, 1), temperature_hbm=(40, 41, 42, 43), throttle_status=0xFFFF),
}


class Host:
    """A host whose files are below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cards = 0
        self.write("sys/module/amdgpu/version", "6.12.12\n")

    def write(self, name: str, content: Content) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def add(
        self,
        files: Mapping[str, Content],
        address: str = "0000:c1:00.0",
        *,
        vendor: str = "0x1002\n",
        driver: str = "amdgpu",
    ) -> Path:
        """Put a card in; return the folder of its PCI device."""
        device = self.root / "sys/devices/pci0000:c0/0000:c0:01.1" / address
        for name, content in {"vendor": vendor, **files}.items():
            self.write(str((device / name).relative_to(self.root)), content)
        if driver:
            (device / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
        drm = self.root / f"sys/class/drm/card{self._cards}"
        drm.mkdir(parents=True)
        (drm / "device").symlink_to(os.path.relpath(device, drm))
        (self.root / f"sys/class/drm/card{self._cards}-DP-1").mkdir()
        self._cards += 1
        return device

    def add_process(self, pid: int, used: int, gpu_id: int = 4711) -> None:
        """Let a process hold memory of the card at 0000:c1:00.0."""
        nodes = "sys/class/kfd/kfd/topology/nodes"
        self.write(f"{nodes}/0/gpu_id", "0\n")
        self.write(f"{nodes}/0/properties", "cpu_cores_count 64\nlocation_id 0\ndomain 0\n")
        self.write(f"{nodes}/1/gpu_id", f"{gpu_id}\n")
        self.write(f"{nodes}/1/properties", f"simd_count 1216\nlocation_id {0xC1 << 8}\ndomain 0\n")
        self.write(f"sys/class/kfd/kfd/proc/{pid}/vram_{gpu_id}", f"{used}\n")

    def open(self, load: Callable[[], object] | None = None) -> tuple[AmdDevice, ...]:
        """Its GPUs, without AMD's library where none is given."""
        return tuple(Amd(str(self.root), load=load or no_library).open())


def no_library() -> object:
    raise SmiTrouble("not installed")


def answers(device: AmdDevice) -> dict[str, Answer]:
    """{name of the question: its answer, or the error that it raised}."""
    found: dict[str, Answer] = {}
    for question in device.questions():
        try:
            found[question.name] = tuple(question.ask())
        except (GpuAbsent, GpuFailed, GpuLost) as trouble:
            found[question.name] = type(trouble)
        else:
            assert {value.signal for value in found[question.name]} <= set(question.signals)  # type: ignore[union-attr]
    return found


def told(device: AmdDevice) -> dict[tuple[Signal, Labels], float | None]:
    """{(signal, its labels): value} of all answers."""
    given = [answer for answer in answers(device).values() if isinstance(answer, tuple)]
    return {(value.signal, value.extra): value.value for answer in given for value in answer}
