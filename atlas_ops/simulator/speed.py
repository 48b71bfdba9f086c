"""How long a step of the engine takes on its GPU. Used by `simulator.engine`.

A roofline of an 8-billion-parameter Llama 3.1 in bfloat16 on one H100 SXM (989 TFLOP/s dense, 3.35 TB/s HBM3):

* weights: 8.03e9 parameters * 2 B = 16.1 GB, read once per step. At 75 % of the bandwidth 6.4 ms, and 0.6 ms for the
  launch of a step and the scheduler.
* prefill: 2 FLOP per parameter and token = 16.1 GFLOP per token; at half of the peak 30,800 tokens/s.
* KV cache: 32 layers * 2 (K and V) * 8 heads * 128 values * 2 B = 131,072 B per token of context, read once per step by
  the sequence that decodes. At 75 % of the bandwidth 19.2e6 tokens of context per second.
* sampling, detokenising and streaming: 15 microseconds per sequence and step.

Shares of the peaks (half of the FLOP/s, three quarters of the bandwidth) are what well-tuned kernels reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """What one step costs at full clock."""

    step_seconds: float = 0.007
    prefill_tokens_per_second: float = 30_000.0
    context_tokens_per_second: float = 19.2e6
    sequence_seconds: float = 15e-6

    def prefill_seconds(self, tokens: int) -> float:
        """Return the time in seconds to compute `tokens` of prompts."""
        return tokens / self.prefill_tokens_per_second

    def decode_seconds(self, sequences: int, context_tokens: int, *, steps: int = 1) -> float:
        """Return the time in seconds of steps that each decode one token for each sequence over all their context.

        `context_tokens` is the context before the first of them; it grows by a token for each sequence in every step.
        """
        reading = context_tokens / self.context_tokens_per_second
        one = self.step_seconds + sequences * self.sequence_seconds + reading
        return steps * one + self.growth_seconds(sequences) * (steps * (steps - 1) / 2)

    def growth_seconds(self, sequences: int) -> float:
        """Return by how many seconds a step of decoding is longer than the one before it."""
        return sequences / self.context_tokens_per_second

    def steps_until(self, seconds: float, sequences: int, context_tokens: int) -> int:
        """Return the least number of steps of decoding that take `seconds` (more than 0) or longer."""
        growth = self.growth_seconds(sequences)
        linear = self.decode_seconds(sequences, context_tokens) - growth / 2
        # The solution of growth / 2 * steps ^ 2 + linear * steps = seconds, in the form that loses no digits.
        steps = math.ceil(2 * seconds / (linear + math.sqrt(linear * linear + 2 * growth * seconds)))
        # Rounding may be off by one at a boundary.
        while self.decode_seconds(sequences, context_tokens, steps=steps) < seconds:
            steps += 1
        while steps > 1 and self.decode_seconds(sequences, context_tokens, steps=steps - 1) >= seconds:
            steps -= 1
        return steps
