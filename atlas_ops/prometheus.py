"""The one client for Prometheus's HTTP API, and the only importer of prometheus-api-client.

Covers what that library lacks: a time limit on every call, no silent retries that turn a refused connection into six
seconds of waiting, errors as `EnvironmentProblem`, and the alerts call. Used by `atlas_ops.stage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from atlas_ops.errors import EnvironmentProblem


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One series of an instant query."""

    labels: Mapping[str, str]
    value: float


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
        self._client = PrometheusConnect(
            url=self.url, session=self._session, retry=Retry(total=0), timeout=timeout_seconds
        )

    def query(self, expr: str) -> tuple[Point, ...]:
        """Return the result of an instant query; EnvironmentProblem when it cannot be had."""
        try:
            series = self._client.custom_query(expr)
        except (requests.RequestException, PrometheusApiClientException, ValueError) as error:
            raise self._problem(f"the query {expr!r} failed: {error}") from error
        return tuple(Point(labels=entry["metric"], value=float(entry["value"][1])) for entry in series)

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

    def _problem(self, text: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"Prometheus at {self.url}: {text}", next_step="check that it runs and answers /-/ready"
        )
