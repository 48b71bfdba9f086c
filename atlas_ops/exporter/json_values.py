"""Finds values in a JSON answer by the small paths of a dialect: keys with points between them, `*` for every item.

Used by `asking`. Servers answer what they like: what is not as expected is not found, and nothing raises.
"""

from __future__ import annotations

from atlas_ops.catalog.dialect import Answer
from atlas_ops.exporter.combine import WAYS
from atlas_ops.exporter.parse import MOST_VALUE

MAX_VALUES = 10_000
"""Values that a path may lead to; the slots, workers or replicas of one server are fewer."""
MAX_TEXT = 256


def evaluate(document: object, answer: Answer) -> float | None:
    """Return the value that an answer asks for, in the signal's unit; None when it is not there."""
    way = WAYS[answer.combine]
    values = numbers(document, answer.find)
    if not values:
        return None
    value = way(values)
    if answer.plus:
        more = numbers(document, answer.plus)
        if not more:
            return None
        value += way(more)
    if answer.by:
        by = numbers(document, answer.by)
        if not by or way(by) <= 0:
            return None
        value /= way(by)
    return None if answer.positive and value <= 0 else value * answer.scale


def numbers(document: object, path: str) -> list[float]:
    """Return the numbers that a path leads to, without those below zero, which stand for `no limit`."""
    return [value for found in _find(document, path) if (value := _number(found)) is not None]


def texts(document: object, path: str) -> list[str]:
    """Return the texts and numbers that a path leads to, as texts."""
    # JSON can name half of a character, which no page could be printed with.
    return [
        str(value)[:MAX_TEXT].encode(errors="replace").decode()
        for value in _find(document, path)
        if isinstance(value, str | int | float)
    ]


def _number(value: object) -> float | None:
    if isinstance(value, str) and len(value) < 32:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_VALUE else None


def _find(document: object, path: str) -> list[object]:
    found = [document]
    for key in path.split("."):
        found = [item for value in found for item in _step(value, key)][:MAX_VALUES]
    return found


def _step(value: object, key: str) -> list[object]:
    if key == "*":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, dict):
        return [value[key]] if key in value else []
    if isinstance(value, list) and key.isdecimal() and key.isascii() and int(key) < len(value):
        return [value[int(key)]]
    return []
