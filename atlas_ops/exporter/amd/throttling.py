"""What AMD's words for throttling are in the contract's, and the arithmetic that turns residencies into time.

Pure; used by `exporter.amd.device`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atlas_ops.exporter.amd.metrics import Metrics
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS

_BITS = dict(THROTTLE_BITS)

RESIDENCY_REASONS = {
    # The firmware holds the package at its power limit (PPT, package power tracking).
    "sw_power_cap": ("ppt_residency_acc",),
    # A pin of the board was pulled, for heat or for power of something outside of the GPU: nobody says which.
    "hw_slowdown": ("prochot_residency_acc",),
    "hw_thermal": ("socket_thm_residency_acc", "vr_thm_residency_acc", "hbm_thm_residency_acc"),
}
"""{reason of the contract: residencies of the table}."""

STATUS_REASONS = {
    # Limits of power (PPT0..3, SPL, FPPT, SPPT, SPPT_APU) and of current (TDC, EDC, APCC).
    "sw_power_cap": (*range(8), *range(16, 24)),
    # PROCHOT of processor and graphics, see above.
    "hw_slowdown": (46, 47),
    # Temperatures of chip, memory, liquid and voltage regulators, VRHOT among them.
    "hw_thermal": tuple(range(32, 46)),
}
"""{reason: bits `SMU_THROTTLER_..._BIT` of the kernel's `amdgpu_smu.h`}. The two others, 56 (PPM) and 57 (FIT, a limit
of voltage for the sake of a long life), are no words of the contract."""

FROZEN_SECONDS = 1.0
"""When the firmware's table has not moved for so long, nothing is known of this moment (it moves every 0.1 s or faster)."""
_NANOSECONDS = 1e9


def status_bits(status: int) -> int:
    """Return the bits of `gpu.throttle.THROTTLE_BITS` for a throttle status of the table."""
    return _sum(reason for reason, places in STATUS_REASONS.items() if any(status >> place & 1 for place in places))


def possible_bits(metrics: Metrics) -> int:
    """Return the reasons that such a table can report, in the same bits."""
    if metrics.cycles is not None:
        return _sum(given_reasons(metrics))
    return _sum(STATUS_REASONS) if metrics.throttle_status is not None else 0


def given_reasons(metrics: Metrics) -> list[str]:
    """Return the reasons of which the table has a residency."""
    return [reason for reason, names in RESIDENCY_REASONS.items() if any(name in metrics.residencies for name in names)]


def _sum(reasons: Iterable[str]) -> int:
    return sum(_BITS[reason] for reason in reasons)


@dataclass(frozen=True, slots=True)
class _Look:
    cycles: int
    residencies: Mapping[str, int]
    at: float

    def runs_on_from(self, before: _Look) -> bool:
        """Whether no counter ran backwards, as after a reset of the GPU, or when its 32 bits are full."""
        counters = before.residencies.items()
        return self.cycles >= before.cycles and all(
            self.residencies.get(name, value) >= value for name, value in counters
        )


class ResidencyMeter:
    """Turns residencies into nanoseconds: of the time between two looks, that share of the firmware's cycles which throttled.

    Reasons with several residencies (heat) may throttle for more than one of them at once; the largest share is taken, which
    is never too much. A counter that ran backwards costs the time since the last look, a tenth of a second.
    """

    def __init__(self) -> None:
        self._last: _Look | None = None
        self._bits: int | None = None
        self._nanoseconds: dict[str, float] = {}
        self._owed: dict[str, float] = {}

    @property
    def nanoseconds(self) -> dict[str, int]:
        """Return {reason: throttled so far}, counted since the first look; nothing before."""
        return {reason: int(value) for reason, value in self._nanoseconds.items()}

    def bits(self, now: float) -> int | None:
        """Return the reasons of the newest look; None before the second one, or when the table stands still."""
        frozen = self._last is None or now - self._last.at > FROZEN_SECONDS
        return None if frozen else self._bits

    def look(self, metrics: Metrics, now: float) -> None:
        """Take in the table at `now`, in seconds of a clock that never runs backwards."""
        if metrics.cycles is None:
            return
        look, before = _Look(metrics.cycles, metrics.residencies, now), self._last
        if before is None or not look.runs_on_from(before):
            self._last, self._bits = look, None
            self._nanoseconds = dict.fromkeys(given_reasons(metrics), 0.0) | self._nanoseconds
        elif look.cycles > before.cycles:  # else it is the same table: its time is counted with the next one
            self._bits = _sum([reason for reason in RESIDENCY_REASONS if self._add(reason, before, look)])
            self._last = look

    def _add(self, reason: str, before: _Look, look: _Look) -> bool:
        """Count one reason; return whether its bit is on.

        The bit is on in as many looks as the shares amount to: who samples it gets the time that the counter has.
        """
        names = [name for name in RESIDENCY_REASONS[reason] if name in before.residencies and name in look.residencies]
        if not names:
            return False
        grown = max(look.residencies[name] - before.residencies[name] for name in names)
        share = min(1.0, grown / (look.cycles - before.cycles))
        self._nanoseconds[reason] = self._nanoseconds.get(reason, 0.0) + share * (look.at - before.at) * _NANOSECONDS
        owed = self._owed.get(reason, 0.0) + share
        self._owed[reason] = owed - (owed >= 0.5)
        return owed >= 0.5
