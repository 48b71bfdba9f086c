"""What holds the clocks of GPUs down: for how long, how often, and why."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Bars, Chart, Number, Palette, Query, States
from atlas_ops.render.dashboards.parts.gpus import ANY, BY_GPU, TO_GPU, greatest, named
from atlas_ops.render.dashboards.parts.requests import WINDOW

_HARMFUL = "hw_slowdown|hw_thermal|hw_power_brake|sw_thermal"
"""Reasons that no work and no setting explains."""
_NOT_IDLE = 'reason!="gpu_idle"'
_LONGEST_SHOWN = 20
_GRAVITY = (
    ("gpu_idle", "Idle", Palette.OFF),
    ("applications_clocks|sync_boost|display_clocks", "By settings", Palette.QUIET),
    ("sw_power_cap", "At its power limit", Palette.QUIET),
    ("hw_slowdown", "By the board", Palette.BAD),
    ("sw_thermal|hw_thermal", "By heat", Palette.BAD),
    ("hw_power_brake", "By the power brake", Palette.BAD),
)
"""(reasons, word, colour), the least first: of several at once the last is shown."""


def held_down(*matchers: str) -> Number:
    """Return how many GPUs are held down now by heat, by the power brake or by the board."""
    active = promql.select(s.GPU_THROTTLE_ACTIVE, f'reason=~"{_HARMFUL}"', *matchers)
    return Number(
        key="gpus-held-down",
        title="Held down now",
        shows="GPUs whose clocks heat, the power brake or the board holds down. Power limits and settings do not count.",
        worry="it stays above zero.",
        faults=("GpuThermalThrottling", "GpuPowerBrake"),
        query=Query(expr=f"sum({greatest(BY_GPU, active)})", legend="held down"),
        unit="short",
        limit=ANY,
        width=3,
    )


def time_held(*matchers: str, width: int = 12) -> Chart:
    """Return the time that clocks were held down, by reason, of all GPUs together."""
    held = promql.sum_by(("reason",), promql.rate(s.GPU_THROTTLE_SECONDS, WINDOW, _NOT_IDLE, *matchers))
    return Chart(
        key="gpu-time-held",
        title="Time held down, by reason",
        shows="Seconds in each second, added up over the GPUs: 1 is one GPU all the time. Reasons overlap.",
        worry="heat (`hw_thermal`, `sw_thermal`) or the brake (`hw_power_brake`) is there. `sw_power_cap` is how busy GPUs run.",
        faults=("GpuThermalThrottling", "GpuPowerBrake"),
        queries=(Query(expr=held, legend="{{reason}}"),),
        unit="short",
        stacked=True,
        width=width,
    )


def states(by: tuple[str, ...], *matchers: str, width: int = 12) -> States:
    """Return what holds each GPU down, over time."""
    found = (promql.select(s.GPU_THROTTLE_ACTIVE, f'reason=~"{reasons}"', *matchers) for reasons, _, _ in _GRAVITY)
    # The gravest first, and of each only where it is active: that is few, and what is before an `or` is gone through at each.
    active = [f"{level} * {greatest(by, f'{reason} > 0')}" for level, reason in enumerate(found, 1)]
    none = f"0 * {greatest(by, promql.select(s.GPU_THROTTLE_ACTIVE, *matchers))}"
    words = {float(level): (word, color) for level, (_, word, color) in enumerate(_GRAVITY, 1)}
    return States(
        key="gpu-throttle-states",
        title="What holds each GPU down",
        shows="The gravest reason at each moment.",
        worry="a band is red for long.",
        faults=("GpuThermalThrottling", "GpuPowerBrake"),
        queries=(Query(expr="\nor ".join((*reversed(active), none)), legend=named(by)),),
        states={0.0: ("At full clock", Palette.GOOD), **words},
        links=(TO_GPU,),
        width=width,
    )


def begun(*matchers: str, width: int = 12) -> Chart:
    """Return how often clocks began to be held down, by reason."""
    events = promql.sum_by(("reason",), promql.increase(s.GPU_THROTTLE_EVENTS, WINDOW, _NOT_IDLE, *matchers))
    return Chart(
        key="gpu-throttle-begun",
        title="Times that it began, by reason",
        shows="How often clocks began to be held down, from one point of the chart to the next, those too short to be scraped too.",
        worry="heat or the brake comes again and again.",
        faults=("GpuThermalThrottling", "GpuPowerBrake"),
        queries=(Query(expr=events, legend="{{reason}}"),),
        unit="short",
        width=width,
    )


def longest(by: tuple[str, ...], *matchers: str, width: int = 12) -> Bars:
    """Return the longest time that a reason lasted without a break, of the GPUs with the longest ones."""
    lasted = greatest((*by, "reason"), promql.select(s.GPU_THROTTLE_LONGEST, _NOT_IDLE, *matchers))
    return Bars(
        key="gpu-throttle-longest",
        title="Longest without a break",
        shows=f"The longest time that a reason lasted since the exporter's start; the {_LONGEST_SHOWN} longest.",
        worry="heat or the brake lasted for minutes.",
        faults=("GpuThermalThrottling", "GpuPowerBrake"),
        empty="while nothing has held a GPU down since the exporter's start",
        query=Query(expr=f"topk({_LONGEST_SHOWN}, {lasted} > 0)", legend=f"{named(by)} {{{{reason}}}}"),
        unit="s",
        width=width,
    )
