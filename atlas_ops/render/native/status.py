"""What is known of a server before its signals: who it is, whether it answers, and of which runtime it is.

The first rules of each group; the others read what they record. Used by `native`.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render.native.naming import once
from atlas_ops.render.native.rule import INSTANCE, KNOWN, TARGET, TARGET_LABELS, Rule
from atlas_ops.render.native.source import Source

_FROM_TARGET = {
    c.SERVER: INSTANCE,
    c.HOST_NAME: "node",
    c.K8S_NAMESPACE: "namespace",
    c.K8S_POD: "pod",
    c.K8S_CONTAINER: "container",
}
"""{label of the contract: label that Prometheus's discovery puts on a target}."""
_BY = ", ".join((c.SERVER, *TARGET_LABELS))


def targets(source: Source, labels: dict[str, str]) -> Iterator[Rule]:
    """Yield who the targets are, each address once, and which of them speak the dialect."""
    target = f"topk by ({INSTANCE}) (1, group by ({', '.join(_FROM_TARGET.values())}) ({source.there('up')}))"
    for label, native in _FROM_TARGET.items():
        target = promql.label_replace(target, label, "$1", native, "(.+)")
    yield Rule(record=TARGET, expr=f"group by ({INSTANCE}, {_BY}) ({target})", labels=labels)
    yield Rule(record=KNOWN, expr=f"group by ({INSTANCE}) ({_speaking(source)})", labels=labels)


def _speaking(source: Source) -> str:
    """Return series that prove the runtime; where none is there before the first request, that the page has any."""
    readings = [reading for entry in source.dialect.entries for reading in entry.readings]
    mine = [name for name in source.dialect.read_names if name.startswith(source.dialect.prefixes)]
    always = any(source.due(reading) for reading in readings if reading.metric in mine)
    return source.anything(once(mine)) if always else f"{source.there('scrape_samples_scraped')} > 0"


def states(source: Source) -> Iterator[Rule]:
    """Yield the state of each server. Prometheus only tells that a scrape failed, so that is `unreachable` whatever it was."""
    runtime = {c.RUNTIME: source.dialect.runtime}
    target, known, up = source.own(TARGET), source.own(KNOWN), source.there("up")
    answers = f"{target} and on ({INSTANCE}) ({up} == 1)"
    vectors = {
        "ok": f"{answers} and on ({INSTANCE}) {known}",
        "empty": f"{answers} unless on ({INSTANCE}) {known}",
        "unreachable": f"{target} and on ({INSTANCE}) ({up} == 0)",
    }
    yield Rule(record=s.SERVER_UP.name, expr=_one_or_zero(vectors["ok"], target), labels=runtime)
    for state in c.SCRAPE_STATES:
        expr = _one_or_zero(vectors[state], target) if state in vectors else f"0 * group by ({_BY}) ({target})"
        yield Rule(record=s.SERVER_SCRAPE_STATE.name, expr=expr, labels={**runtime, "state": state})
    told = {"version": source.native.version or "unknown", "dialect": source.dialect.runtime}
    yield Rule(record=s.SERVER_INFO.name, expr=f"group by ({_BY}) ({vectors['ok']})", labels={**runtime, **told})


def _one_or_zero(vector: str, everyone: str) -> str:
    return f"group by ({_BY}) ({vector})\nor 0 * group by ({_BY}) ({everyone})"
