"""Prints `alerts/native/<runtime>.yaml`: the contract as recording rules, where Prometheus itself scrapes the servers.

What the exporter makes of a page, these rules make of the same series, so that alerts and dashboards stay as they are. The
dialects are the same data; `tests/render/native` holds the two against each other on real pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import dialects
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.model import Catalog
from atlas_ops.render import yamltext
from atlas_ops.render.native.entries import EntryRules
from atlas_ops.render.native.left_out import left_out
from atlas_ops.render.native.naming import Naming
from atlas_ops.render.native.rule import Rule
from atlas_ops.render.native.source import Source
from atlas_ops.render.native.status import states, targets
from atlas_ops.settings import Native, Settings

FOLDER = "alerts/native"


def render(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Return one rule file for each runtime of `native`, with one group for each of its jobs."""
    del catalog
    if not settings.native:
        return {}
    spoken = {dialect.runtime: dialect for dialect in dialects.load(settings.exporter.dialects)}
    interval = promql.duration(settings.parameters.timing.evaluation_seconds)
    files = {}
    for runtime in dict.fromkeys(native.runtime for native in settings.native):
        jobs = [native for native in settings.native if native.runtime == runtime]
        files[f"{FOLDER}/{runtime}.yaml"] = _file(spoken[runtime], jobs, interval)
    return files


def _file(dialect: Dialect, jobs: Sequence[Native], interval: str) -> str:
    groups: list[yamltext.Value] = []
    for native in jobs:
        rules = [_rule(rule) for rule in _rules(Source(dialect, native))]
        groups.append({"name": f"atlas-native-{native.job}", "interval": interval, "rules": rules})
    return yamltext.dump_all([(_comment(dialect, jobs), {"groups": groups})])


def _rules(source: Source) -> Iterator[Rule]:
    labels = {c.RUNTIME: source.dialect.runtime, "job": source.native.job}
    naming = Naming(source)
    yield from targets(source, labels)
    yield from naming.rules(labels)
    yield from states(source)
    # Requests first: whether a signal should be there, the others ask them.
    for entry in sorted(source.dialect.entries, key=lambda entry: entry.signal is not s.REQUESTS):
        yield from EntryRules(source, naming, entry).rules()


def _rule(rule: Rule) -> yamltext.Value:
    return {"record": rule.record, "expr": rule.expr, "labels": rule.labels}


def _comment(dialect: Dialect, jobs: Sequence[Native]) -> str:
    """Return what the rules are for, and what they lack."""
    names = ", ".join(native.job for native in jobs)
    lacking = left_out(dialect, Naming(Source(dialect, jobs[0])))
    lines = [f"{signal}: {reason}" for signal, reason in lacking]
    return "\n".join((f"{dialect.name}, scraped by Prometheus itself: job {names}.", "Not here, or not whole:", *lines))
