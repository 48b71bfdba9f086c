"""The one client for Alertmanager's HTTP API (version 2): its silences, and which alerts they keep quiet.

Every call has a time limit and is made once, over `atlas_ops.http_config.Wire`, which knows how to log in. Used by
`atlas_ops.pager.deeds`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from atlas_ops.errors import AtlasError
from atlas_ops.http_config import HttpConfig, Wire

_MOST_BYTES = 64 * 1024 * 1024
"""Of one answer: ten thousand alerts with all their texts are a tenth of it."""


class AlertmanagerRefused(AtlasError):
    """Alertmanager understood a call, and does not do it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """A silence that holds now, or will. `until` is a Unix time."""

    id: str
    until: float
    created_by: str
    comment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An alert that Alertmanager knows and that is not over. `silenced_by`: the silences that hold for it now."""

    fingerprint: str
    starts_at: float
    """Unix time."""
    active: bool
    """Whether people are told: it is neither silenced nor hidden by another alert."""
    silenced_by: tuple[str, ...]


class Alertmanager:
    """An Alertmanager; of a cluster any one, for they tell each other of silences."""

    def __init__(self, url: str, *, timeout_seconds: float = 5.0, http_config: HttpConfig | None = None) -> None:
        """`http_config` says how to log in there; without it anybody may ask."""
        self.url = url.rstrip("/")
        self._wire = Wire("Alertmanager", url, http_config, timeout_seconds=timeout_seconds, most_bytes=_MOST_BYTES)

    def silence(self, matchers: Mapping[str, str], *, start: float, until: float, who: str, comment: str) -> str:
        """Silence the alerts that have exactly these labels, and return the silence's id.

        AlertmanagerRefused when it does not take it, EnvironmentProblem when it cannot be asked.
        """
        document = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in matchers.items()
            ],
            "startsAt": _written(start),
            "endsAt": _written(until),
            "createdBy": who,
            "comment": comment,
        }
        return str(_field(self._call("POST", "silences", document), "silenceID"))

    def silences(self) -> tuple[Silence, ...]:
        """Return the silences that hold now or will; errors as of `silence`."""
        return tuple(
            Silence(
                id=str(_field(entry, "id")),
                until=_read(_field(entry, "endsAt")),
                created_by=str(_field(entry, "createdBy")),
                comment=str(_field(entry, "comment")),
            )
            for entry in _list(self._call("GET", "silences"))
            if _field(_field(entry, "status"), "state") != "expired"
        )

    def expire(self, silence: str) -> None:
        """End a silence now; errors as of `silence`."""
        self._call("DELETE", f"silence/{quote(silence, safe='')}")

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are not over; errors as of `silence`."""
        return tuple(
            Alert(
                fingerprint=str(_field(entry, "fingerprint")),
                starts_at=_read(_field(entry, "startsAt")),
                active=_field(_field(entry, "status"), "state") == "active",
                silenced_by=tuple(map(str, _list(_field(_field(entry, "status"), "silencedBy")))),
            )
            for entry in _list(self._call("GET", "alerts"))
        )

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def _call(self, method: str, call: str, document: object = None) -> object:
        body = None if document is None else json.dumps(document).encode()
        answer = self._wire.ask(method, f"/api/v2/{call}", body=body, headers={"Content-Type": "application/json"})
        if 400 <= answer.status < 500:
            raise AlertmanagerRefused(f"Alertmanager at {self.url} refuses: {answer.reason}")
        try:
            if answer.status >= 300:
                raise ValueError(answer.reason or "no reason given")
            return json.loads(answer.body) if answer.body else None
        except ValueError as error:
            raise self._wire.problem(f"{call} failed: HTTP {answer.status}: {error}") from error


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _read(value: object) -> float:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        raise AlertmanagerRefused(
            f"Alertmanager's answer has {str(value)[:60]!r} for a time: is this address really Alertmanager's?"
        ) from None


def _field(entry: object, name: str) -> object:
    if not isinstance(entry, Mapping) or name not in entry:
        raise AlertmanagerRefused(f"Alertmanager's answer has no {name}: is this address really Alertmanager's?")
    return entry[name]


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise AlertmanagerRefused("Alertmanager's answer is no list: is this address really Alertmanager's?")
    return value
