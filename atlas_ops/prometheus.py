"""The one client for Prometheus's HTTP API, and the only importer of prometheus-api-client.

Covers what that library lacks: a time limit on every call, no silent retries that turn a refused connection into six
seconds of waiting, errors as `EnvironmentProblem`, the alerts call, ranges beyond 11,000 points, and remote write. Used by
`atlas_ops.stage` and `atlas_ops.rehearsal`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from atlas_ops.errors import AtlasError, EnvironmentProblem

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

    def __init__(self, url: str, *, timeout_seconds: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment is not meant for a server on loopback
        self._pool = urllib3.PoolManager(timeout=timeout_seconds, retries=False)
        self._client = PrometheusConnect(
            url=self.url, session=self._session, retry=Retry(total=0), timeout=timeout_seconds
        )

    def query(self, expr: str, *, at: float | None = None) -> tuple[Point, ...]:
        """Return the result of an instant query, now or `at` a Unix time; EnvironmentProblem when it cannot be had."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        try:
            series = self._client.custom_query(expr, params=moment)
        except (requests.RequestException, PrometheusApiClientException, ValueError) as error:
            raise self._problem(f"the query {expr!r} failed: {error}") from error
        return tuple(Point(labels=entry["metric"], value=float(entry["value"][1])) for entry in series)

    def query_range(self, expr: str, start: float, end: float, step: float) -> tuple[Course, ...]:
        """Return what a query says at `start`, `start + step`, ... up to `end` (Unix seconds).

        QueryRefused when Prometheus does not take the query, EnvironmentProblem when it cannot be asked.
        """
        found: dict[tuple[tuple[str, str], ...], list[tuple[float, str]]] = {}
        for first, last in _parts(start, end, step):
            form = {"query": expr, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": f"{step:.3f}"}
            for entry in self._asked("query_range", form):
                found.setdefault(tuple(sorted(entry["metric"].items())), []).extend(entry["values"])
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
        status, answer = self._post("write", body, headers)
        if status >= 300:
            raise self._problem(f"samples are refused: HTTP {status}: {answer.decode(errors='replace').strip()}")

    def _asked(self, call: str, form: Mapping[str, str]) -> list[dict[str, Any]]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._post(call, urlencode(form).encode(), headers)
        try:
            document = json.loads(answer)
        except ValueError as error:
            raise self._problem(f"the query {form['query']!r} failed: HTTP {status}: {error}") from error
        if document.get("status") != "success":
            raise QueryRefused(str(document.get("error", f"HTTP {status}")))
        data = document["data"]
        # A query of a bare number or text has no series.
        result: list[dict[str, Any]] = data["result"] if data["resultType"] in ("vector", "matrix") else []
        return result

    def _post(self, call: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # Past requests, which takes as long for a call as Prometheus for its answer: a rehearsal makes some hundred.
        try:
            answer = self._pool.urlopen("POST", f"{self.url}/api/v1/{call}", body=body, headers=dict(headers))
        except urllib3.exceptions.HTTPError as error:
            raise self._problem(f"{call} cannot be called: {error}") from error
        return answer.status, answer.data

    def alerts(self) -> tuple[Alert, ...]:
        """Return the pending and firing alerts; EnvironmentProblem when they cannot be had."""
        try:
            answer = self._session.get(f"{self.url}/api/v1/alerts", timeout=self._timeout)
            answer.raise_for_status()
            entries = answer.json()["data"]["alerts"]
        except (requests.RequestException, ValueError, KeyError) as error:
            raise self._problem(f"the alerts cannot be read: {error}") from error
        return tuple(
            Alert(name=entry["labels"]["alertname"], state=entry["state"], labels=entry["labels"]) for entry in entries
        )

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()
        self._pool.clear()

    def _problem(self, text: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"Prometheus at {self.url}: {text}", next_step="check that it runs and answers /-/ready"
        )


def _parts(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Cut a range into pieces that Prometheus answers; no instant is in two of them."""
    left = int((end - start) / step + 1e-6) + 1
    while left > 0:
        points = min(left, MOST_POINTS)
        yield start, start + (points - 1) * step
        start, left = start + points * step, left - points
