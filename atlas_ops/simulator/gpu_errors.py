"""What goes wrong on one GPU besides heat: XIDs, memory errors, links. Kept by `simulator.gpu`."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import GpuEffect
from atlas_ops.simulator.state import EccCounts, GpuState, LinkErrors, NvlinkCounters, RowRemaps, next_events

_BAD_LINK = 0
"""The NVLink that has all the errors: one bad cable or connector is what happens."""


class _Events:
    """Counts events that come at a rate; a part of one is kept for later."""

    def __init__(self) -> None:
        self.count = 0
        self._part = 0.0

    def advance(self, expected: float) -> int:
        """Let so many more come about, and return how many have."""
        self._part += expected
        new = int(self._part)
        self._part -= new
        self.count += new
        return new


class GpuErrors:
    """The errors of one GPU since it was made."""

    def __init__(self) -> None:
        self._effect = GpuEffect()
        self._xids, self._corrected, self._uncorrected = _Events(), _Events(), _Events()
        self._nvlink, self._checksums, self._replays = _Events(), _Events(), _Events()

    def advance(self, effect: GpuEffect, minutes: float) -> int:
        """Let so many minutes pass under an effect; return how many XIDs of its kind came. The first comes at once."""
        begins = effect.xid is not None and effect.xid != self._effect.xid
        self._effect = effect
        self._corrected.advance(effect.corrected_errors_per_minute * minutes)
        self._uncorrected.advance(effect.uncorrected_errors_per_minute * minutes)
        self._nvlink.advance(effect.nvlink_errors_per_minute * minutes)
        self._checksums.advance((effect.nvlink_errors_per_minute + effect.nvlink_checksum_errors_per_minute) * minutes)
        self._replays.advance(effect.pcie_replays_per_minute * minutes)
        return self._xids.advance(begins + effect.xids_per_minute * minutes) if effect.xid is not None else 0

    def shown(self, state: GpuState) -> GpuState:
        """Return the state with the errors in it."""
        effect = self._effect
        links = LinkErrors(link=_BAD_LINK, replay=self._nvlink.count, crc_flit=self._checksums.count)
        return replace(
            state,
            ecc=EccCounts(dram_corrected=self._corrected.count, dram_uncorrected=self._uncorrected.count),
            rows=RowRemaps(pending=effect.remap_pending, failure=effect.remap_failed),
            recovery_action=effect.recovery_action,
            nvlink=NvlinkCounters(errors=(links,)),
            pcie=replace(
                state.pcie,
                replays=self._replays.count,
                generation=effect.pcie_generation,
                width=effect.pcie_width,
            ),
        )


def with_xids(state: GpuState, code: int, count: int) -> GpuState:
    """Return the state after the driver reported an XID so many times."""
    return replace(state, events=next_events(state.events, count, data=code)) if count else state
