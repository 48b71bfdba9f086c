"""What the servers tell, and how well: a panel without data is then no riddle."""

from __future__ import annotations

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.panels import Column, Query, Table
from atlas_ops.render.dashboards.parts import membership

_SIGNAL, _QUALITY = "signal", "quality"


def told(timing: Timing, *matchers: str) -> Table:
    """Return each signal by how well runtimes speak for it."""
    by = f"count by ({c.RUNTIME}, {_SIGNAL}, {_QUALITY})"
    return Table(
        key="signals-told",
        title="What it tells, and how",
        shows=(
            "Each signal and its quality: `direct`, `derived` from others, `approximate`, `mean_only` (no buckets), `probe` "
            "(asked for by the exporter), `none` (this runtime does not tell it, and its panels have no data)."
        ),
        worry="a signal that you rely on is `none`: no alert watches it here. `atlas-ops explain` says what would help.",
        queries=(Query(expr=f"{by} ({_of(s.SIGNAL_QUALITY, timing, matchers, (_QUALITY,))})", legend=""),),
        columns=(
            Column(source=c.RUNTIME, title="Runtime"),
            Column(source=_SIGNAL, title="Signal"),
            Column(source=_QUALITY, title="Quality"),
            Column(source="Value #A", title="Servers", unit="short"),
        ),
        width=24,
        height=10,
    )


def unresolved(timing: Timing, *matchers: str) -> Table:
    """Return the signals that should be there and are not."""
    labels = (
        (c.SERVER, "Server"),
        (c.K8S_POD, "Pod"),
        (c.HOST_NAME, "Node"),
        (c.RUNTIME, "Runtime"),
        (_SIGNAL, "Signal"),
    )
    return Table(
        key="signals-unresolved",
        nothing="Nothing that is known",
        title="What it should tell, and does not",
        shows="Signals that servers of this version give, and that are not found on the page.",
        worry="there is any: a metric was renamed or switched off, and alerts that read it are blind.",
        faults=("SignalUnresolved",),
        empty="while everything is found",
        queries=(Query(expr=f"({_of(s.SIGNAL_RESOLVED, timing, matchers, ())}) == 0", legend=""),),
        columns=tuple(Column(source=label, title=title) for label, title in labels),
        width=24,
        height=5,
    )


def _of(signal: Signal, timing: Timing, matchers: tuple[str, ...], more: tuple[str, ...]) -> str:
    by = (c.RUNTIME, _SIGNAL, *more)
    return membership.of_chosen(membership.told(signal, *matchers, by=by), timing, *matchers)
