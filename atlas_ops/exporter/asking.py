"""Asks a server's other endpoints for what its metrics do not tell: readiness, capacities, queues, its model and version.

Used by `watched_server`, after each page, in what is left of the round; and before the first one for the name of its
model, or a page that names none would be told of `unnamed` first. Which endpoints there are is in the dialect's data; an
endpoint that hangs, lies or is not there costs its own answer.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Answer, Dialect, Endpoint, Question
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Version
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Fetcher
from atlas_ops.exporter.json_values import evaluate, texts
from atlas_ops.exporter.places import Places
from atlas_ops.exporter.scrape_state import ScrapeFailure

_log = logging.getLogger(__name__)

MAX_MODELS = 32
"""Models that are asked about by name; a server with more of them would be asked all the time."""
_Key = tuple[str, str, Endpoint | Question]
"""(address, model, what is asked there): an endpoint may tell readiness and other things besides."""
_NO_SEGMENTS = (c.UNNAMED_MODEL, ".", "..")
"""What cannot be asked about: it would lead to another path. Names come from requests in some runtimes."""
_READY = {200: True, 400: False, 500: False, 503: False}
"""What a status says of readiness; any other says nothing. Triton answers 400 for a model that is not ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What an endpoint told: a value of a signal, for a model or for the whole server, or a fact."""

    value: float = 0.0
    signal: Signal | None = None
    model: str = ""
    fact: str = ""
    text: str = ""


class Asking:
    """The endpoints of one server, each with its last answer and the time of it."""

    def __init__(self, dialect: Dialect, places: Places, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._asks: tuple[Endpoint | Question, ...] = (
            *(endpoint for endpoint in dialect.endpoints if endpoint.tells != "liveness"),
            *dialect.questions,
        )
        self._told: dict[_Key, tuple[float, tuple[Told, ...]]] = {}
        """{what was asked: (time, answers)}."""

    def values(self) -> list[tuple[Signal, Told]]:
        """Return every value of a signal that holds."""
        return [(told.signal, told) for told in self._answers() if told.signal]

    @property
    def version(self) -> Version | None:
        """The version that the server says it has."""
        return next((Version.parse(told.text) for told in self._answers() if told.fact == "version"), None)

    @property
    def model(self) -> str:
        """The name of the model that the server says it has; empty when it says none."""
        return next((told.text for told in self._answers() if told.fact == "model"), "")

    def round(self, fetcher: Fetcher, models: Sequence[str], deadline: Deadline) -> None:
        """Ask what is due, what has waited longest first, until the time is over. Never raises."""
        due = sorted(self._due(models), key=lambda one: self._told.get(one, (0.0, ()))[0])
        wanted = set(self._all(models))
        self._told = {key: kept for key, kept in self._told.items() if key in wanted}
        for key in due:
            if deadline.over:
                break
            self._told[key] = (self._clock(), self._ask(fetcher, *key, deadline))

    def learn(self, fetcher: Fetcher, deadline: Deadline) -> None:
        """Ask what was never asked and tells facts. Never raises."""
        for key in self._all(()):
            _, _, ask = key
            tells = isinstance(ask, Question) and any(answer.fact for answer in ask.answers)
            if tells and key not in self._told and not deadline.over:
                self._told[key] = (self._clock(), self._ask(fetcher, *key, deadline))

    def forget(self) -> None:
        """Forget every value: the server is away, and what it said is not to be told when it comes back as another.

        The facts stay until they are told anew: they are names, and hardly change.
        """
        self._told = {
            key: (0.0, tuple(told for told in answers if told.fact)) for key, (_, answers) in self._told.items()
        }

    def _answers(self) -> list[Told]:
        return [told for _, answers in self._told.values() for told in answers]

    def _all(self, models: Sequence[str]) -> Iterator[_Key]:
        for ask in self._asks:
            address = self._places.address(ask.at)
            if not address:
                continue
            named = [model for model in models if model not in _NO_SEGMENTS][:MAX_MODELS]
            for model in named if "{model}" in ask.path else ("",):
                yield address + ask.path.replace("{model}", quote(model, safe="")), model, ask

    def _due(self, models: Sequence[str]) -> Iterator[_Key]:
        now = self._clock()
        for key in self._all(models):
            asked, answers = self._told.get(key, (0.0, ()))
            _, _, ask = key
            holds = ask.every_seconds if isinstance(ask, Question) and answers else 0.0
            if not asked or now - asked >= holds:
                yield key

    def _ask(
        self, fetcher: Fetcher, url: str, model: str, ask: Endpoint | Question, deadline: Deadline
    ) -> tuple[Told, ...]:
        try:
            answer = fetcher.get(url, deadline)
        except ScrapeFailure as failure:
            _log.debug("no word from %s: %s", url, failure.message)
            return ()
        if isinstance(ask, Endpoint):
            return tuple(_readiness(ask, model, answer.status, answer.body))
        return tuple(_answers(ask.answers, model, _document(answer.body))) if answer.status == 200 else ()


def _readiness(endpoint: Endpoint, model: str, status: int, body: bytes) -> Iterator[Told]:
    ready = _READY.get(status)
    if ready and endpoint.find:
        document = _document(body)
        ready = None if document is None else endpoint.ready in texts(document, endpoint.find)
    if ready is not None:
        signal = s.SERVER_READY if endpoint.tells == "readiness" else s.MODEL_READY
        yield Told(signal=signal, value=float(ready), model=model)


def _answers(answers: Sequence[Answer], model: str, document: object) -> Iterator[Told]:
    for answer in answers:
        if answer.signal is None:
            (text,) = texts(document, answer.find)[:1] or ("",)
            if text:
                yield Told(fact=answer.fact, text=text)
        elif (value := evaluate(document, answer)) is not None:
            yield Told(signal=answer.signal, value=value, model=model)


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
