"""What a dashboard consists of, in our own words; `grafana` turns it into Grafana's JSON.

Filled by `boards` (one module for each dashboard) with what `parts` offers (one module for each function). Every panel says
what it shows, when to worry, and which faults watch it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from atlas_ops.catalog.model import Fault

GRID_WIDTH = 24
"""Columns of Grafana's grid."""


def panel_id(key: str) -> int:
    """Return the id of the panel with this key: the same for ever, wherever it stands and whatever it is called."""
    return zlib.crc32(key.encode()) & 0x7FFF_FFFF


class Palette(Enum):
    """Colours that mean something; everything else has Grafana's classic ones."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"
    QUIET = "blue"
    LATE = "purple"
    """What did not come in time."""
    SPOILT = "dark-red"
    """What came and was no good."""
    BARRED = "dark-orange"
    """What was not let in."""
    OFF = "#6e7077"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One PromQL expression and the name of its series, with Grafana's `{{label}}`."""

    expr: str
    legend: str
    exemplars: bool = False
    """Whether the points that carry a trace are asked for as well."""
    colour: Palette | None = None
    """Of all its series, in shades, where the query itself means something; None: by the words in `legend` (`colours`)."""
    step: float = 0.0
    """Seconds between two points at least, for what changes slowly and costs much to ask; 0: as Grafana chooses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """From where on a value is bad; `below`: up to where."""

    value: float
    below: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link of one value or row: to a dashboard of ours (`board`: its name) with variables taken from the labels, or to `url`."""

    title: str
    board: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """{variable of that dashboard: label of the series}."""
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """What all panels have in common."""

    key: str
    """Names the panel for ever: its id comes from it. Unique within its dashboard."""
    title: str
    shows: str
    """One or two sentences: what is seen."""
    worry: str
    """One sentence: when to worry."""
    faults: tuple[str, ...] = ()
    """The faults that watch it, by name."""
    empty: str = ""
    """Why it may have no data although all is well and the runtime tells its signals; empty: then it must have data."""
    nothing: str = "No data"
    """What it says then. Other words only where nothing to show is all that they say."""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart(_Shown):
    """Values over time, with a red line at `limit`."""

    queries: tuple[Query, ...]
    unit: str
    """Grafana's unit id, such as `s`, `percentunit`, `short`."""
    limit: Limit | None = None
    minimum: float | None = 0.0
    """The lower end of the axis unless values lie below it; None: as Grafana chooses."""
    maximum: float | None = None
    stacked: bool = False
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Number(_Shown):
    """One value of now for each series: green, and red from `limit` on."""

    query: Query
    unit: str
    limit: Limit | None = None
    trend: bool = False
    """Whether its course is drawn behind it."""
    width: int = 4
    height: int = 4
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge(_Shown):
    """A share of something that has an end, now."""

    query: Query
    unit: str
    limit: Limit | None = None
    minimum: float = 0.0
    maximum: float = 1.0
    width: int = 4
    height: int = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars(_Shown):
    """One bar for each series, of values of now; the longest first."""

    query: Query
    unit: str
    limit: Limit | None = None
    maximum: float | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Heatmap(_Shown):
    """How often values fell between the bounds of a histogram, over time. The query gives one series for each `le`."""

    query: Query
    unit: str
    """Of the bounds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class States(_Shown):
    """What each series was, and since when: a coloured band over time."""

    queries: tuple[Query, ...]
    states: Mapping[float, tuple[str, Palette]]
    """{value: (word, colour)}."""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of a table: a label, or the value of one query."""

    source: str
    """The name of a label; or `Value #A` for the first query, and so on."""
    title: str
    unit: str = ""
    """Of a value; empty for text."""
    width: int = 0
    """In pixels; 0: an equal share of what the others leave."""
    limit: Limit | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Table(_Shown):
    """Values of now, one row for each set of labels that the queries share; only the given columns, in that order."""

    queries: tuple[Query, ...]
    columns: tuple[Column, ...]
    width: int = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Text for the reader, in Markdown."""

    key: str
    title: str
    text: str
    width: int = GRID_WIDTH
    height: int = 4


Queried = Chart | Number | Gauge | Bars | Heatmap | States | Table
Panel = Queried | Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A heading and the panels below it, in reading order."""

    key: str
    title: str
    panels: tuple[Panel, ...]
    repeat: str = ""
    """A variable: the row comes once for each of its values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """A choice above the dashboard, filled with the values of `label` of `metric` under the choices before it."""

    name: str
    title: str
    label: str
    metric: str
    """With matchers that refer to the variables before it."""
    several: bool = True
    opens_on_all: bool = True
    """Else the dashboard opens on the first value, and All is what it is without: every value chosen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One dashboard."""

    name: str
    """As in its file and its uid: `dashboards/<name>.json`, `atlas-<name>`."""
    title: str
    question: str
    """The question that it answers, in one sentence."""
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    hours: float = 1.0
    """How far back it looks at first."""


def queries(panel: Panel) -> tuple[Query, ...]:
    """Return the queries of any panel; none of a note."""
    if isinstance(panel, Note):
        return ()
    return panel.queries if isinstance(panel, Chart | States | Table) else (panel.query,)


def of_fault(fault: Fault) -> str:
    """Return the key of the panel that a fault is judged by."""
    return f"fault-{fault.name}"
