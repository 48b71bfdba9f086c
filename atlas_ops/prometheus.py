"""The one client for Prometheus's HTTP API, and the only importer of prometheus-api-client.

Covers what that library lacks: a time limit on every call, no silent retries that turn a refused connection into six
seconds of waiting, errors as `EnvironmentProblem`, the alerts call, ranges beyond 11,000 points, and remote write. Every call
goes over `atlas_ops.http_config.Wire`, which knows how to log in. Used by whatever reads Prometheus.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import BaseAdapter

from atlas_ops.errors import AtlasError, EnvironmentProblem
from atlas_ops.http_config import Answer, HttpConfig, Wire

_API = "/api/v1/"

MOST_POINTS = 11_000
"""Of each series in the answer to one range query; Prometheus refuses more."""


class QueryRefused(AtlasError):
    """Prometheus does not understand a query, or cannot answer it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One series of an instant query."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """One series of a range query: `values[i]` at `times[i]`, in Unix seconds. Times without a value are left out."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alert as the rule engine sees it; `state` is `pending` or `firing`."""

    name: str
    state: str
    labels: Mapping[str, str]


class Prometheus:
    """A Prometheus server (or another engine that speaks its HTTP API)."""

    def __init__(self, url: str, *, timeout_seconds: float = 5.0, http_config: HttpConfig | None = None) -> None:
        """`http_config` says how to log in there; without it anybody may ask."""
        self.url = url.rstrip("/")
        self._wire = Wire("Prometheus", self.url, http_config, timeout_seconds=timeout_seconds)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment is not meant for a server on loopback
        self._client = PrometheusConnect(url=self.url, session=self._session)
        self._session.mount(self.url, _Carrier(self._wire))  # in place of the one that the line above has mounted

    def query(self, expr: str, *, at: float | None = None) -> tuple[Point, ...]:
        """Return the result of an instant query, now or `at` a Unix time; EnvironmentProblem when it cannot be had."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        try:
            series = self._client.custom_query(expr, params=moment)
        except (requests.RequestException, PrometheusApiClientException, ValueError, KeyError, TypeError) as error:
            raise self._wire.problem(f"the query {expr!r} failed: {error}") from error
        return tuple(Point(labels=entry["metric"], value=float(entry["value"][1])) for entry in series)

    def query_range(
        self, expr: str, start: float, end: float, step: float, *, whole: bool = False
    ) -> tuple[Course, ...]:
        """Return what a query says at `start`, `start + step`, ... up to `end` (Unix seconds).

        QueryRefused when Prometheus does not take the query, EnvironmentProblem when it cannot be asked, or with `whole` when it
        warns that a part of the data is missing: Thanos, VictoriaMetrics and others answer then with what they have.
        """
        found: dict[tuple[tuple[str, str], ...], list[tuple[float, str]]] = {}
        for first, last in _parts(start, end, step):
            form = {"query": expr, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": f"{step:.3f}"}
            for entry in self._asked("query_range", form, whole=whole):
                try:
                    found.setdefault(tuple(sorted(entry["metric"].items())), []).extend(entry["values"])
                except (KeyError, TypeError, AttributeError) as error:
                    raise self._no_result(expr) from error
        return tuple(
            Course(labels=dict(labels), times=times, values=tuple(map(float, values)))
            for labels, points in found.items()
            for times, values in [tuple(zip(*points, strict=True))]
        )

    def check_query(self, expr: str) -> None:
        """Raise QueryRefused with Prometheus's own words when it does not understand a query."""
        self._asked("query", {"query": expr, "time": "0"})

    def write(self, body: bytes) -> None:
        """Hand a remote-write request, framed by snappy, to the receiver; EnvironmentProblem when it is not taken."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        answer = self._post("write", body, headers)
        if answer.status >= 300:
            raise self._wire.problem(f"samples are refused: HTTP {answer.status}: {answer.reason}")

    def _asked(self, call: str, form: Mapping[str, str], *, whole: bool = False) -> list[dict[str, Any]]:
        answer = self._post(call, urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        try:
            document = json.loads(answer.body)
        except ValueError as error:
            why = f"HTTP {answer.status}: {answer.reason or 'a page came, and no JSON: is this really its address?'}"
            raise self._wire.problem(f"the query {form['query']!r} failed: {why}") from error
        if not isinstance(document, dict):
            raise self._no_result(form["query"])
        if document.get("status") != "success":
            raise QueryRefused(str(document.get("error", f"HTTP {answer.status}")))
        if whole and (missing := _missing(document)):
            raise self._wire.problem(f"a part of the data is missing: {missing}")
        try:
            # A query of a bare number or text has no series.
            series = document["data"]["resultType"] in ("vector", "matrix")
            result: list[dict[str, Any]] = document["data"]["result"] if series else []
        except (KeyError, TypeError) as error:
            raise self._no_result(form["query"]) from error
        return result

    def _no_result(self, expr: str) -> EnvironmentProblem:
        return self._wire.problem(f"the query {expr!r} failed: what came is no result")

    def _post(self, call: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        # Past requests, which takes as long for a call as Prometheus for its answer: a rehearsal makes some hundred.
        return self._wire.ask("POST", f"{_API}{call}", body=body, headers=headers)

    def alerts(self) -> tuple[Alert, ...]:
        """Return the pending and firing alerts; EnvironmentProblem when they cannot be had."""
        answer = self._wire.ask("GET", f"{_API}alerts")
        try:
            entries = json.loads(answer.body)["data"]["alerts"]
        except (ValueError, KeyError, TypeError) as error:
            why = f"HTTP {answer.status}: {answer.reason}"
            raise self._wire.problem(f"the alerts cannot be read: {why}") from error
        return tuple(
            Alert(name=entry["labels"]["alertname"], state=entry["state"], labels=entry["labels"]) for entry in entries
        )

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()
        self._wire.close()


class _Carrier(BaseAdapter):
    """Has the library's requests sent over a wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        path = f"{_API}{(request.url or '').rpartition(_API)[2]}"
        answer = self._wire.ask(request.method or "GET", path)
        response = requests.Response()
        response.request, response.url, response.encoding = request, request.url or "", "utf-8"
        response.status_code, response.raw = answer.status, io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Leave the wire open: it is not the session's own."""


def _missing(document: Mapping[str, Any]) -> str:
    """Return the warnings of an answer that was given without all of its data; Prometheus's remarks on the query are none."""
    warnings = [str(one) for one in document.get("warnings") or ()]
    partial = ["it says isPartial"] if document.get("isPartial") is True else []  # VictoriaMetrics
    return "; ".join([one for one in warnings if not one.startswith("PromQL ")] + partial)


def _parts(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Cut a range into pieces that Prometheus answers; no instant is in two of them."""
    left = int((end - start) / step + 1e-6) + 1
    while left > 0:
        points = min(left, MOST_POINTS)
        yield start, start + (points - 1) * step
        start, left = start + points * step, left - points
