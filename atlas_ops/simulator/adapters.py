"""What a vLLM server tells of its LoRA adapters. Kept by `simulator.replica`, printed by `simulator.vllm_page`.

Every combination of running and waiting adapters is a series, whose value is when it was there last; old ones stay (seen on
the real server).
"""

from __future__ import annotations

MAX_LORAS = 4
"""Adapters that may be in one batch (--max-loras)."""


class Adapters:
    """The combinations that were seen since the process began, with the Unix time of each."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], float] = {}
        """{(running, waiting), names with commas between: Unix time}. Empty: the server has no adapters."""

    def update(self, now: float, *, running: int, waiting: int) -> None:
        """Note how many adapters have running and waiting requests at `now`."""
        if self.seen or running or waiting:
            self.seen[_names(0, running), _names(running, waiting)] = now


def _names(first: int, count: int) -> str:
    return ",".join(f"adapter-{number}" for number in range(first, first + count))
