"""Check: rules, their tests and runbooks name only metrics of the contract or recordings of the catalog.

Dashboards are `check.dashboards`'s, which knows the panel that a metric stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from atlas_ops.catalog import autoscalers
from atlas_ops.catalog.model import Catalog
from atlas_ops.catalog.parameters import Timing
from atlas_ops.check import metric_names
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.tree import Leaf, Tree
from atlas_ops.expressions.firing import BY_PROMETHEUS

_FILES = ("alerts/*.yaml", "alerts/*.yml", "tests/alerts/*/*_test.yaml")
# In a command or a sentence, not in a path; a name that goes on as a pattern, such as `atlas_pager_.*`, is none yet.
_IN_PROSE = re.compile(r"(?<![\w:/.-])(?:[a-z]+:)?atlas_[\w:]*[^\W_](?![\w:*(/]|\.\w)")


def check(tree: Tree) -> Iterator[Finding]:
    """Find metrics that nothing publishes."""
    known = askable(tree.catalog)
    for path in tree.files(*_FILES):
        for leaf in tree.leaves(path):
            for metric in metric_names.metrics(_expression(leaf)):
                if metric not in known:
                    yield _unknown(path, tree.line_of(path, leaf, metric), metric, known)
    known |= {signal.name for signal in tree.catalog.signals}  # people speak of a histogram, not of its three series
    for path in tree.files("runbooks/**/*.md"):
        for number, line in enumerate(tree.text(path).splitlines(), start=1):
            for metric in _IN_PROSE.findall(line):
                if metric not in known:
                    yield _unknown(path, number, metric, known)


def _unknown(path: str, line: int, metric: str, known: frozenset[str]) -> Finding:
    near = did_you_mean(metric, known)
    return Finding(
        file=path,
        line=line,
        message=f"{metric} is neither a signal of the contract nor a recording of the catalog{near}",
        next_step="mend the name; a new signal belongs in catalog/signals.py",
    )


def askable(catalog: Catalog) -> frozenset[str]:
    """Return the names of all series that rules and checks may ask for."""
    signals = {series for signal in catalog.signals for series in signal.series}
    recordings = {recording.name for fault in catalog.faults for recording in fault.recordings}
    recordings |= {recording.name for recording in autoscalers.recordings(Timing())}
    return frozenset(signals | recordings | {*BY_PROMETHEUS, *autoscalers.FOREIGN})


def _expression(leaf: Leaf) -> str:
    """Return the PromQL of a leaf of a rule file or a rule test; an empty text when it is none."""
    if leaf.key in ("expr", "series") or (leaf.key == "labels" and "exp_samples" in leaf.path):
        return leaf.value
    return ""
