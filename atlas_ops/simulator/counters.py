"""Everything a model server counts about its requests. Filled by `simulator.engine`, printed by the pages of the runtimes.

When each number is taken follows vLLM 0.32: prompt tokens and the time to first token at the first token, everything
else about a request when it finishes. A client that hangs up leaves no trace but its HTTP status (seen on the real
server: all 37 dropped requests were counted as 2xx and nowhere else).
"""

from __future__ import annotations

from atlas_ops.simulator.histogram import Histogram, one_two_five
from atlas_ops.simulator.sequence import Sequence

TIME_TO_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip
PER_TOKEN = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
PER_REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0,
    7680.0,
)  # fmt: skip
ITERATION_TOKENS = tuple(float(bound) for bound in (1, *(2**power for power in range(3, 15))))
PREEMPTIONS = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)
HTTP_SECONDS = (0.1, 0.5, 1.0)
FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")
_SUCCESSES = ("stop", "length", "repetition")
HTTP_STATUSES = ("2xx", "5xx")
DRAFTED_TOKENS = 3
"""Tokens that speculation drafts in a step (num_speculative_tokens)."""
REFUSAL_SECONDS = 0.005
"""How long the API server takes to say no."""


class Counters:
    """Counters and histograms of one engine since its start. Seconds, tokens and requests."""

    def __init__(self, max_model_len: int) -> None:
        lengths = one_two_five(max_model_len)
        self.preemptions = 0
        self.generation_tokens = 0
        self.prompt_tokens = 0
        self.cached_prompt_tokens = 0
        self.prefix_cache_queries = 0
        self.prefix_cache_hits = 0
        self.drafts = 0.0
        self.accepted_tokens = 0.0
        self.rejected = 0
        self.abandoned = 0
        self.finished = dict.fromkeys(FINISHED_REASONS, 0)
        self.succeeded_seconds = 0.0
        self.succeeded_queue_seconds = 0.0
        self.http = dict.fromkeys(HTTP_STATUSES, 0)
        self.http_seconds = Histogram(HTTP_SECONDS)
        self.time_to_first_token = Histogram(TIME_TO_FIRST_TOKEN)
        self.inter_token = Histogram(PER_TOKEN)
        self.time_per_output_token = Histogram(PER_TOKEN)
        self.end_to_end = Histogram(PER_REQUEST)
        self.queue_time = Histogram(PER_REQUEST)
        self.inference_time = Histogram(PER_REQUEST)
        self.prefill_time = Histogram(PER_REQUEST)
        self.decode_time = Histogram(PER_REQUEST)
        self.iteration_tokens = Histogram(ITERATION_TOKENS)
        self.request_preemptions = Histogram(PREEMPTIONS)
        self.request_n = Histogram(one_two_five(20))
        self.request_prompt_tokens = Histogram(lengths)
        self.request_generation_tokens = Histogram(lengths)
        self.request_computed_tokens = Histogram(lengths)
        self.request_max_generation_tokens = Histogram(lengths)
        self.request_max_tokens = Histogram(lengths)

    @property
    def succeeded(self) -> int:
        """Number of requests that ended well."""
        return sum(self.finished[reason] for reason in _SUCCESSES)

    def looked_up(self, sequence: Sequence) -> None:
        """Count a prompt that was looked up in the prefix cache."""
        self.prefix_cache_queries += sequence.request.prompt_tokens
        self.prefix_cache_hits += sequence.request.cached_tokens

    def speculated(self, tokens: int, accepted_share: float) -> None:
        """Count the drafts of steps that made so many tokens: each makes one, and those drafted ones that are accepted."""
        drafts = tokens / (1 + accepted_share * DRAFTED_TOKENS)
        self.drafts += drafts
        self.accepted_tokens += drafts * accepted_share * DRAFTED_TOKENS

    def first_token(self, sequence: Sequence, now: float) -> None:
        """Count a prompt that is computed: its first token goes out now."""
        self.prompt_tokens += sequence.request.prompt_tokens
        self.cached_prompt_tokens += sequence.request.cached_tokens
        self.time_to_first_token.observe(now - sequence.request.arrived)

    def end(self, sequence: Sequence, now: float) -> None:
        """Count a request that finished."""
        request = sequence.request
        started = now if sequence.started_at is None else sequence.started_at
        decoding = now - sequence.first_token_at
        self.finished[request.finished_reason] += 1
        if request.finished_reason in _SUCCESSES:
            self.succeeded_seconds += now - request.arrived
            self.succeeded_queue_seconds += started - request.arrived
        self.end_to_end.observe(now - request.arrived)
        self.queue_time.observe(started - request.arrived)
        self.inference_time.observe(now - started)
        self.prefill_time.observe(sequence.first_token_at - started)
        self.decode_time.observe(decoding)
        self.time_per_output_token.observe(decoding / max(1, sequence.generated - 1))
        self.request_preemptions.observe(sequence.preemptions)
        self.request_n.observe(1)
        self.request_prompt_tokens.observe(request.prompt_tokens)
        self.request_generation_tokens.observe(sequence.generated)
        self.request_computed_tokens.observe(request.prompt_tokens - request.cached_tokens)
        self.request_max_generation_tokens.observe(request.max_tokens)
        self.request_max_tokens.observe(request.max_tokens)
        self._answered("2xx", now - request.arrived)

    def abandon(self, sequence: Sequence, now: float) -> None:
        """Count a client that hung up before its first token. Its stream had begun, so its status is 2xx."""
        self.abandoned += 1
        self._answered("2xx", now - sequence.request.arrived)

    def reject(self) -> None:
        """Count a request that was refused because the queue is full."""
        self.rejected += 1
        self._answered("5xx", REFUSAL_SECONDS)

    def _answered(self, status: str, seconds: float) -> None:
        self.http[status] += 1
        self.http_seconds.observe(seconds)
