"""Lengths of time as people write them: `90s`, `15m`, `1h30m`, or a number of seconds. Used by `settings.pager` and `settings.people`."""

from __future__ import annotations

import math
import re

from atlas_ops.document import Section

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_WRITTEN = re.compile(r"(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?", re.ASCII)


def read_duration(section: Section, key: str, default: float, *, above: float = 0.0, below: float = math.inf) -> float:
    """Return the seconds under a key, with `above` < seconds < `below`; a mistake is noted when it is no length of time."""
    text = section.string(key)
    if not text:
        return default
    found = seconds(text)
    if found is None:
        section.mistake(key, f"expected a length of time such as 90s, 15m or 1h30m, found {text!r}")
        return default
    if not above < found < below:
        bound = f" and below {written(below)}" if below < math.inf else ""
        section.mistake(key, f"expected a length of time above {written(above)}{bound}, found {text}")
        return default
    return found


def seconds(text: str) -> float | None:
    """Return the seconds that a text means; None when it is no length of time."""
    try:
        number = float(text)
    except ValueError:
        if not text or not _WRITTEN.fullmatch(text):
            return None
        return sum(int(digits) * _UNITS[unit] for digits, unit in re.findall(r"(\d+)([dhms])", text))
    return number if math.isfinite(number) else None


def written(length: float) -> str:
    """Return seconds in the greatest units that they are whole in, such as `15m` or `1h30m`."""
    rest, parts = length, ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        parts += f"{count:.0f}{unit}" if count else ""
    return f"{length:g}s" if rest or not parts else parts
