"""The sequences that get one token in every step, moved all at once. Used by `simulator.engine`.

They differ by constants only: each has as many tokens computed as steps were taken, and something of its own. So any number
of steps costs the same as one: the next to finish is on top of a heap, the tokens in the cache grow by one for each, and
which of them needs another block in which step shows its remainder by the size of a block.
"""

from __future__ import annotations

import heapq
import itertools

from atlas_ops.simulator.sequence import Sequence


class Decoders:
    """Sequences whose every known token but the newest is in the cache. `block_size` is in tokens."""

    def __init__(self, block_size: int) -> None:
        self.context = 0
        """Tokens in the cache, of all together."""
        self.last_token_at = 0.0
        """When each of them got its newest token, in simulated seconds."""
        self._block_size = block_size
        self._steps = 0
        self._heap: list[tuple[int, int, Sequence]] = []
        """(step with the last token, number, sequence)."""
        self._numbers = itertools.count()
        self._ahead: dict[Sequence, int] = {}
        """How many more tokens than steps each has computed."""
        self._by_remainder = [0] * block_size

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def steps_to_finish(self) -> int:
        """Steps until the first of them has all its tokens."""
        return self._heap[0][0] - self._steps

    def add(self, sequence: Sequence) -> None:
        """Take in a sequence that has just got a token."""
        ahead = self._ahead[sequence] = sequence.computed - self._steps
        self._by_remainder[ahead % self._block_size] += 1
        self.context += sequence.computed
        heapq.heappush(self._heap, (self._steps + sequence.missing, next(self._numbers), sequence))

    def remove(self, sequence: Sequence) -> None:
        """Let go of a sequence before its end."""
        self._heap = [entry for entry in self._heap if entry[2] is not sequence]
        heapq.heapify(self._heap)
        self._settle(sequence)

    def advance(self, steps: int) -> list[Sequence]:
        """Take steps, at most `steps_to_finish`, and return who has all its tokens now and is let go of."""
        self._steps += steps
        self.context += steps * len(self._heap)
        finished = []
        while self._heap and self._heap[0][0] == self._steps:
            finished.append(heapq.heappop(self._heap)[2])
            self._settle(finished[-1])
        return finished

    def blocks_needed(self, steps: int) -> int:
        """Return how many blocks more they hold after so many steps."""
        size = self._block_size
        rounds, rest = divmod(steps, size)
        # Whoever has filled its last block before a step takes another one in it.
        full = sum(self._by_remainder[-(self._steps + step) % size] for step in range(rest))
        return rounds * len(self._heap) + full

    def _settle(self, sequence: Sequence) -> None:
        """Write down how far a sequence has come."""
        ahead = self._ahead.pop(sequence)
        self._by_remainder[ahead % self._block_size] -= 1
        sequence.computed = self._steps + ahead
        sequence.tokens = sequence.computed + 1
        sequence.blocks = -(-sequence.computed // self._block_size)
        sequence.last_token_at = self.last_token_at
        self.context -= sequence.computed
