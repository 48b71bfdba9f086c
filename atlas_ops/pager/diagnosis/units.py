"""How the value of a check is written for people. Pure; called by `diagnosis.checks`, `diagnosis.judge` and `charts.picture`."""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops import units
from atlas_ops.pager import times

_STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _seconds(value: float) -> str:
    return times.length(value) if value >= 120 else units.seconds(value)


def _bytes(value: float) -> str:
    for size, name in _STEPS:
        if abs(value) >= size:
            return f"{value / size:.1f} {name}"
    return f"{value:.0f} B"


UNITS: dict[str, Callable[[float], str]] = {
    "number": units.number,
    "percent": units.percent,
    "seconds": _seconds,
    "bytes": _bytes,
    "times": lambda value: f"{value:.2g} times" if abs(value) < 10 else f"{value:.0f} times",
    "celsius": lambda value: f"{value:.0f} °C",
    "watts": lambda value: f"{value:.0f} W",
    "joules": lambda value: f"{units.number(value)} J",
    "hertz": lambda value: f"{value / 1e6:.0f} MHz",
    "tokens": lambda value: f"{units.number(round(value))} tokens",
}
"""{name in a runbook: how a finite value is written}. A percent is given as a ratio, as Prometheus has it."""
