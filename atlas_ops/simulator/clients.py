"""What an effect makes of the requests that clients send. Called by `simulator.replica`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

from atlas_ops.simulator.effects import ServerEffect
from atlas_ops.simulator.traffic import Request


def under(
    effect: ServerEffect, requests: Iterable[Request], source: random.Random, *, max_model_len: int
) -> list[Request]:
    """Return the requests as they turn out: some with longer answers, some failing, with another share cached.

    An answer never grows over what the model's context leaves beside the prompt (`max_model_len`, tokens).
    """
    changed = list(requests)
    if effect.cached_share is not None:
        changed = [_cached(request, effect.cached_share) for request in changed]
    if effect.slow_share:
        changed = [
            _longer(request, effect.slow_factor, max_model_len) if source.random() < effect.slow_share else request
            for request in changed
        ]
    if effect.failing_share:
        # The stream has begun when the error comes: the first token is out.
        changed = [
            replace(request, output_tokens=1, fails=True) if source.random() < effect.failing_share else request
            for request in changed
        ]
    return changed


def _cached(request: Request, share: float) -> Request:
    """At least the last token of a prompt is always computed."""
    return replace(request, cached_tokens=min(round(share * request.prompt_tokens), request.prompt_tokens - 1))


def _longer(request: Request, factor: float, max_model_len: int) -> Request:
    tokens = max(1, min(round(factor * request.output_tokens), max_model_len - request.prompt_tokens))
    return replace(request, output_tokens=tokens, max_tokens=max(tokens, request.max_tokens))
