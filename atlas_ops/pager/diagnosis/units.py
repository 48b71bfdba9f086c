"""How the value of a check is written for people. Pure; called by `diagnosis.checks`, `diagnosis.judge` and `charts.picture`."""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops.pager import times

_STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _seconds(value: float) -> str:
    if value >= 120:
        return times.length(value)
    return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"


def _bytes(value: float) -> str:
    for size, name in _STEPS:
        if abs(value) >= size:
            return f"{value / size:.1f} {name}"
    return f"{value:.0f} B"


UNITS: dict[str, Callable[[float], str]] = {
    "number": _plain,
    "percent": lambda value: f"{value * 100:.3g} %",
    "seconds": _seconds,
    "bytes": _bytes,
    "times": lambda value: f"{value:.2g} times" if abs(value) < 10 else f"{value:.0f} times",
    "celsius": lambda value: f"{value:.0f} °C",
    "watts": lambda value: f"{value:.0f} W",
    "joules": lambda value: f"{_plain(value)} J",
    "hertz": lambda value: f"{value / 1e6:.0f} MHz",
    "tokens": lambda value: f"{_plain(round(value))} tokens",
}
"""{name in a runbook: how a finite value is written}. A percent is given as a ratio, as Prometheus has it."""
