"""One call to Grafana's HTTP API: with time limits, with retries where they can do no harm, and failures in our words.

Called by `client`. A redirect is not followed, since the token would go with it; the environment's proxies are not used. Whom
the machine trusts is trusted, or the authorities in the file that SSL_CERT_FILE names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import urllib3
from urllib3.util.retry import Retry

from atlas_ops.errors import EnvironmentProblem

Json = Mapping[str, object]

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""How long Grafana may say nothing. It stores a dashboard in well under a second, on a busy database in a few."""
TRIES = 4
LONGEST_WAIT_SECONDS = 60.0
"""Whoever is asked to wait longer than this is told so: nobody watches a command for that long."""
_BUSY = frozenset({429, 502, 503, 504})
_NOT_DONE = frozenset({429})
"""Answers that say that nothing was done. After the others a call that writes may have been carried out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What Grafana said: any status but 401, and its JSON."""

    status: int
    body: object

    @property
    def fields(self) -> Json:
        """The body as an object; an empty one when it is none."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def message(self) -> str:
        """What Grafana says about a refusal, for people."""
        return str(self.fields.get("message") or f"HTTP {self.status}")


class Wire:
    """The way to one Grafana. The token is sent to it alone, and stands in no text that leaves this class."""

    def __init__(
        self, url: str, token: str, *, silence: float = SILENCE_SECONDS, wait: Callable[[float], None] = time.sleep
    ) -> None:
        """`url`: its address without a slash at the end; `silence`: how many seconds it may say nothing."""
        self.url, self._token, self._wait = url, token, wait
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(silence, CONNECT_SECONDS), read=silence), retries=False
        )

    def ask(self, path: str, *, secret: bool = True) -> Answer:
        """Read something; without `secret` the token is not sent. EnvironmentProblem when there is no answer of Grafana's."""
        return self._answer("GET", path, b"", _BUSY, secret=secret)

    def tell(self, path: str, body: Json) -> Answer:
        """Write something, at most once. EnvironmentProblem when there is no answer of Grafana's."""
        return self._answer("POST", path, json.dumps(body).encode(), _NOT_DONE, secret=True)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.clear()

    def _answer(self, method: str, path: str, body: bytes, again: frozenset[int], *, secret: bool) -> Answer:
        for left in range(TRIES - 1, -1, -1):
            answer = self._exchange(method, path, body, secret=secret)
            if answer.status not in again or not left:
                break
            self._pause(answer, TRIES - 1 - left)
        return self._read(answer)

    def _exchange(self, method: str, path: str, body: bytes, *, secret: bool) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "atlas-ops"}
        headers |= {"Content-Type": "application/json"} if body else {}
        headers |= {"Authorization": f"Bearer {self._token}"} if secret else {}
        try:
            return self._pool.urlopen(
                method, f"{self.url}{path}", body=body or None, headers=headers, redirect=False, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _pause(self, answer: urllib3.BaseHTTPResponse, number: int) -> None:
        """Wait as long as Grafana asks for, or for half a second, then one, then two."""
        try:
            seconds = Retry().parse_retry_after(answer.headers["Retry-After"])
        except (KeyError, urllib3.exceptions.InvalidHeader):
            seconds = 0.5 * 2**number
        if seconds > LONGEST_WAIT_SECONDS:
            raise self.problem(
                f"HTTP {answer.status}: it asks to be left alone for {seconds:.0f} s",
                f"run the command again in {seconds:.0f} s: what is written by then is left alone",
            )
        self._wait(seconds)

    def _read(self, answer: urllib3.BaseHTTPResponse) -> Answer:
        status = answer.status
        if 300 <= status < 400:
            raise self.problem(
                f"HTTP {status}: it sends us on to {answer.headers.get('Location', 'nowhere')}",
                "give Grafana's own address as --url; a login page on the way does not take a service account's token",
            )
        try:
            # Some servers repeat what they were sent.
            body = json.loads(answer.data.replace(self._token.encode(), b"***"))
        except ValueError as error:
            raise self.problem(
                f"HTTP {status}, and what it says is not JSON: this is not Grafana, or a proxy before it",
                "check --url, with the path below which Grafana is served, and whether it runs",
            ) from error
        read = Answer(status=status, body=body)
        if status == 401:
            raise self.problem(
                f"the token is not taken: {read.message}",
                "make a token for a service account of the organisation that the dashboards belong to "
                "(Administration > Users and access > Service accounts), and put it into GRAFANA_TOKEN or the file of GRAFANA_TOKEN_FILE",
            )
        return read

    def _unreachable(self, error: Exception) -> EnvironmentProblem:
        found = error.__cause__ or error  # the operating system's words, without those of the library around them
        if isinstance(error, urllib3.exceptions.SSLError):
            return self.problem(
                f"TLS failed: {found}",
                "check the name in --url; let SSL_CERT_FILE name the authorities of your organisation; https needs a server with TLS",
            )
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            return self.problem(
                "it said nothing in time",
                "look whether it is overloaded, then run again: what is written is left alone",
            )
        return self.problem(
            f"it cannot be reached: {found}", "check --url, and that Grafana runs and can be reached from here"
        )

    def problem(self, text: str, next_step: str) -> EnvironmentProblem:
        """Return an error about this Grafana as a whole."""
        return EnvironmentProblem(f"Grafana at {self.url}: {text}", next_step=next_step)
