"""One model server and its GPU: requests come in, the engine works, the GPU warms up and sets the engine's pace.

Called by `simulator.fleet`.
"""

from __future__ import annotations

import uuid

from atlas_ops.simulator.arrivals import Arrivals
from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.gpu import Gpu
from atlas_ops.simulator.profile import Profile


class Replica:
    """Server number `index`, which has the GPU of the same number."""

    def __init__(self, index: int, *, config: EngineConfig, seed: int, profile: Profile, driver: str) -> None:
        self.engine = Engine(config)
        self.gpu = Gpu(
            index=index,
            uuid=f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'atlas-ops {seed} {index}')}",
            memory_used_bytes=int(config.gpu_memory_utilization * profile.memory_bytes),
            profile=profile,
            driver=driver,
        )
        self._index = index
        self._arrivals = Arrivals(f"{seed}/{index}")
        self._owed_prefill = self._owed_decode = 0.0

    def advance(self, start: float, end: float, effect: Effect) -> None:
        """Live from `start` to `end` (simulated seconds) under what the scenario does to it."""
        self.engine.stalled = effect.server(self._index).stalled
        self.gpu.cooled = effect.gpu(self._index).cooled
        self.engine.submit(self._arrivals.between(start, end, effect.traffic))
        work = self.engine.advance(end, clock_ratio=self.gpu.clock_ratio)
        # A step that ends after `end` is work of this span and of the next: what does not fit is carried over.
        self._owed_prefill += work.prefill_seconds
        self._owed_decode += work.decode_seconds
        owed = self._owed_prefill + self._owed_decode
        share = min(1.0, (end - start) / owed) if owed else 0.0
        prefill, decode = self._owed_prefill * share, self._owed_decode * share
        self._owed_prefill -= prefill
        self._owed_decode -= decode
        self.gpu.advance(end - start, prefill=prefill / (end - start), decode=decode / (end - start))
