"""Which metrics a PromQL expression reads. Called by `check.metrics` and `check.runbook_checks`.

Token by token instead of with a parser: the question is only which words are metric names, and an expression that does
not parse is promtool's to report.
"""

from __future__ import annotations

import re

_NAMED = re.compile(r'__name__\s*=\s*"([^"]*)"')
_NO_METRIC = (
    re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`'),  # strings
    re.compile(r"#.*"),  # comments
    re.compile(r"\$\{[^}]*\}|\$\w+"),  # Grafana's variables
    re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]"),  # matchers and ranges
    re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.IGNORECASE),
    re.compile(r"(?<![\w:])[\d.][\w.]*"),  # numbers and durations
)
_WORD = re.compile(r"[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])")
_KEYWORDS = frozenset({
    "and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "group_left", "group_right", "by", "without", "on",
    "ignoring",
})  # fmt: skip


def metrics(expr: str) -> tuple[str, ...]:
    """Return the names of the metrics that an expression reads, in its order, each once."""
    names = _NAMED.findall(expr)
    for pattern in _NO_METRIC:
        expr = pattern.sub(" ", expr)
    names += [word for word in _WORD.findall(expr) if word.lower() not in _KEYWORDS]
    return tuple(dict.fromkeys(names))
