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

    def decode_seconds(self, sequences: int, context_tokens: int) -> float:
        """Return the time in seconds of a step that decodes one token for each sequence over all their context."""
        reading = context_tokens / self.context_tokens_per_second
        return self.step_seconds + sequences * self.sequence_seconds + reading
