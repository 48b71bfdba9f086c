"""Reads the body that Alertmanager posts (webhook format version 4) into a `Notification`. Pure.

Called by `pager.app`. Everything that leaves this module is scrubbed, of bounded length, and free of characters that a
database or a terminal chokes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from atlas_ops.catalog import conventions
from atlas_ops.errors import AtlasError
from atlas_ops.pager.incident import Alert, Notification
from atlas_ops.pager.scrub import clip, scrub, scrub_labels, scrub_texts

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Ten thousand alerts in one group were measured at 6.9 MB."""
MAX_TEXT = 8192
"""Characters of one label or annotation that are kept; real ones have a few hundred."""
_MOST_TRUNCATED = 1_000_000_000
_SHOWN_MISTAKES, _MOST_MISTAKES = 20, 100
"""After so many nothing more is looked at: a body of millions would keep the pager busy for minutes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Json = dict[str, object]


class BadWebhook(AtlasError):
    """The body is none that Alertmanager sends; every mistake is named."""


def parse(body: bytes) -> Notification:
    """Read one webhook body; BadWebhook when it is not JSON, or naming every field that is missing or wrong."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadWebhook(
            f"the body is not JSON: {reason}", next_step="only Alertmanager's webhook_configs may post to /webhook"
        ) from error
    reader = _Reader()
    notification = _notification(reader, document)
    reader.close()
    return notification


def _notification(reader: _Reader, document: object) -> Notification:
    root = reader.mapping(document, "the body")
    reader.string(root, "status", choices=("firing", "resolved"))
    reader.string(root, "version", choices=("4",))
    group = reader.string(root, "receiver") + "\n" + reader.string(root, "groupKey")
    alerts = tuple(
        _alert(reader, entry, f"alerts[{number}].") for number, entry in enumerate(reader.entries(root, "alerts"))
    )
    return Notification(
        # Only a hash is kept: the group key repeats the labels, and with them whatever secret they hold.
        key=hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest(),
        alerts=tuple(alert for alert in alerts if alert.fault != conventions.HEARTBEAT),
        truncated=_count(root.get("truncatedAlerts")),
        heartbeat=any(alert.firing and alert.fault == conventions.HEARTBEAT for alert in alerts),
    )


def _count(value: object) -> int:
    return min(max(0, value), _MOST_TRUNCATED) if isinstance(value, int) else 0


def _alert(reader: _Reader, entry: object, path: str) -> Alert:
    alert = reader.mapping(entry, path.removesuffix("."))
    firing = reader.string(alert, "status", path, choices=("firing", "resolved")) == "firing"
    ends_at = reader.time(alert, "endsAt", path, optional=True)
    return Alert(
        fingerprint=scrub(clip(reader.string(alert, "fingerprint", path), MAX_TEXT)),
        firing=firing,
        starts_at=reader.time(alert, "startsAt", path) or 0.0,
        ends_at=None if firing else ends_at,
        labels=scrub_labels(reader.strings(alert, "labels", path)),
        annotations=scrub_texts(reader.strings(alert, "annotations", path)),
        generator_url=scrub(clip(reader.string(alert, "generatorURL", path, optional=True), MAX_TEXT)),
    )


class _Reader:
    """Takes typed values out of JSON, and collects mistakes instead of stopping at the first."""

    def __init__(self) -> None:
        self._mistakes: list[str] = []

    def close(self) -> None:
        """Raise BadWebhook when there was any mistake."""
        if not self._mistakes:
            return
        shown = self._mistakes[:_SHOWN_MISTAKES]
        more = len(self._mistakes) - len(shown)
        count = f"at least {more}" if len(self._mistakes) >= _MOST_MISTAKES else str(more)
        raise BadWebhook(
            "; ".join(shown) + (f"; and {count} more" if more else ""),
            next_step="only Alertmanager's webhook_configs (version 4) may post to /webhook",
        )

    def mapping(self, value: object, path: str) -> Json:
        """Return a JSON object; an empty one after noting that it is none."""
        if isinstance(value, dict):
            return value
        self._note(path, "an object", value)
        return {}

    def entries(self, section: Json, key: str) -> tuple[object, ...]:
        """Return a list with at least one entry."""
        value = section.get(key)
        if isinstance(value, list) and value:
            return tuple(value)
        self._note(key, "a list with at least one entry", value)
        return ()

    def string(
        self, section: Json, key: str, path: str = "", *, choices: tuple[str, ...] = (), optional: bool = False
    ) -> str:
        """Return a text that is not empty (unless optional) and one of the choices."""
        value = section.get(key)
        if isinstance(value, str) and (value or optional) and (not choices or value in choices):
            return value
        if value is not None or not optional:
            self._note(path + key, f"one of {', '.join(choices)}" if choices else "a text", value)
        return ""

    def strings(self, section: Json, key: str, path: str) -> Mapping[str, str]:
        """Return an object of texts."""
        found = self.mapping(section.get(key), path + key)
        for name, value in found.items():
            if not isinstance(value, str):
                self._note(f"{path}{key}.{name}", "a text", value)
        return {clip(name, MAX_TEXT): clip(value, MAX_TEXT) for name, value in found.items() if isinstance(value, str)}

    def time(self, section: Json, key: str, path: str, *, optional: bool = False) -> float | None:
        """Return an RFC 3339 time in Unix seconds; None for Go's zero time, year 1."""
        value = section.get(key)
        if value is None and optional:
            return None
        try:
            moment = datetime.fromisoformat(value if isinstance(value, str) else "")
            seconds = (moment - _EPOCH).total_seconds()
        except (ValueError, TypeError, OverflowError):
            self._note(path + key, "a time such as 2026-11-24T10:00:00Z", value)
            return None
        return seconds if moment.year > 1 else None

    def _note(self, path: str, expected: str, found: object) -> None:
        name = {type(None): "nothing", dict: "an object", list: "a list"}.get(type(found)) or clip(repr(found), 60)
        self._mistakes.append(scrub(f"{clip(path, 200)}: expected {expected}, found {name}"))
        if len(self._mistakes) >= _MOST_MISTAKES:
            self.close()
