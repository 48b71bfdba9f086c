"""One request to an address that may want a login: with a time limit, made once, and failures in our words.

Used by `atlas_ops.prometheus`, `atlas_ops.alertmanager`, and whoever asks whether the two answer. A redirect is not followed,
since credentials would go with it; the environment's proxies are not used. No text that leaves this class holds a secret.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config.config import HttpConfig, Sent

_CONNECTIONS = 8
"""So many are kept open: a browser asks six things of the preview at once."""
_MOST_TOLD = 300
_HTML = b"<"


class LoginRefused(EnvironmentProblem):
    """The address wants a login, or another one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back: any status but those that speak of a login."""

    status: int
    body: bytes

    @property
    def reason(self) -> str:
        """What it gives as its reason, in one line: a JSON text, an object with a message or an error, or plain text."""
        plain = self.body[: 16 * _MOST_TOLD].decode(errors="replace")
        try:
            document = json.loads(self.body)
        except ValueError:
            document = "" if self.body.lstrip().startswith(_HTML) else plain
        if isinstance(document, dict):
            document = document.get("message") or document.get("error") or plain
        words = "".join(letter if letter.isprintable() else " " for letter in str(document)).split()
        return " ".join(words)[:_MOST_TOLD]


class Wire:
    """The way to one address. `name` is what people call it: `Prometheus`, `Alertmanager`."""

    def __init__(
        self,
        name: str,
        url: str,
        config: HttpConfig | None = None,
        *,
        timeout_seconds: float,
        most_bytes: int | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._name, self._config, self._most = name, config or HttpConfig(), most_bytes
        self._timeout = timeout_seconds
        self._context: ssl.SSLContext | None = None
        self._pool = self._pooled()

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request to a path below the address; EnvironmentProblem when there is no answer, or no way in."""
        sent = self._config.sent()
        self._secure()
        try:
            answer = self._pool.request(
                method,
                f"{self.url}{path}",
                body=body,
                headers={**sent.headers, **(headers or {})},
                preload_content=False,
                redirect=False,
            )
            data = answer.read(self._most, decode_content=True)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(path, error) from error
        return self._admitted(Answer(status=answer.status, body=data), answer.headers.get("Location", ""), sent)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.clear()

    def problem(self, text: str, next_step: str = "check that it runs and answers /-/ready") -> EnvironmentProblem:
        """Return an error about this address as a whole."""
        return EnvironmentProblem(self._told(text), next_step=next_step)

    def _told(self, text: str) -> str:
        return f"{self._name} at {self.url}: {text}"

    def _pooled(self) -> urllib3.PoolManager:
        name = self._config.tls.server_name if self._config.tls else ""
        return urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=self._timeout,
            retries=False,
            ssl_context=self._context,
            server_hostname=name or None,
        )

    def _secure(self) -> None:
        """Take up certificates that were changed."""
        if self._config.tls and (context := self._config.tls.context()) is not self._context:
            self._context = context
            self._pool.clear()
            self._pool = self._pooled()

    def _admitted(self, answer: Answer, location: str, sent: Sent) -> Answer:
        """Return an answer that is one; a refusal without what it may repeat of the secrets."""
        if answer.status < 300:
            return answer
        # The body before its reason is cut to length: a half of a secret is none that would be found.
        answer = Answer(status=answer.status, body=sent.hidden(answer.body.decode(errors="replace")).encode())
        if answer.status in (401, 403):
            raise self._refused(answer.status, sent.hidden(answer.reason))
        if answer.status < 400:
            raise self.problem(
                f"HTTP {answer.status}: it sends us on to {sent.hidden(_place(location))}; redirects are not followed",
                "give the address of the API itself; where that leads to a login page, give credentials as well",
            )
        return answer

    def _refused(self, status: int, reason: str) -> LoginRefused:
        said = f" ({reason})" if reason else ""
        told = f"HTTP {status} to a request with {self._config.told}{said}"
        flag = "--http-config or " if self._name == "Prometheus" else ""
        wanted = f"{flag}{self._name.lower()}.http_config_file in the settings"
        if not self._config.file:
            advice = f"it wants a login, which {wanted} gives"
            step = "docs/settings.md, section Prometheus behind a login, shows such a file"
        elif self._config.anonymous:
            advice = "it wants a login, and the file for it names none"
            step = f"add basic_auth or authorization to {self._config.file}"
        elif status == 401:
            advice = "check whether they are still valid, and meant for this address"
            step = f"the credentials are those of {self._config.file}"
        else:
            advice = "they are known, but may not do this"
            step = f"grant it to the credentials of {self._config.file}, or use others"
        return LoginRefused(self._told(f"{told}: {advice}"), next_step=step)

    def _unreachable(self, path: str, error: urllib3.exceptions.HTTPError) -> EnvironmentProblem:
        if isinstance(error, urllib3.exceptions.SSLError):
            return self.problem(
                f"TLS failed: {error.__cause__ or error}",
                "name who signed its certificate in tls_config.ca_file of the file with its login, or let SSL_CERT_FILE name "
                "the authorities of your organisation; check the name in the address; https needs a server with TLS",
            )
        return self.problem(f"{urlsplit(path).path.rpartition('/')[2]} cannot be called: {error}")


def _place(location: str) -> str:
    """Return where a redirect leads, without what may be secret in it."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "no address"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path or "nowhere"
