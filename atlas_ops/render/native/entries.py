"""The rules of one signal: its readings joined or added up, and put under the labels of the contract.

What `exporter.translate` and `exporter.combine` do with a page, in PromQL. Used by `native`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Quality, SignalType
from atlas_ops.catalog.reading import Entry
from atlas_ops.render.native.left_out import why_not
from atlas_ops.render.native.naming import Naming
from atlas_ops.render.native.readings import Part, Readings, Told
from atlas_ops.render.native.rule import ENDED, INSTANCE, MODEL, NAME, TARGET, TARGET_LABELS, Rule, either, enclosed
from atlas_ops.render.native.source import Source

_WORSE = tuple(Quality)
"""Qualities from the best to the worst, in the order of their definition."""
_BY = ", ".join((c.SERVER, *TARGET_LABELS))
_PART = "atlas_part"
"""Keeps the parts of a sum apart until they are added up."""


class EntryRules:
    """Writes the rules of one line of a dialect; none when nothing of it can be recorded."""

    def __init__(self, source: Source, naming: Naming, entry: Entry) -> None:
        self._source = source
        self._entry = entry
        readings = Readings(source, naming, entry.signal)
        usable = [r for r in entry.readings if not why_not(r, naming) and source.may_have(r)]
        self._told = [readings.told(reading) for reading in usable]
        labels = entry.signal.labels
        self._keys = (*([INSTANCE] if c.SERVER in labels else []), *([NAME] if c.MODEL in labels else []))
        self._own = next((label for label in labels if label not in c.SERVER_LABELS), "")
        self._ends = c.OUTCOMES if entry.signal is s.REQUESTS else entry.ends
        """How requests can end, each of which is told at 0 before the first one does; empty for what counts no ends."""

    def rules(self) -> Iterator[Rule]:
        """Yield what is recorded of the signal, and after it how well it is told, and whether it is found at all."""
        if not self._told:
            return
        runtime = {c.RUNTIME: self._source.dialect.runtime}
        for told in self._told:
            yield from told.rules
        parts = dict.fromkeys(part for told in self._told for part in told.parts)
        if self._ends:
            parts = dict.fromkeys(("", end) for end in self._ends)
            everyone = either(told.there for told in self._told)
            zeros = f"0 * group by ({self._by()}) ({everyone})"
            of = {"job": self._source.native.job, "of": self._entry.signal.name}
            yield Rule(record=ENDED, expr=zeros, labels={**runtime, **of})
        for part in parts:
            suffix, own = part
            labels = {**runtime, self._own: own} if own else runtime
            yield Rule(
                record=f"{self._entry.signal}{suffix}", expr=self._placed(part, self._whole(part)), labels=labels
            )
        if INSTANCE in self._keys:
            yield from self._qualities()
            yield self._resolved()

    def _whole(self, part: Part) -> str:
        """Return a part of the signal by target and model, zeros and all."""
        vector = self._added(part) if self._entry.added else self._first(part)
        if self._ends:
            of = f"of={promql.quote(self._entry.signal.name)}"
            zeros = f"max by ({self._by()}) ({self._source.own(ENDED, of)})"
            vector = f"{vector}\nor {zeros}" if vector else zeros
        # A sum that lacks a part is no sum.
        parts = self._told if self._entry.added and len(self._told) > 1 else ()
        due = dict.fromkeys(told.reading.metric for told in parts if self._source.due(told.reading))
        needed = "".join(f"\nand on ({INSTANCE}) {self._source.there(metric)}" for metric in due)
        return enclosed(vector) + needed if needed else vector

    def _added(self, part: Part) -> str:
        vectors = [told.parts[part] for told in self._told if part in told.parts]
        if len(vectors) > 1:
            vectors = [promql.label_replace(vector, _PART, str(number)) for number, vector in enumerate(vectors)]
        return self._combined(part, either(vectors)) if vectors else ""

    def _first(self, part: Part) -> str:
        """Return, for each model, what the first reading says that tells anything of it."""
        vector = ""
        for number, told in enumerate(self._told):
            if part not in told.parts:
                continue
            earlier = self._told[:number]
            piece = self._combined(part, told.parts[part])
            on = f"on ({self._matched(told, earlier)})"
            piece += "".join(f" unless {on} ({other.there})" for other in earlier if not other.always(part))
            vector = f"{vector}\nor {on} {piece}" if vector else piece
        return vector

    def _matched(self, told: Told, earlier: Sequence[Told]) -> str:
        """Return by what a reading is matched with earlier ones: what is told of a whole server serves all its models."""
        whole = any(one.reading.model and one.reading.model.whole for one in (told, *earlier))
        return INSTANCE if whole else self._by()

    def _combined(self, part: Part, vector: str) -> str:
        way = "sum" if self._entry.signal.type is SignalType.HISTOGRAM else self._entry.combine.value
        by = (*self._keys, "le") if part[0] == "_bucket" else self._keys
        return f"{way} by ({', '.join(by)}) ({vector})"

    def _placed(self, part: Part, vector: str) -> str:
        """Put the labels of the contract on a vector of targets and models."""
        if NAME in self._keys:
            vector = promql.label_replace(enclosed(vector), c.MODEL, "$1", NAME, "(.*)")
        vector = self._named(vector, TARGET_LABELS) if INSTANCE in self._keys else vector
        labels = [label for label in self._entry.signal.labels if label in c.SERVER_LABELS and label != c.RUNTIME]
        by = (*labels, "le") if part[0] == "_bucket" else labels
        return f"max by ({', '.join(by)}) ({vector})"

    def _named(self, vector: str, labels: Sequence[str] = ()) -> str:
        """Return a vector of targets with the names of their servers, and what else is known of them."""
        names = ", ".join((c.SERVER, *labels))
        return f"({vector})\n* on ({INSTANCE}) group_left ({names}) {self._source.own(TARGET)}"

    def _qualities(self) -> Iterator[Rule]:
        runtime, signal = self._source.dialect.runtime, self._entry.signal.name
        levels = sorted({told.reading.quality for told in self._told}, key=_WORSE.index)
        for level in levels:
            vector = self._recorded() if len(levels) == 1 else self._as_good_as(level)
            labels = {c.RUNTIME: runtime, "signal": signal, "quality": level.value}
            yield Rule(record=s.SIGNAL_QUALITY.name, expr=vector, labels=labels)

    def _as_good_as(self, level: Quality) -> str:
        """Return the servers of which the worst reading in use has this quality."""
        same, worse = [], []
        for number, told in enumerate(self._told):
            earlier = () if self._entry.added else self._told[:number]
            on = f"on ({self._matched(told, earlier)})"
            used = f"({enclosed(told.there)}{''.join(f' unless {on} ({other.there})' for other in earlier)})"
            if told.reading.quality is level:
                same.append(used)
            elif _WORSE.index(told.reading.quality) > _WORSE.index(level):
                worse.append(used)
        unless = f" unless on ({INSTANCE}) ({either(worse)})" if worse else ""
        return f"group by ({_BY}) ({self._named(f'group by ({INSTANCE}) ({either(same)}){unless}', TARGET_LABELS)})"

    def _resolved(self) -> Rule:
        """Return whether the signal is found, where its version should have it; elsewhere only that it is.

        Before the first request a page may have families without series, which Prometheus does not keep.
        """
        runtime = self._source.dialect.runtime
        missing = ""
        if any(self._source.due(told.reading) for told in self._told):
            requests = promql.select(s.REQUESTS, f"{c.RUNTIME}={promql.quote(runtime)}", 'job=""')
            fresh = f"sum by ({c.SERVER}) ({requests}) == 0"
            models = self._named(f"group by ({INSTANCE}) ({self._source.own(MODEL)})", TARGET_LABELS)
            missing = f"\nor 0 * group by ({_BY}) ({models} unless on ({c.SERVER}) ({fresh}))"
        labels = {c.RUNTIME: runtime, "signal": self._entry.signal.name}
        return Rule(record=s.SIGNAL_RESOLVED.name, expr=self._recorded() + missing, labels=labels)

    def _recorded(self) -> str:
        """Return the servers of this job for which the signal has just been recorded, and not scraped from an exporter."""
        name = self._entry.signal.series[-1]
        recorded = promql.select(name, f"{c.RUNTIME}={promql.quote(self._source.dialect.runtime)}", 'job=""')
        return f"group by ({_BY}) ({recorded} and on ({c.SERVER}) {self._source.own(TARGET)})"

    def _by(self) -> str:
        return ", ".join(self._keys)
