"""One request inside an engine: how far it is computed and which part of the KV cache it holds.

Used by `simulator.engine` and `simulator.decoders`, which move it, and by `simulator.counters`, which measure it when it
ends.
"""

from __future__ import annotations

from atlas_ops.simulator.traffic import Request


class Sequence:
    """The state of a request. `tokens` are known (prompt and generated), `computed` of them are in the KV cache.

    While it is one of the `Decoders`, these stand still: they move all alike, and are set when it leaves.
    """

    __slots__ = (
        "blocks",
        "computed",
        "first_token_at",
        "last_token_at",
        "preemptions",
        "request",
        "scheduled",
        "started_at",
        "tokens",
    )

    def __init__(self, request: Request) -> None:
        self.request = request
        self.tokens = request.prompt_tokens
        self.computed = 0
        self.blocks = 0
        self.scheduled = 0
        """Tokens of the prompt that the present step computes."""
        self.preemptions = 0
        self.started_at: float | None = None
        """When it first left the queue, in simulated seconds."""
        self.first_token_at = 0.0
        self.last_token_at = 0.0

    @property
    def generated(self) -> int:
        """Tokens of the answer that are sent."""
        return self.tokens - self.request.prompt_tokens

    @property
    def missing(self) -> int:
        """Tokens of the answer that are still to come."""
        return self.request.output_tokens - self.generated

    def forget(self) -> None:
        """Lose the KV cache: everything has to be computed again, the tokens already sent stay sent."""
        self.computed = 0
        self.blocks = 0
        self.preemptions += 1

    def gave_up(self, now: float) -> bool:
        """Say whether its client has hung up: it waited too long and has not seen a single token."""
        return now > self.request.gives_up and not self.generated
