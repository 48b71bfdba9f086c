"""Continuous batching, step by step: the scheduler of a vLLM server over a KV cache of blocks.

Called by `simulator.replica`. The rules are those of vLLM's V1 scheduler: running sequences first (one token each, or
the next chunk of their prompt), then the queue in order while slots, the token budget and blocks last; when a running
sequence finds no block, the newest one loses its blocks, goes back to the head of the queue and is computed again. Two
simplifications: a sequence gets the blocks of all its known tokens when it is admitted, and blocks of a shared prefix are
charged to everyone who uses them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.arrivals import Request
from atlas_ops.simulator.counters import Counters
from atlas_ops.simulator.sequence import Sequence
from atlas_ops.simulator.speed import Speed


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """What the server was started with, in the names of vLLM's own flags.

    The defaults are an 8B model that shares its 80 GiB GPU with others: 0.4 of it are 32 GiB, of which 15 GiB of weights
    and 2 GiB of activations leave 15 GiB for the KV cache, or 7,680 blocks of 16 tokens (128 KiB each).
    """

    model_name: str = "llama-3.1-8b-instruct"
    max_model_len: int = 8192
    max_num_seqs: int = 64
    max_num_batched_tokens: int = 2048
    max_num_queued_reqs: int = 2048
    gpu_memory_utilization: float = 0.4
    block_size: int = 16
    num_gpu_blocks: int = 7680
    speed: Speed = field(default_factory=Speed)

    def __post_init__(self) -> None:
        if self.max_model_len > self.usable_blocks * self.block_size:
            raise AtlasError(
                f"a sequence of max_model_len={self.max_model_len} tokens does not fit {self.num_gpu_blocks} KV blocks",
                next_step="lower max_model_len or raise num_gpu_blocks; vLLM itself refuses to start like this",
            )

    @property
    def usable_blocks(self) -> int:
        """Blocks that hold tokens: vLLM keeps one, the null block, for itself."""
        return self.num_gpu_blocks - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Seconds that the GPU spent on prompts and on everything else of its steps."""

    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0


class Engine:
    """One engine. Times are seconds of simulated time; nothing moves but in `advance`."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.counters = Counters(config.max_model_len)
        self.stalled = False
        """True: the engine hangs in its next step. Everything stays as it is, and requests pile up in front of it."""
        self._now = 0.0
        self._inbox: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
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
    def requests_arriving(self) -> int:
        """Requests that the API server holds and the engine has not taken yet: no gauge shows them."""
        return len(self._inbox)

    @property
    def blocks_used(self) -> int:
        """KV blocks that sequences hold."""
        return self.config.usable_blocks - self._free_blocks

    def submit(self, requests: Iterable[Request]) -> None:
        """Hand over requests in the order of their arrival; those that the queue has no room for are refused."""
        for request in requests:
            if len(self._inbox) + len(self._waiting) >= self.config.max_num_queued_reqs:
                self.counters.reject()
            else:
                self._inbox.append(Sequence(request))

    def advance(self, until: float, *, clock_ratio: float = 1.0) -> Work:
        """Run steps until `until`. The last one may end a little later; it is counted whole.

        Clients hang up between two calls, so calls have to be short against their patience.

        Everything in a step takes 1 / `clock_ratio` of its time at full clock. (Reading memory would suffer less from a
        lower SM clock than computing does; the difference does not matter for what the scenarios show.)
        """
        self._inbox = self._without_impatient(self._inbox)
        if self.stalled and self._running:
            self._now = max(self._now, until)
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
            self._waiting.append(self._inbox.popleft())

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
        self._waiting.appendleft(victim)
        self.counters.preemptions += 1

    def _admit(self, budget: int) -> None:
        while self._waiting and budget and len(self._running) < self.config.max_num_seqs:
            sequence = self._waiting[0]
            if not self._allocate(sequence, sequence.tokens):
                return
            self._running.append(self._waiting.popleft())
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
        prompts = sum(sequence.scheduled for sequence in self._running if sequence.scheduled > 1)
        decoding = [sequence.computed for sequence in self._running if sequence.scheduled == 1]
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
            sequence.last_token_at = now
            sequence.tokens += 1
            sequence.generated += 1
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
