"""One model server and its GPU: requests come in, the engine works, the GPU warms up and sets the engine's pace.

Called by `simulator.fleet`.
"""

from __future__ import annotations

import random
import uuid

from atlas_ops.simulator import clients
from atlas_ops.simulator.adapters import Adapters
from atlas_ops.simulator.arrivals import Arrivals
from atlas_ops.simulator.counters import DRAFTED_TOKENS
from atlas_ops.simulator.effects import Answer, Effect, Runtime, ServerEffect
from atlas_ops.simulator.engine import Engine, EngineConfig
from atlas_ops.simulator.exposition import without
from atlas_ops.simulator.gpu import Gpu
from atlas_ops.simulator.life import Life
from atlas_ops.simulator.profile import Profile
from atlas_ops.simulator.trace import TracePlayer
from atlas_ops.simulator.triton_page import triton_page
from atlas_ops.simulator.vllm_page import VERSION, vllm_page

USUAL_ACCEPTED_SHARE = 0.7
"""Of drafted tokens, where speculation pays: with it a step takes as long as one without speculation; assumed."""


class Replica:
    """Server number `index`, which has the GPU of the same number. `epoch` is the Unix time of simulated second 0."""

    def __init__(
        self,
        index: int,
        *,
        effect: ServerEffect,
        config: EngineConfig,
        seed: int,
        profile: Profile,
        driver: str,
        epoch: float,
        trace: TracePlayer | None = None,
    ) -> None:
        self.engine = Engine(config)
        self.life = Life()
        self.gpu = Gpu(
            index=index,
            uuid=f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'atlas-ops {seed} {index}')}",
            memory_used_bytes=int(config.gpu_memory_utilization * profile.memory_bytes),
            profile=profile,
            driver=driver,
        )
        self._index = index
        self._epoch = epoch
        self._arrivals = Arrivals(f"{seed}/{index}", trace=trace)
        self._chance = random.Random(f"{seed}/{index}/clients")  # noqa: S311 - repeatability, not secrecy
        self._adapters = Adapters()
        self._effect = effect
        self._frozen: str | None = None
        self._owed_prefill = self._owed_decode = 0.0

    @property
    def answer(self) -> Answer | None:
        """What the metrics address answers now; None when the server is scaled away."""
        return self.life.answer

    @property
    def effect(self) -> ServerEffect:
        """What was done to it up to now."""
        return self._effect

    @property
    def ready(self) -> bool:
        """What the readiness endpoint says; False where nobody listens."""
        return self.life.serves and self._effect.ready

    @property
    def runtime(self) -> Runtime:
        """Whose page and endpoints it has."""
        return self._effect.runtime

    @property
    def version(self) -> str:
        """What its endpoints tell of its version; empty: nothing, as those of Triton."""
        return (self._effect.version or VERSION) if self.runtime == "vllm" else ""

    def advance(self, start: float, end: float, effect: Effect, *, scale: float) -> None:
        """Live from `start` to `end` (simulated seconds) under what the scenario does to it; `scale` shortens its times."""
        self._effect = effect.server(self._index)
        present = effect.present is None or self._index < effect.present
        if self.life.advance(start, self._effect if present else None, scale=scale):
            self._begin_anew(start)
        self.gpu.effect = effect.gpu(self._index)
        self.gpu.served = present and self.answer is not Answer.REFUSED
        requests = self._arrivals.between(start, end, self._effect.of(effect.traffic))
        if self.life.serves:
            limit = self.engine.config.max_model_len
            self.engine.submit(clients.under(self._effect, requests, self._chance, max_model_len=limit))
            self._serve(end)
        self._spend(end - start, scale)
        self._freeze()

    def page(self) -> str:
        """Return what the metrics page says now, whether it can be asked or not."""
        return self._frozen or self._page()

    def _begin_anew(self, now: float) -> None:
        self.engine = Engine(self.engine.config, now=now)
        self._adapters = Adapters()
        self._owed_prefill = self._owed_decode = 0.0
        self.gpu.restart_server()

    def _serve(self, end: float) -> None:
        effect, engine = self._effect, self.engine
        engine.stalled = effect.stalled
        engine.queue_limit = engine.config.max_num_queued_reqs if effect.queue_limit is None else effect.queue_limit
        engine.accepted_share = effect.accepted_share
        before = engine.counters.generation_tokens
        work = engine.advance(end, clock_ratio=self.gpu.pace * self._speculation() / effect.slowness)
        if effect.accepted_share is not None:
            engine.counters.speculated(engine.counters.generation_tokens - before, effect.accepted_share)
        self._owed_prefill += work.prefill_seconds
        self._owed_decode += work.decode_seconds
        self._adapters.update(self._epoch + end, running=effect.adapters_running, waiting=effect.adapters_waiting)

    def _speculation(self) -> float:
        """Return how fast speculation makes the tokens, as a share of its usual speed."""
        share = self._effect.accepted_share
        return 1.0 if share is None else (1 + share * DRAFTED_TOKENS) / (1 + USUAL_ACCEPTED_SHARE * DRAFTED_TOKENS)

    def _spend(self, seconds: float, scale: float) -> None:
        """Let the GPU do its work. A step that ends after this span is work of the next, too: the rest is carried over."""
        owed = self._owed_prefill + self._owed_decode
        share = min(1.0, seconds / owed) if owed else 0.0
        prefill, decode = self._owed_prefill * share, self._owed_decode * share
        self._owed_prefill -= prefill
        self._owed_decode -= decode
        self.gpu.advance(seconds, prefill=prefill / seconds, decode=decode / seconds, scale=scale)

    def _freeze(self) -> None:
        if self.answer is not Answer.FROZEN:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = self._page()

    def _page(self) -> str:
        if self.runtime == "triton":
            page = triton_page(self.engine)
        else:
            page = vllm_page(self.engine, started_at=self._epoch + self.life.started_at, adapters=self._adapters)
        return without(page, self._effect.lost_metrics)
