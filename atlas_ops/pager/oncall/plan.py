"""Which step an incident's escalation takes next, and whom that reaches. Pure but for the schedules' files.

Made by `atlas_ops.cli.pager_oncall` of the settings; asked by `pager.oncall.escalation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops.errors import ConfigError
from atlas_ops.pager.oncall.roster import Roster
from atlas_ops.pager.oncall.schedule import Schedule
from atlas_ops.settings.pager import Pager
from atlas_ops.settings.people import Step, Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One step of an escalation at a moment."""

    number: int
    """Which step, from 0; a repeated one counts again."""
    target: Target
    who: str
    """The target in words: `ann (on call: primary)`."""


class Plan:
    """The steps of the settings. ConfigError when a schedule's file is wrong, or names somebody who is no target."""

    def __init__(self, settings: Pager) -> None:
        self._settings = settings
        self._steps: Sequence[Step] = [
            step for step in settings.escalation for _ in range(1 + step.repeat)
        ]  # the settings let the last one alone repeat
        self._roster = Roster(settings.schedules)
        if mistakes := list(self._unknown()):
            raise ConfigError(
                "pager.schedules", mistakes, next_step="add them to `pager.targets`, or mend the names in the schedule"
            )

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """The schedules by name, as they are now."""
        return self._roster.schedules

    @property
    def waits(self) -> tuple[float, ...]:
        """How long each step waits after the one before, in seconds."""
        return tuple(step.after_seconds for step in self._steps)

    def call(self, number: int, now: float) -> Call | None:
        """Return whom a step reaches at a time (Unix seconds); None when there is no such step."""
        if number >= len(self._steps):
            return None
        to = self._steps[number].to
        found = self.schedules.get(to)
        name = found.at(now).who if found else to
        # A schedule that was changed since the start may name somebody new: then at least Slack says who it is.
        target = self._settings.target(name) or Target(name=name)
        return Call(number=number, target=target, who=f"{name} (on call: {to})" if found else name)

    def _unknown(self) -> Iterator[str]:
        used = {step.to for step in self._steps}
        for schedule, found in self.schedules.items():
            unknown = [person for person in found.people if self._settings.target(person) is None]
            if unknown and schedule in used:
                yield f"{schedule}: {', '.join(unknown)}: no such target"
