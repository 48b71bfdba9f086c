"""Continuous batching: the scheduler of a vLLM server over a KV cache of blocks.

Called by `simulator.replica`. The rules are those of vLLM's V1 scheduler: running sequences first (one token each, or
the next chunk of their prompt), then the queue in order while slots, the token budget and blocks last; when a running
sequence finds no block, the newest one loses its blocks, goes back to the head of the queue and is computed again. Two
simplifications: a sequence gets the blocks of all its known tokens when it is admitted, and blocks of a shared prefix are
charged to everyone who uses them.

Steps in which nothing happens but decoding are taken many at a time (`simulator.decoders`), with the same result: the tests
hold it against an engine that takes each by itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from atlas_ops.errors import AtlasError
from atlas_ops.simulator.counters import Counters
from atlas_ops.simulator.decoders import Decoders
from atlas_ops.simulator.sequence import Sequence
from atlas_ops.simulator.speed import Speed
from atlas_ops.simulator.traffic import Request


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

    def __init__(self, config: EngineConfig, *, now: float = 0.0) -> None:
        self.config = config
        self.counters = Counters(config.max_model_len)
        self.stalled = False
        """True: the engine hangs in its next step. Everything stays as it is, and requests pile up in front of it."""
        self.accepted_share: float | None = None
        """Share of the drafted tokens that are accepted; None: it does not speculate."""
        self.queue_limit = config.max_num_queued_reqs
        """Requests that may wait; whoever comes after them is rejected."""
        self._now = now
        self._inbox: deque[Sequence] = deque()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        """In the order of admission. All are decoders, but for the newest while its prompt is computed in parts."""
        self._prefilling: Sequence | None = None
        self._decoders = Decoders(config.block_size)
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
        """Hand over requests in the order of their arrival; each is taken, or refused by a full queue, when it arrives."""
        self._inbox.extend(map(Sequence, requests))

    def advance(self, until: float, *, clock_ratio: float = 1.0) -> Work:
        """Run steps until `until`. The last one may end a little later; it is counted whole.

        Clients hang up between two calls, so calls have to be short against their patience.

        Everything in a step takes 1 / `clock_ratio` of its time at full clock. (Reading memory would suffer less from a
        lower SM clock than computing does; the difference does not matter for what the scenarios show.)
        """
        self._inbox = self._without_impatient(self._inbox)
        if self.stalled and self._running:
            self._now = max(self._now, until)
            self._refuse_surplus()
            return Work()
        self._waiting = self._without_impatient(self._waiting)
        prefill = decode = 0.0
        while self._now < until:
            self._accept(self._now)
            if self._running or self._waiting:
                work = self._work(until, clock_ratio)
                prefill, decode = prefill + work.prefill_seconds, decode + work.decode_seconds
            else:
                self._now = min(until, self._inbox[0].request.arrived) if self._inbox else until
        return Work(prefill_seconds=prefill, decode_seconds=decode)

    def _without_impatient(self, queue: deque[Sequence]) -> deque[Sequence]:
        now = self._now
        patient = deque(sequence for sequence in queue if not sequence.gave_up(now))
        if len(patient) < len(queue):
            for sequence in queue:
                if sequence.gave_up(now):
                    self.counters.abandon(sequence, now)
        return patient

    def _accept(self, moment: float) -> None:
        while self._inbox and self._inbox[0].request.arrived <= moment:
            sequence = self._inbox.popleft()
            if len(self._waiting) < self.queue_limit:
                self._waiting.append(sequence)
            else:
                self.counters.reject()

    def _refuse_surplus(self) -> None:
        """Refuse those that have come to an engine that hangs, and find its queue full."""
        while self._inbox and len(self._inbox) + len(self._waiting) > self.queue_limit:
            self._inbox.pop()
            self.counters.reject()

    def _work(self, until: float, clock_ratio: float) -> Work:
        """Take one step, or many at once where they are all alike."""
        steps = self._steps_alike(until, clock_ratio)
        return self._decode(steps, clock_ratio) if steps else self._step(clock_ratio)

    def _steps_alike(self, until: float, clock_ratio: float) -> int:
        """Return how many steps nothing but decoding happens in: until time is up, one finishes, comes, or finds no block.

        While somebody waits for room, who comes then waits behind; the steps need not end for that.
        """
        decoders = self._decoders
        busy_with_prompts = self._prefilling is not None or self._admissible(self._budget())
        if busy_with_prompts or decoders.last_token_at != self._now:
            return 0
        if self._inbox and not self._waiting:
            until = min(until, self._inbox[0].request.arrived)
        in_time = self.config.speed.steps_until((until - self._now) * clock_ratio, len(decoders), decoders.context)
        steps = min(in_time, decoders.steps_to_finish)
        if decoders.blocks_needed(steps) > self._free_blocks:
            return bisect_right(range(1, steps), self._free_blocks, key=decoders.blocks_needed)
        return steps

    def _budget(self) -> int:
        """Return how many tokens of prompts a step can compute beside what it decodes."""
        return self.config.max_num_batched_tokens - len(self._decoders)

    def _admissible(self, budget: int) -> bool:
        """Say whether the first that waits can be taken into the batch: slots, tokens and blocks last."""
        return (
            bool(self._waiting)
            and budget > 0
            and len(self._running) < self.config.max_num_seqs
            and self._blocks(self._waiting[0].tokens) <= self._free_blocks
        )

    def _blocks(self, tokens: int) -> int:
        return -(-tokens // self.config.block_size)

    def _decode(self, steps: int, clock_ratio: float) -> Work:
        """Take steps in which every running sequence gets a token and nothing else happens."""
        size, context, speed = len(self._decoders), self._decoders.context, self.config.speed
        seconds = speed.decode_seconds(size, context, steps=steps) / clock_ratio
        first = speed.decode_seconds(size, context) / clock_ratio
        growth = speed.growth_seconds(size) / clock_ratio
        last_step = self._now + speed.decode_seconds(size, context, steps=steps - 1) / clock_ratio
        self._free_blocks -= self._decoders.blocks_needed(steps)
        self._now += seconds
        self.counters.inter_token.observe_series(first, growth, steps, each=size)
        self.counters.iteration_tokens.observe(size, steps)
        self._hand_out(steps)
        self._accept(last_step)
        return Work(decode_seconds=seconds)

    def _hand_out(self, steps: int) -> None:
        """Give every decoder a token for each step, and let go of those that have them all."""
        self.counters.generation_tokens += steps * len(self._decoders)
        self._decoders.last_token_at = self._now
        for sequence in self._decoders.advance(steps):
            self._end(sequence)

    def _step(self, clock_ratio: float) -> Work:
        """Take one step of any kind."""
        self._make_room()
        decoding, speed = len(self._decoders), self.config.speed
        prompts = self._schedule_prompts(self._budget())
        tokens = sum(sequence.scheduled for sequence in prompts)
        work = Work(
            prefill_seconds=speed.prefill_seconds(tokens) / clock_ratio,
            decode_seconds=speed.decode_seconds(decoding, self._decoders.context) / clock_ratio,
        )
        self._now += work.prefill_seconds + work.decode_seconds
        before = self.counters.generation_tokens + self.counters.prompt_tokens
        if decoding:
            self.counters.inter_token.observe(self._now - self._decoders.last_token_at, decoding)
        self._hand_out(1)
        self._compute(prompts)
        self.counters.iteration_tokens.observe(self.counters.generation_tokens + self.counters.prompt_tokens - before)
        return work

    def _make_room(self) -> None:
        """Give every decoder the block that it needs for its next token; the newest sequences pay for it."""
        while self._decoders.blocks_needed(1) > self._free_blocks:
            victim = self._running.pop()
            if victim is self._prefilling:
                self._prefilling = None
            else:
                self._decoders.remove(victim)
            self._free_blocks += victim.blocks
            victim.forget()
            self._waiting.appendleft(victim)
            self.counters.preemptions += 1
        self._free_blocks -= self._decoders.blocks_needed(1)

    def _schedule_prompts(self, budget: int) -> list[Sequence]:
        """Return whose prompts this step computes: the one that was begun, and those that can be admitted."""
        prompts = []
        if self._prefilling:
            prompts.append(self._prefilling)
            budget -= _schedule(self._prefilling, budget)
        while self._admissible(budget):
            sequence = self._waiting.popleft()
            self._running.append(sequence)
            sequence.blocks = self._blocks(sequence.tokens)
            self._free_blocks -= sequence.blocks
            if sequence.started_at is None:
                sequence.started_at = self._now
                sequence.computed = sequence.request.cached_tokens
                self.counters.looked_up(sequence)
            prompts.append(sequence)
            budget -= _schedule(sequence, budget)
        return prompts

    def _compute(self, prompts: list[Sequence]) -> None:
        """Compute what was scheduled of prompts: whoever has all its known tokens computed gets the next one."""
        self._prefilling = None
        for sequence in prompts:
            sequence.computed += sequence.scheduled
            if sequence.computed < sequence.tokens:
                self._prefilling = sequence
            else:
                self._start_decoding(sequence)

    def _start_decoding(self, sequence: Sequence) -> None:
        if sequence.generated:
            self.counters.inter_token.observe(self._now - sequence.last_token_at)
        else:
            sequence.first_token_at = self._now
            self.counters.first_token(sequence, self._now)
        self.counters.generation_tokens += 1
        sequence.tokens += 1
        if sequence.missing > 0:
            self._decoders.add(sequence)
        else:
            self._end(sequence)

    def _end(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._free_blocks += sequence.blocks
        self.counters.end(sequence, self._now)


def _schedule(sequence: Sequence, budget: int) -> int:
    sequence.scheduled = min(sequence.tokens - sequence.computed, budget)
    return sequence.scheduled
