"""A few typed functions that return PromQL text, all within what Prometheus 2.42 and 3.x share.

Called by the catalog's faults, by the renderers and by the pager, where it asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def duration(seconds: float) -> str:
    """Return a Prometheus duration: whole units where they fit, milliseconds below a second."""
    milliseconds = round(seconds * 1000)
    if milliseconds <= 0:
        return "0s"
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def number(value: float) -> str:
    """Return a number as PromQL writes it, without a trailing `.0`."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def quote(text: str) -> str:
    """Return a PromQL string literal for any text."""
    return f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """Return a text as it stands between the double quotes of a PromQL string literal."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def select(metric: object, *matchers: str) -> str:
    """Return `metric{matchers}`; empty matchers are left out."""
    given = ", ".join(matcher for matcher in matchers if matcher)
    return f"{metric}{{{given}}}" if given else str(metric)


def bound(*les: float) -> str:
    """Return a matcher for one bucket bound, or for several.

    Prometheus 2.x keeps the text of `le` as exposed (`1` or `1.0`), 3.x writes floats: both must match.
    """
    return f'le=~"{"|".join(_bound(le) for le in les)}"'


def _bound(le: float) -> str:
    text = f"{le:g}" if float(f"{le:g}") == le else repr(le)
    pattern = re.escape(text).replace("\\", "\\\\")
    optional = "" if "." in text or "e" in text else "(\\\\.0)?"
    return f"{pattern}{optional}"


def sum_by(labels: Iterable[str], expr: str) -> str:
    """Return the sum of `expr` by labels."""
    return f"sum by ({', '.join(labels)}) ({expr})"


def together(*exprs: str) -> str:
    """Return every series of several vectors, those with the same labels too: an aggregation takes what there is of them.

    With `+` or `>` each would have to be there, and asking for what to do when one is not reads all of them again.
    """
    return "\n  or ".join((exprs[0], *(label_replace(expr, "part", str(n)) for n, expr in enumerate(exprs[1:], 1))))


def rate(metric: object, window: str, *matchers: str) -> str:
    """Return the per-second rate of a counter over a window."""
    return f"rate({select(metric, *matchers)}[{window}])"


def increase(metric: object, window: str, *matchers: str) -> str:
    """Return the growth of a counter over a window."""
    return f"increase({select(metric, *matchers)}[{window}])"


def thinned(metric: str, interval: float, of: int) -> str:
    """Return the metric at one of so many evaluations alone, which are so many seconds apart.

    A window of a day over a recording of it reads as much less. A subquery would not: it decodes all of them.
    """
    return f"{metric} and on () floor(vector(time()) / {number(interval)}) % {of} == 0"


def glob_matcher(label: str, pattern: str, *, excluding: Sequence[str] = ()) -> str:
    """Return matchers for a label against a glob pattern, without what earlier patterns took.

    `*` alone needs no matcher. Prometheus anchors regular expressions at both ends.
    """
    matchers = [] if pattern == "*" else [f"{label}=~{quote(glob_regex(pattern))}"]
    matchers += [f"{label}!~{quote(glob_regex(earlier))}" for earlier in excluding]
    return ", ".join(matchers)


def label_in(label: str, patterns: Sequence[str], *, negated: bool = False) -> str:
    """Return a matcher for a label whose value fits one of the glob patterns, or none of them.

    The empty pattern is for a label that is empty or not there; any other wants it to be there, `*` too.
    """
    if len(patterns) == 1 and not set(patterns[0]) & set("*?["):
        return f"{label}{'!=' if negated else '='}{quote(patterns[0])}"
    regexes = [glob_regex(pattern) if not pattern or pattern.strip("*") else ".+" for pattern in patterns]
    return f"{label}{'!~' if negated else '=~'}{quote('|'.join(regexes))}"


def label_not_in(label: str, values: Iterable[str]) -> str:
    """Return a matcher for a label that has none of some plain values; empty without any."""
    told = "|".join(re.escape(value) for value in values)
    return f"{label}!~{quote(told)}" if told else ""


def label_replace(expr: str, label: str, value: str, source: str = "", regex: str = "") -> str:
    """Return `expr` with a label set; without a source, to the same value everywhere."""
    return f"label_replace({expr}, {', '.join(quote(text) for text in (label, value, source, regex))})"


def glob_regex(pattern: str) -> str:
    """Return a glob pattern as a regular expression of RE2."""
    # Not fnmatch.translate: from two stars on it writes atomic groups, which RE2 in Prometheus does not know.
    return "".join(_glob_part(part) for part in re.findall(r"\[!?[^\]]+\]|.", pattern, re.DOTALL))


def _glob_part(part: str) -> str:
    if part in ("*", "?"):
        return {"*": ".*", "?": "."}[part]
    if len(part) > 1:
        negated = part.startswith("[!")
        letters = re.escape(part[2 if negated else 1 : -1]).replace("\\-", "-").replace("--", "\\-\\-")
        try:
            return re.compile(f"[{'^' if negated else ''}{letters}]").pattern
        except re.error:
            pass  # such as [z-a]: then the brackets stand for themselves
    return re.escape(part)
