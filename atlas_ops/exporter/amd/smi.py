"""AMD's own library, through its Python package `amdsmi`: optional, and the only module that imports it.

Used by `exporter.amd.backend`. What the library does not have, refuses or calls "N/A" comes from the kernel's files, which
also decide what a refusal means. Where the files say more, only they are asked: the package turns the throttle status into
a mere yes or no, and reports errors of types that a block does not count. Never called: `amdsmi_get_violation_status`,
which sleeps for 100 ms. Names and units are those of the package 7.0.2 and of `amdsmi.h` for Linux without virtualization.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from atlas_ops.exporter.amd.card import Card
from atlas_ops.exporter.amd.metrics import CYCLES, RESIDENCIES, Metrics, Raw, measured
from atlas_ops.exporter.gpu.backend import GpuAbsent

_SENSORS = {"edge": "EDGE", "junction": "JUNCTION", "memory": "VRAM"}
_DOMAINS = {"sm": "GFX", "memory": "MEM"}
_TABLE = ("energy_accumulator", CYCLES, *RESIDENCIES, "xgmi_read_data_acc", "xgmi_write_data_acc")
_MICRO = 1e-6
_MEGA = 1e6
_T = TypeVar("_T")


class SmiTrouble(Exception):
    """The library is not there or does not work; says why."""


class _NotTold(Exception):
    """The library has an answer, but it is none."""


def import_library() -> object:
    """Import the package. SmiTrouble when there is none, or when it does not find or know AMD's shared library."""
    try:
        # It prints what went wrong. A server has nothing to say on its standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            import amdsmi  # noqa: PLC0415 - optional, and some MiB
    except Exception as trouble:  # noqa: BLE001 - KeyError, OSError, AttributeError, ...: whatever its import trips over
        raise SmiTrouble(f"{type(trouble).__name__}: {trouble}") from None
    module: object = amdsmi
    return module


class Smi:
    """The library at work, from `open` to `close`; `library` is the package, or an object that has its functions."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def open(self) -> Mapping[str, object]:
        """Start the library; return {PCI address: its handle of the GPU}. SmiTrouble when it does not work."""
        try:
            self._library.amdsmi_init()
            handles = self._library.amdsmi_get_processor_handles()
            return {str(self._library.amdsmi_get_gpu_device_bdf(handle)).lower(): handle for handle in handles}
        except Exception as trouble:  # noqa: BLE001 - it has exceptions of its own, and ctypes has others
            self.close()
            raise SmiTrouble(f"{type(trouble).__name__}: {trouble}") from None

    def close(self) -> None:
        """Let go of the library."""
        with contextlib.suppress(Exception):  # gone already is as good
            self._library.amdsmi_shut_down()

    def card(self, device: Path, host_root: Path, handle: object) -> Card:
        """Return the card at `device` with the library in front of its files."""
        return SmiCard(device, host_root, library=self._library, handle=handle)


class SmiCard(Card):
    """A card that asks the library first, and the kernel's files for what the library does not tell."""

    def __init__(
        self,
        device: Path,
        host_root: Path,
        *,
        library: Any,
        handle: object,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(device, host_root, clock=clock)
        self._library, self._handle = library, handle

    def name(self) -> str:
        """See Card."""
        return _told(lambda: _text(self._ask("gpu_asic_info")["market_name"]), super().name)

    def temperature(self, sensor: str) -> float:
        """See Card."""
        return _told(lambda: self._degrees(sensor, "CURRENT"), lambda: Card.temperature(self, sensor))

    def critical_temperature(self, sensor: str) -> float:
        """See Card."""
        return _told(lambda: self._degrees(sensor, "CRITICAL"), lambda: Card.critical_temperature(self, sensor))

    def power(self) -> float:
        """See Card."""
        return _told(self._watts, super().power)

    def power_limit(self) -> float:
        """See Card."""
        return _told(lambda: _number(self._ask("power_cap_info")["power_cap"]) * _MICRO, super().power_limit)

    def fan(self) -> float:
        """See Card."""
        return _told(
            lambda: _number(self._ask("gpu_fan_speed", 0)) / _positive(self._ask("gpu_fan_speed_max", 0)), super().fan
        )

    def clock(self, domain: str) -> float:
        """See Card."""
        return _told(lambda: _number(self._clock_info(domain)["clk"]) * _MEGA, lambda: Card.clock(self, domain))

    def clock_max(self, domain: str) -> float:
        """See Card."""
        return _told(
            lambda: _positive(self._clock_info(domain)["max_clk"]) * _MEGA, lambda: Card.clock_max(self, domain)
        )

    def utilization(self) -> float:
        """See Card."""
        return _told(lambda: _number(self._ask("gpu_activity")["gfx_activity"]) / 100, super().utilization)

    def memory_utilization(self) -> float:
        """See Card."""
        return _told(lambda: _number(self._ask("gpu_activity")["umc_activity"]) / 100, super().memory_utilization)

    def memory_used(self) -> float:
        """See Card."""
        return _told(lambda: _number(self._memory("usage")), super().memory_used)

    def memory_total(self) -> float:
        """See Card."""
        return _told(lambda: _positive(self._memory("total")), super().memory_total)

    def _read_metrics(self) -> Metrics:
        """Return the table as `exporter.amd.metrics` reads it; of a revision that it does not know, what the library says."""
        try:
            return super()._read_metrics()
        except GpuAbsent as absent:
            try:
                return measured(_raw(self._ask("gpu_metrics_info")))
            except Exception:  # noqa: BLE001 - as in `_told`
                raise absent from None

    # --- the library --------------------------------------------------------------------------------------------------

    def _ask(self, function: str, *arguments: object) -> Any:
        return getattr(self._library, f"amdsmi_get_{function}")(self._handle, *arguments)

    def _degrees(self, sensor: str, metric: str) -> float:
        kind = getattr(self._library.AmdSmiTemperatureType, _SENSORS[sensor])
        return _positive(self._ask("temp_metric", kind, getattr(self._library.AmdSmiTemperatureMetric, metric)))

    def _watts(self) -> float:
        power = self._ask("power_info")
        try:
            return _positive(power["average_socket_power"])
        except _NotTold:
            return _positive(power["current_socket_power"])

    def _clock_info(self, domain: str) -> Any:
        return self._ask("clock_info", getattr(self._library.AmdSmiClkType, _DOMAINS[domain]))

    def _memory(self, what: str) -> Any:
        return self._ask(f"gpu_memory_{what}", self._library.AmdSmiMemoryType.VRAM)


def _told(answer: Callable[[], _T], other: Callable[[], _T]) -> _T:
    """Return what the library told; else what the kernel's file says, or why it does not."""
    try:
        return answer()
    except Exception:  # noqa: BLE001 - its own exceptions, missing functions and keys, changed types: all mean "ask the file"
        return other()


def _number(value: object) -> float:
    """Return a number that is 0 or more; the library has "N/A" and the like for what is not given."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _NotTold
    return float(value)


def _positive(value: object) -> float:
    """Return a number above 0, where 0 is the library's way of saying nothing."""
    number = _number(value)
    if not number:
        raise _NotTold
    return number


def _text(value: object) -> str:
    if not isinstance(value, str) or value in ("", "N/A"):
        raise _NotTold
    return value


def _raw(info: Mapping[str, object]) -> Raw:
    """Return the library's table in the form of `metrics.measured`."""
    raw: dict[str, tuple[int | None, ...]] = {}
    for name in _TABLE:
        value = info.get(name)
        values = value if isinstance(value, list) else [value]
        raw[name] = tuple(item if isinstance(item, int) and not isinstance(item, bool) else None for item in values)
    return raw
