"""What a chart shows, and how it reads in words. Pure; made by `charts.gather`, drawn by `charts.draw`."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.pager import times
from atlas_ops.pager.diagnosis.units import UNITS

_UNITS = {
    "percentunit": "percent", "s": "seconds", "bytes": "bytes", "short": "number", "none": "number", "celsius": "celsius",
    "watt": "watts", "hertz": "hertz", "joule": "joules",
}  # fmt: skip
"""{Grafana's id of a unit: ours}."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One series: `values[i]` at the Unix time `at[i]`."""

    name: str
    at: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A chart from `start` to `end` (Unix seconds). `began` is when the alert began, `over` when it ended, if it did."""

    title: str
    unit: str
    """Grafana's id, as the catalog has it."""
    limit: float | None
    lines: tuple[Line, ...]
    more: int
    """How many further series there are."""
    start: float
    end: float
    began: float
    over: float | None

    @property
    def words(self) -> str:
        """The chart in a sentence, for those who do not see it: at most a few hundred characters."""
        told = [f"{line.name}: {self.written(line.values[-1])}" for line in self.lines[:3] if line.values]
        limit = "" if self.limit is None else f"; the limit is {self.written(self.limit)}"
        now = "now" if self.over is None else "at the end"
        return f"Chart of {self.title} since {times.moment(self.start)}; {now} {', '.join(told)}{limit}"

    def written(self, value: float) -> str:
        """Return a value with its unit."""
        return written(self.unit, value)


def written(unit: str, value: float) -> str:
    """Return a finite value with its unit, Grafana's id of which is given."""
    return UNITS[_UNITS.get(unit, "number")](value)
