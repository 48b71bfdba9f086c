"""A stand-in for AMD's package `amdsmi`, with the functions, enumerations and answers of its version 7.0.2."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

NA = "N/A"


class AmdSmiTemperatureType(enum.IntEnum):
    EDGE = 0
    JUNCTION = 1
    VRAM = 2


class AmdSmiTemperatureMetric(enum.IntEnum):
    CURRENT = 0
    CRITICAL = 5


class AmdSmiClkType(enum.IntEnum):
    GFX = 0
    MEM = 4


class AmdSmiMemoryType(enum.IntEnum):
    VRAM = 0


class AmdSmiLibraryException(Exception):
    """Not a child of OSError or of anything else that is expected."""


NOT_SUPPORTED = AmdSmiLibraryException("AMDSMI_STATUS_NOT_SUPPORTED")
Answers = dict[str, Any]
ADDRESS = "0000:C1:00.0"

MI300X: Answers = {
    "gpu_asic_info": {"market_name": "AMD Instinct MI300X OAM", "asic_serial": "0xA1B2C3D4E5F60718"},
    "temp_metric": {(1, 0): 71, (1, 5): 100, (2, 0): 62, (2, 5): 95},
    "power_info": {"current_socket_power": 612, "average_socket_power": NA, "power_limit": 750},
    "power_cap_info": {"power_cap": 750_000_000, "max_power_cap": 750_000_000},
    "clock_info": {(0,): {"clk": 1875, "max_clk": 2100}, (4,): {"clk": 1300, "max_clk": 1300}},
    "gpu_activity": {"gfx_activity": 97, "umc_activity": 41, "mm_activity": NA},
    "gpu_memory_total": {(0,): 192 << 30},
    "gpu_memory_usage": {(0,): 150 << 30},
    "gpu_fan_speed": NOT_SUPPORTED,
    "gpu_fan_speed_max": NOT_SUPPORTED,
    "gpu_metrics_info": {
        "common_header.format_revision": 1, "energy_accumulator": 65536 * 1000, "accumulation_counter": 100_000,
        "prochot_residency_acc": 0, "ppt_residency_acc": 5_000, "socket_thm_residency_acc": 10, "vr_thm_residency_acc": 0,
        "hbm_thm_residency_acc": 0, "throttle_status": NA, "indep_throttle_status": False,
        "xgmi_read_data_acc": [10, 20, 0, 0, 0, 0, 0, NA], "xgmi_write_data_acc": [1, 2, 3, 4, 5, 6, 7, NA],
    },
}  # fmt: skip
"""{function without `amdsmi_get_`: its answer, or its answers by arguments}; an exception is raised."""


class FakeAmdSmi:
    """The package, on a machine with one GPU."""

    AmdSmiTemperatureType = AmdSmiTemperatureType
    AmdSmiTemperatureMetric = AmdSmiTemperatureMetric
    AmdSmiClkType = AmdSmiClkType
    AmdSmiMemoryType = AmdSmiMemoryType

    def __init__(self, answers: Answers, address: str = ADDRESS) -> None:
        self.answers, self.address = answers, address
        self.calls: list[str] = []
        self.running = 0

    def amdsmi_init(self) -> None:
        self.running += 1

    def amdsmi_shut_down(self) -> None:
        if not self.running:
            raise AmdSmiLibraryException("AMDSMI_STATUS_NOT_INIT")
        self.running -= 1

    def amdsmi_get_processor_handles(self) -> list[object]:
        return ["handle"]

    def amdsmi_get_gpu_device_bdf(self, handle: object) -> str:
        assert handle == "handle"
        return self.address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = name.removeprefix("amdsmi_get_")
        if function == name or function not in self.answers:
            raise AttributeError(name)
        return lambda handle, *arguments: self._answer(function, arguments)

    def _answer(self, function: str, arguments: tuple[Any, ...]) -> Any:
        assert self.running, "the library is asked before it was started or after it was shut down"
        self.calls.append(function)
        answer = self.answers[function]
        if isinstance(answer, dict) and any(isinstance(key, tuple) for key in answer):
            answer = answer.get(arguments, NOT_SUPPORTED)
        if isinstance(answer, Exception):
            raise answer
        return answer
