"""The engine that takes every step by itself, as vLLM does: what the fast one is held against."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from atlas_ops.simulator.counters import Counters
from atlas_ops.simulator.engine import EngineConfig, Work
from atlas_ops.simulator.sequence import Sequence
from atlas_ops.simulator.traffic import Request


class StepByStep:
    """One engine. Each step looks at each sequence."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.counters = Counters(config.max_model_len)
        self.stalled = False
        self._now = 0.0
        self._inbox: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._prompts: set[Sequence] = set()
        """Those whose prompts are not computed to the end."""
        self._free_blocks = config.usable_blocks

    @property
    def requests_running(self) -> int:
        """Sequences in the batch of the last step."""
        return len(self._running)

    @property
    def requests_waiting(self) -> int:
        """Sequences in the engine's queue after the last step."""
        return len(self._waiting)

    @property
    def blocks_used(self) -> int:
        """KV blocks that sequences hold."""
        return self.config.usable_blocks - self._free_blocks

    def submit(self, requests: Iterable[Request]) -> None:
        self._inbox.extend(map(Sequence, requests))

    def advance(self, until: float, *, clock_ratio: float = 1.0) -> Work:
        self._inbox = self._without_impatient(self._inbox)
        if self.stalled and self._running:
            self._now = max(self._now, until)
            while self._inbox and len(self._inbox) + len(self._waiting) > self.config.max_num_queued_reqs:
                self._inbox.pop()
                self.counters.reject()
            return Work()
        self._waiting = self._without_impatient(self._waiting)
        prefill = decode = 0.0
        while self._now < until:
            self._accept()
            if self._waiting or self._running:
                work = self._step(clock_ratio)
                prefill, decode = prefill + work.prefill_seconds, decode + work.decode_seconds
            else:
                self._now = min(until, self._inbox[0].request.arrived) if self._inbox else until
        return Work(prefill_seconds=prefill, decode_seconds=decode)

    def _without_impatient(self, queue: deque[Sequence]) -> deque[Sequence]:
        for sequence in queue:
            if sequence.gave_up(self._now):
                self.counters.abandon(sequence, self._now)
        return deque(sequence for sequence in queue if not sequence.gave_up(self._now))

    def _accept(self) -> None:
        while self._inbox and self._inbox[0].request.arrived <= self._now:
            sequence = self._inbox.popleft()
            if len(self._waiting) < self.config.max_num_queued_reqs:
                self._waiting.append(sequence)
            else:
                self.counters.reject()

    def _step(self, clock_ratio: float) -> Work:
        began = self._now
        self._admit(self._schedule_running(self.config.max_num_batched_tokens))
        work = self._cost(clock_ratio)
        self._now = began + work.prefill_seconds + work.decode_seconds
        self._compute(began)
        return work

    def _schedule_running(self, budget: int) -> int:
        """Give every running sequence its tokens for this step, oldest first, and return what is left of the budget."""
        position = 0
        while position < len(self._running):
            sequence = self._running[position]
            sequence.scheduled = min(sequence.tokens - sequence.computed, budget)
            if sequence.scheduled and not self._allocate(sequence, sequence.computed + sequence.scheduled):
                self._preempt_newest()
            else:
                budget -= sequence.scheduled
                position += 1
        return budget

    def _preempt_newest(self) -> None:
        victim = self._running.pop()
        self._free_blocks += victim.blocks
        victim.forget()
        victim.scheduled = 0
        self._prompts.discard(victim)
        self._waiting.appendleft(victim)
        self.counters.preemptions += 1

    def _admit(self, budget: int) -> None:
        while self._waiting and budget and len(self._running) < self.config.max_num_seqs:
            sequence = self._waiting[0]
            if not self._allocate(sequence, sequence.tokens):
                return
            self._running.append(self._waiting.popleft())
            self._prompts.add(sequence)
            if sequence.started_at is None:
                sequence.started_at = self._now
                sequence.computed = sequence.request.cached_tokens
                self.counters.looked_up(sequence)
            sequence.scheduled = min(sequence.tokens - sequence.computed, budget)
            budget -= sequence.scheduled

    def _allocate(self, sequence: Sequence, tokens: int) -> bool:
        missing = -(-tokens // self.config.block_size) - sequence.blocks
        if missing > self._free_blocks:
            return False
        if missing > 0:
            self._free_blocks -= missing
            sequence.blocks += missing
        return True

    def _cost(self, clock_ratio: float) -> Work:
        prompts = sum(sequence.scheduled for sequence in self._prompts)
        decoding = [sequence.computed for sequence in self._running if sequence not in self._prompts]
        speed = self.config.speed
        return Work(
            prefill_seconds=speed.prefill_seconds(prompts) / clock_ratio,
            decode_seconds=speed.decode_seconds(len(decoding), sum(decoding)) / clock_ratio,
        )

    def _compute(self, began: float) -> None:
        """Do what was scheduled: whoever has all its known tokens computed gets the next one."""
        now, steady, prompt_tokens = self._now, 0, self.counters.prompt_tokens
        finished = False
        generated_before = self.counters.generation_tokens
        for sequence in self._running:
            sequence.computed += sequence.scheduled
            if sequence.computed < sequence.tokens:
                continue
            if not sequence.generated:
                sequence.first_token_at = now
                self.counters.first_token(sequence, now)
            elif sequence.last_token_at == began:
                steady += 1
            else:
                self.counters.inter_token.observe(now - sequence.last_token_at)
            self._prompts.discard(sequence)
            sequence.last_token_at = now
            sequence.tokens += 1
            self.counters.generation_tokens += 1
            finished = finished or sequence.generated >= sequence.request.output_tokens
        self.counters.inter_token.observe(now - began, steady)
        generated = self.counters.generation_tokens - generated_before
        self.counters.iteration_tokens.observe(generated + self.counters.prompt_tokens - prompt_tokens)
        if finished:
            self._retire()

    def _retire(self) -> None:
        for sequence in self._running:
            if sequence.generated >= sequence.request.output_tokens:
                self._free_blocks += sequence.blocks
                self.counters.end(sequence, self._now)
        self._running = [s for s in self._running if s.generated < s.request.output_tokens]
