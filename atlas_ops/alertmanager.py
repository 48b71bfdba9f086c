"""The one client for Alertmanager's HTTP API (version 2): its silences, and which alerts they keep quiet.

Every call has a time limit and is made once. Used by `atlas_ops.pager.deeds`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import urllib3

from atlas_ops.errors import AtlasError, EnvironmentProblem

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
    active: bool
    """Whether people are told: it is neither silenced nor hidden by another alert."""
    silenced_by: tuple[str, ...]


class Alertmanager:
    """An Alertmanager; of a cluster any one, for they tell each other of silences."""

    def __init__(self, url: str, *, timeout_seconds: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=timeout_seconds, retries=False)

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
                active=_field(_field(entry, "status"), "state") == "active",
                silenced_by=tuple(map(str, _list(_field(_field(entry, "status"), "silencedBy")))),
            )
            for entry in _list(self._call("GET", "alerts"))
        )

    def close(self) -> None:
        """Give the connections back."""
        self._pool.clear()

    def _call(self, method: str, call: str, document: object = None) -> object:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._pool.request(
                method, f"{self.url}/api/v2/{call}", body=body, headers=headers, preload_content=False, redirect=False
            )
            text = answer.read(_MOST_BYTES, decode_content=True)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise self._problem(f"{call} cannot be called: {error}") from error
        if 400 <= answer.status < 500:
            raise AlertmanagerRefused(f"Alertmanager at {self.url} refuses: {_reason(text)}")
        try:
            if answer.status >= 300:
                raise ValueError(_reason(text) or "no reason given")
            return json.loads(text) if text else None
        except ValueError as error:
            raise self._problem(f"{call} failed: HTTP {answer.status}: {error}") from error

    def _problem(self, text: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"Alertmanager at {self.url}: {text}", next_step="check that it runs and answers /-/ready"
        )


def _reason(text: bytes) -> str:
    """Return what an answer gives as its reason: a JSON text, an object with a message, or a line of plain text."""
    plain = text.decode(errors="replace")
    try:
        document = json.loads(plain)
    except ValueError:
        document = plain
    if isinstance(document, dict):
        document = document.get("message", plain)
    return str(document).strip()[:300]


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
