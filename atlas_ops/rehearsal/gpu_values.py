"""What of a GPU changes from scrape to scrape, straight from its simulated state. Called by `gpus`.

Rounded as the driver rounds: whole percents, degrees and milliwatts. The tests compare it with the exporter's reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS
from atlas_ops.exporter.gpu.throttle_ledger import ThrottleStory
from atlas_ops.exporter.samples import Labels, Sample
from atlas_ops.simulator.nvml.heat import MEMORY_ABOVE_CORE_KELVIN
from atlas_ops.simulator.profile import Profile
from atlas_ops.simulator.state import GpuState

_BITS = dict(THROTTLE_BITS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One GPU at one scrape."""

    gpu: GpuState
    part: Profile
    stories: Mapping[str, ThrottleStory]
    answered: Mapping[tuple[Signal, Labels], float]
    """What was asked at this very scrape."""


Read = Callable[[Moment], float]


def settled(gpu: GpuState) -> object:
    """Return the rest: as long as it is the same, nothing else of the GPU's samples changes."""
    return (
        gpu.index, gpu.profile, gpu.driver, gpu.condition, gpu.encoder_ratio, gpu.decoder_ratio, gpu.fan_ratio,
        gpu.power_limit_watts, gpu.recovery_action, gpu.events[-1:], gpu.ecc, gpu.rows, gpu.pages, gpu.nvlink,
        gpu.pcie.replays, gpu.pcie.generation, gpu.pcie.width, tuple(process.pid for process in gpu.processes),
    )  # fmt: skip


def reader(sample: Sample, own: int, asked: frozenset[tuple[Signal, Labels]]) -> Read | None:
    """Return how the value of a sample is read; None when it stays as it is.

    `own` is how many labels of the sample name the GPU, `asked` are the signals and further labels that are always asked for.
    """
    extra = sample.labels[own:]
    if (sample.signal, extra) in asked:
        return lambda now: now.answered[sample.signal, extra]
    make = _READERS.get(sample.signal)
    return make(extra[0][1] if extra else "") if make else None


def _same(read: Read) -> Callable[[str], Read]:
    return lambda _: read


def _temperature(sensor: str) -> Read:
    above = MEMORY_ABOVE_CORE_KELVIN if sensor == "memory" else 0
    return lambda now: round(now.gpu.temperature_celsius + above)


def _clock(domain: str) -> Read:
    if domain in ("graphics", "sm"):
        return lambda now: now.gpu.sm_clock_mhz * 1e6
    if domain == "video":
        return lambda now: round(now.part.video_clock_mhz * (now.gpu.sm_clock_mhz / now.part.sm_clock_mhz)) * 1e6
    return lambda now: now.part.memory_clock_mhz * 1e6


def _process(pid: str) -> Read:
    return lambda now: next((p.memory_bytes or 0 for p in now.gpu.processes if str(p.pid) == pid), 0)


def _free(now: Moment) -> float:
    return now.part.memory_bytes - now.part.reserved_bytes - now.gpu.memory_used_bytes


_READERS: Mapping[Signal, Callable[[str], Read]] = {
    s.GPU_UTILIZATION: _same(lambda now: round(100 * now.gpu.utilization_ratio) / 100),
    s.GPU_MEMORY_UTILIZATION: _same(lambda now: round(100 * now.gpu.memory_utilization_ratio) / 100),
    s.GPU_MEMORY_USED: _same(lambda now: now.gpu.memory_used_bytes),
    s.GPU_MEMORY_FREE: _same(_free),
    s.GPU_TEMPERATURE: _temperature,
    s.GPU_TEMPERATURE_MARGIN: _same(lambda now: round(now.part.max_operating_celsius - now.gpu.temperature_celsius)),
    s.GPU_POWER: _same(lambda now: round(1000 * now.gpu.power_watts) / 1000),
    s.GPU_ENERGY: _same(lambda now: round(1000 * now.gpu.energy_joules) / 1000),
    s.GPU_CLOCK: _clock,
    s.GPU_PROCESS_MEMORY: _process,
    s.GPU_THROTTLE_ACTIVE: lambda reason: lambda now: float(bool(now.gpu.reasons & _BITS[reason])),
    s.GPU_THROTTLE_SECONDS: lambda reason: lambda now: now.stories[reason].totals.seconds,
    s.GPU_THROTTLE_EVENTS: lambda reason: lambda now: now.stories[reason].totals.events,
    s.GPU_THROTTLE_LONGEST: lambda reason: lambda now: now.stories[reason].totals.longest,
    s.GPU_THROTTLE_LAST: lambda reason: lambda now: now.stories[reason].last_seen or 0.0,
}
"""{signal: from the first of its further labels to how it is read}."""
