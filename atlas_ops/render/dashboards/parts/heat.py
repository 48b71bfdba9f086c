"""Heat, power and clocks of GPUs."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware.clock import PEAK_LOSS
from atlas_ops.catalog.faults.hardware.throttling import CLOCK_LOSS
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, Query
from atlas_ops.render.dashboards.parts.gpus import query, whole


def hottest(*matchers: str) -> Number:
    """Return the highest temperature of any sensor."""
    return Number(
        key="gpu-hottest",
        title="Hottest sensor",
        shows="The highest temperature of any sensor of any GPU.",
        worry="clocks fall with it: parts differ, and hot is how they are meant to run.",
        faults=("GpuThermalThrottling",),
        query=Query(expr=f"max({promql.select(s.GPU_TEMPERATURE, *matchers)})", legend="hottest"),
        unit="celsius",
        width=3,
    )


def power_share(*matchers: str) -> Number:
    """Return the power drawn by the power allowed, of all GPUs together."""
    drawn, allowed = (f"sum({whole(signal, *matchers)})" for signal in (s.GPU_POWER, s.GPU_POWER_LIMIT))
    return Number(
        key="gpu-power-share",
        title="Power of limit",
        shows="Power drawn by the power limits in force. At the limit is how busy GPUs run.",
        worry="it is low while requests wait.",
        query=Query(expr=f"{drawn} / {allowed}", legend="of limit"),
        unit="percentunit",
        width=3,
    )


def temperature(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return temperature by sensor."""
    return Chart(
        key="gpu-temperature",
        title="Temperature by sensor",
        shows="Temperature of the chip, and of its memory where the part tells it.",
        worry="clocks fall while it rises, or one GPU is far hotter than its neighbours.",
        faults=("GpuThermalThrottling",),
        queries=(query(by, promql.select(s.GPU_TEMPERATURE, *matchers), "sensor"),),
        unit="celsius",
        width=width,
    )


def margin(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the degrees that are left before a GPU slows itself down."""
    return Chart(
        key="gpu-temperature-margin",
        title="Degrees left before slowdown",
        shows="How much hotter the sensor that is nearest to its limit may get.",
        worry="it nears zero.",
        faults=("GpuThermalThrottling",),
        queries=(query(by, promql.select(s.GPU_TEMPERATURE_MARGIN, *matchers)),),
        unit="celsius",
        limit=Limit(value=0, below=True),
        width=width,
    )


def fan(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the speed of the GPUs' own fans."""
    return Chart(
        key="gpu-fan",
        title="Fan speed",
        shows="Speed of the GPU's own fan by its highest.",
        worry="it stands still on a warm GPU, or stays at its end.",
        faults=("GpuThermalThrottling",),
        empty="on parts without fans of their own, such as those on boards for servers",
        queries=(query(by, promql.select(s.GPU_FAN, *matchers)),),
        unit="percentunit",
        maximum=1.0,
        width=width,
    )


def power(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return power drawn and power allowed."""
    return Chart(
        key="gpu-power",
        title="Power against its limit",
        shows="Power drawn, and the limit in force.",
        worry="the limit is lower than that of its neighbours, or power falls while requests wait.",
        faults=("GpuPowerBrake",),
        queries=(
            query(by, promql.select(s.GPU_POWER, *matchers)),
            query(by, promql.select(s.GPU_POWER_LIMIT, *matchers), word="limit"),
        ),
        unit="watt",
        width=width,
    )


def clock(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the clocks of multiprocessors and memory against their highest."""
    domains = 'domain=~"sm|memory"'
    return Chart(
        key="gpu-clock",
        title="Clocks against their highest",
        shows="Clocks of multiprocessors and memory, and the highest that they can have. Idle GPUs lower theirs.",
        worry="a busy GPU stays below its highest.",
        faults=("GpuClockDeficit", "GpuThermalThrottling", "GpuPowerBrake"),
        queries=(
            query(by, promql.select(s.GPU_CLOCK, domains, *matchers), "domain"),
            query(by, promql.select(s.GPU_CLOCK_MAX, domains, *matchers), "domain", word="highest"),
        ),
        unit="hertz",
        width=width,
    )


def clock_lost(by: tuple[str, ...], *matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return the share of the clock that is missing: now, and even at the best moment of a quarter of an hour."""
    return Chart(
        key="gpu-clock-lost",
        title="Clock lost",
        shows="Share of the highest clock that is missing: on the mean of two minutes, and at the best moment of fifteen.",
        worry="a busy GPU loses clock. Idle ones lower theirs by themselves.",
        faults=("GpuThermalThrottling", "GpuPowerBrake", "GpuClockDeficit"),
        queries=(
            query(by, promql.select(CLOCK_LOSS, *matchers)),
            query(by, promql.select(PEAK_LOSS, *matchers), word="at best"),
        ),
        unit="percentunit",
        limit=Limit(value=parameters.limits.clock_loss_ratio),
        maximum=1.0,
        width=width,
    )
