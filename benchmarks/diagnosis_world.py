"""What the cases of `benchmarks.diagnosis` write into the samples of a play: things that the simulator has no words for.

Each amendment changes a table in place; `fault_from` is the Unix time at which the fault begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from atlas_ops.catalog import conventions as c
from atlas_ops.rehearsal.samples import Series, Table

Amendment = Callable[[Table, float], None]
When = Literal["after", "before", "always"]
_SERVER = re.compile(r"llama-(\d+)")


def nodes(table: Table, fault_from: float) -> None:  # noqa: ARG001 - an amendment
    """Give each server and its GPU a node of their own."""
    for series in list(table.values):
        labels = dict(series.labels)
        found = _SERVER.match(labels.get(c.K8S_POD) or labels.get(c.SERVER) or f"llama-{labels.get(c.GPU, '')}")
        if found and c.HOST_NAME in labels:
            _rename(table, series, labels | {c.HOST_NAME: f"node-{found[1]}"})
    for series in _chosen(table, "atlas_gpu_expected", None):
        table.values[series] = np.ones(len(table.times))


def scaled(name: str, factor: float, *, where: Mapping[str, str] | None = None, since: bool = False) -> Amendment:
    """Multiply the values of some series; `since`: only from the fault on."""

    def amend(table: Table, fault_from: float) -> None:
        for series in _chosen(table, name, where):
            table.values[series] = np.where(_from(table, fault_from, since=since), factor, 1.0) * table.values[series]

    return amend


def without(beginning: str, *, since: bool = False) -> Amendment:
    """Take away the series whose names begin so; `since`: only from the fault on."""

    def amend(table: Table, fault_from: float) -> None:
        for series in [one for one in table.values if one.name.startswith(beginning)]:
            table.values[series] = np.where(_from(table, fault_from, since=since), np.nan, table.values[series])

    return amend


def relabelled(name: str, labels: Mapping[str, str], *, where: Mapping[str, str]) -> Amendment:
    """Give some series other labels."""

    def amend(table: Table, fault_from: float) -> None:  # noqa: ARG001 - an amendment
        for series in _chosen(table, name, where):
            _rename(table, series, dict(series.labels) | dict(labels))

    return amend


def told(
    name: str,
    value: float,
    *,
    of_server: int | None = None,
    labels: Mapping[str, str] | None = None,
    when: When = "after",
    earlier: float = np.nan,
) -> Amendment:
    """Let a series have a value after the fault began, before it, or always; `earlier`: what it has before, if after.

    Its labels are those of a server and its model, if it is `of_server`, and `labels`.
    """

    def amend(table: Table, fault_from: float) -> None:
        series = Series(name, tuple({**_of_server(table, of_server), **(labels or {})}.items()))
        known = next((one for one in table.values if _same(one, series)), series)
        after = _from(table, fault_from, since=True)
        own = table.values.get(known, np.full(len(table.times), np.nan))
        table.values[known] = {
            "always": np.full(len(table.times), value),
            "before": np.where(after, own, value),
            "after": np.where(after, value, earlier),
        }[when]

    return amend


def elsewhere(name: str, labels: Mapping[str, str], *, where: Mapping[str, str]) -> Amendment:
    """Let a series be there once more, with some other labels."""

    def amend(table: Table, fault_from: float) -> None:  # noqa: ARG001 - an amendment
        for series in _chosen(table, name, where):
            copy = Series(name, tuple((dict(series.labels) | dict(labels)).items()))
            table.values[copy] = table.values[series].copy()

    return amend


def alone(name: str, label: str) -> Amendment:
    """Let the series of a name have a label no more, as where nobody tells it."""

    def amend(table: Table, fault_from: float) -> None:  # noqa: ARG001 - an amendment
        for series in _chosen(table, name, None):
            _rename(table, series, {key: text for key, text in series.labels if key != label})

    return amend


def _chosen(table: Table, name: str, where: Mapping[str, str] | None) -> list[Series]:
    wanted = (where or {}).items()
    return [one for one in table.values if one.name == name and wanted <= dict(one.labels).items()]


def _same(one: Series, other: Series) -> bool:
    return one.name == other.name and dict(one.labels) == dict(other.labels)


def _rename(table: Table, series: Series, labels: Mapping[str, str]) -> None:
    table.values[Series(series.name, tuple(labels.items()))] = table.values.pop(series)


def _of_server(table: Table, index: int | None) -> dict[str, str]:
    """Return the labels that everything has which is told of a server and its model."""
    if index is None:
        return {}
    named = _chosen(table, "atlas_requests_running", {c.SERVER: f"llama-{index}:8000"})
    return dict(named[0].labels)


def _from(table: Table, fault_from: float, *, since: bool) -> npt.NDArray[np.bool_]:
    """Return which scrapes are meant: those since the fault began, or all."""
    return table.times >= fault_from * 1000 if since else np.ones(len(table.times), dtype=bool)
