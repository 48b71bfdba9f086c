"""Limits of the faults of hardware."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class HardwareLimits:
    """Each is a setting under `limits:`."""

    throttled_time_ratio: float = limit(
        0.1, "ratio of time", 0, 1,
        "a tenth of the time held down by heat or by the power brake costs tokens that users notice; single short events "
        "do not",
    )  # fmt: skip
    clock_loss_ratio: float = limit(
        0.1, "ratio of the maximum SM clock", 0, 1,
        "heat that costs less than a tenth of the clock is how parts are meant to run at their limit",
    )  # fmt: skip
    unexplained_clock_loss_ratio: float = limit(
        0.25, "ratio of the maximum SM clock", 0, 1,
        "a busy part that nothing holds down reaches its maximum within a few steps of its clock (an H100 1,980 MHz); a "
        "quarter less is beyond every difference between parts (a guess: raise it where clocks are locked on purpose)",
    )  # fmt: skip
    busy_gpu_ratio: float = limit(
        0.5, "ratio of time in which a kernel ran", 0, 1,
        "an idle part lowers its clock and the speed of its PCIe link, so neither says anything before it is at work",
    )  # fmt: skip
    gpu_silent_seconds: float = limit(
        120, "seconds", 0, 86_400,
        "a driver that is loaded again, or a GPU that is reset, is back within a minute",
    )  # fmt: skip
    xid_recent_seconds: float = limit(
        900, "seconds", 0, 86_400,
        "Kubernetes waits five minutes at most before it starts a crashing container again, so a crash loop is one alert",
    )  # fmt: skip
    nvlink_retrainings: float = limit(
        0, "errors in half an hour", -1, 1e9,
        "NVIDIA's DCGM calls a link unhealthy at the first replay or recovery",
    )  # fmt: skip
    nvlink_crc_errors_per_second: float = limit(
        100, "errors per second", 0, 1e9,
        "NVIDIA's DCGM says that checksum errors matter from 100 a second on; fewer are repeated without loss",
    )  # fmt: skip
    pcie_bandwidth_ratio: float = limit(
        0.9, "ratio of the link's bandwidth", 0, 1,
        "a lost generation halves the bandwidth, and lanes are lost by the quarter at least: there is nothing in between",
    )  # fmt: skip
    pcie_replays_per_minute: float = limit(
        8, "replays a minute", 0, 1e9,
        "NVIDIA's DCGM takes more than eight a minute for a bad link",
    )  # fmt: skip
    memory_full_hours: float = limit(
        24, "hours", 0, 8760,
        "time to restart the server on a working day of one's own choice (a guess)",
    )  # fmt: skip
    memory_growth_steadiness: float = limit(
        0.8, "ratio of the growth of the last half hour to that of the last two hours", 0, 1,
        "a leak goes on at its pace; a cache that levels off grows ever more slowly, with a time constant of less than "
        "four hours by less than 0.8 (computed for an exponential approach)",
    )  # fmt: skip
