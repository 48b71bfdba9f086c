"""Check: nothing is measured by the exporter and, at the same time, recorded from native metrics."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.settings.native import TAKE_ONE, counted_twice


def check(tree: Tree) -> Iterator[Finding]:
    """Find scrape jobs in `native` whose servers the exporter may measure as well."""
    settings = tree.settings
    for message in counted_twice(settings.native, settings.servers, settings.discovery):
        yield Finding(file=tree.config, message=message, next_step=TAKE_ONE)
