"""Whether the process of one model server is there, loads its model, or serves. Moved by `simulator.replica`."""

from __future__ import annotations

import math

from atlas_ops.simulator.effects import Answer, ServerEffect

_GONE = (Answer.REFUSED, Answer.LOADING)


class Life:
    """The processes of one server, one after the other. Times are simulated seconds."""

    def __init__(self) -> None:
        self.started_at = 0.0
        """When the present process began."""
        self.restarts = 0
        """Processes that ended and came back."""
        self.memory_kills = 0
        """How many of them the kernel ended for want of memory."""
        self._effect: ServerEffect | None = ServerEffect()
        """What was done to it last; None: it was scaled away."""
        self._now = 0.0
        self._listens_at = self._ready_at = -math.inf
        self._next_restart = math.inf

    @property
    def answer(self) -> Answer | None:
        """What its metrics address answers now; None when it is scaled away."""
        if self._effect is None:
            return None
        if self._effect.answer is Answer.REFUSED or self._now < self._listens_at:
            return Answer.REFUSED
        return Answer.LOADING if self._now < self._ready_at else self._effect.answer

    @property
    def serves(self) -> bool:
        """Whether it takes requests."""
        return self.answer is not None and self.answer not in _GONE

    def advance(self, now: float, effect: ServerEffect | None, *, scale: float) -> bool:
        """Go on to `now` under an effect (None: scaled away); True when the process of before is gone.

        A server that is scaled up, or restarted, loads its model first; one whose address refuses because the effect says so
        is there again when the effect ends. `scale` shortens the times of the effect.
        """
        before, self._effect, self._now = self._effect, effect, now
        if effect is None:
            return before is not None
        if before is None:
            self._begin(effect.load_seconds * scale)
            return True
        if effect.answer in _GONE or before.answer in _GONE:
            changed = effect.answer is not before.answer
            if changed and before.answer is not Answer.LOADING:  # what has loaded is the same process
                self.started_at = now
            return changed
        return self._restart_if_due(before, effect, scale)

    def _restart_if_due(self, before: ServerEffect, effect: ServerEffect, scale: float) -> bool:
        if effect.restart_every_minutes is None:
            self._next_restart = math.inf
            return False
        if before.restart_every_minutes is None:
            self._next_restart = self._now
        if self._now < self._next_restart:
            return False
        self._next_restart = self._now + 60 * effect.restart_every_minutes * scale
        self.restarts += 1
        self.memory_kills += effect.killed_for_memory
        self._begin(effect.load_seconds * scale)
        return True

    def _begin(self, load_seconds: float) -> None:
        self.started_at = self._now
        self._listens_at = self._now + load_seconds / 2
        self._ready_at = self._now + load_seconds
