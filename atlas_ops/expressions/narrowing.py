"""Matchers put into an expression that somebody else wrote, wherever the label is there. Called by `render.dashboards.narrowing`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import promql_parser as parser

from atlas_ops.expressions import parsed
from atlas_ops.expressions.firing import nodes
from atlas_ops.expressions.labels import Labels
from atlas_ops.expressions.placeholders import filled


def narrowed(text: str, matchers: Mapping[str, str], labels: Labels, everywhere: str = "") -> str:
    """Return an expression with each of `matchers` ({label: matcher}) in all selectors of series that have its label.

    `everywhere` is a matcher for all of them, whatever labels they are known to have. The text is kept otherwise, variables of
    Grafana included; a metric that nobody publishes is left as it is, for `check` to tell. ValueError for what is no PromQL.
    """
    expr = parsed(filled(text))
    if expr is None:
        raise ValueError(f"no PromQL: {text}")
    for selector in {str(node.name): node for node in nodes(expr) if isinstance(node, parser.VectorSelector)}.values():
        try:
            carried = labels.left(selector)
        except KeyError:
            continue
        wanted = [everywhere, *(matcher for label, matcher in matchers.items() if label in carried)]
        text = _with(text, str(selector.name), wanted)
    return text


def _with(text: str, name: str, wanted: list[str]) -> str:
    def added(found: re.Match[str]) -> str:
        given = found["matchers"] or ""
        told = [part for part in (given.strip(), *(one for one in wanted if one not in given)) if part]
        return f"{name}{{{', '.join(told)}}}" if told else name

    # No matcher of the catalog has a brace in it.
    return re.sub(rf"(?<![\w:]){re.escape(name)}(?![\w:])(?:\{{(?P<matchers>[^}}]*)\}})?", added, text)
