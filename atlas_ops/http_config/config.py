"""What is sent to an address to log in there. Read by `reading`, used by `wire`.

No secret is kept here, only where it lies: each request reads it anew, for tokens are rotated while we run.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config.tls import Tls


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A file that holds one secret. `key` names it in the file `told_in`; its path is not told, for it may be the secret itself."""

    key: str
    path: Path
    told_in: str

    def read(self) -> str:
        """Return it, without the space around it; EnvironmentProblem when the file holds none, or more than a header takes."""
        try:
            found = self.path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise self._problem(f"cannot be read: {why}") from None
        if not found or not found.isprintable():
            raise self._problem("holds more than one line" if found else "is empty")
        return found

    def _problem(self, text: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"{self.told_in}: the file of {self.key} {text}", next_step="put exactly one secret into it"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """Headers of one request, and the texts in them that nobody may see."""

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def hidden(self, text: str) -> str:
        """Return what a server said without the secrets that it was sent: some repeat them."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpConfig:
    """One file; without any of it, a request as anybody may send it."""

    file: str = ""
    username: str = ""
    password: Secret | None = None
    scheme: str = "Bearer"
    credentials: Secret | None = None
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    """Further headers, such as X-Scope-OrgID."""
    tls: Tls | None = None
    """None: whom the machine trusts, or the authorities in the file that SSL_CERT_FILE names."""

    def sent(self) -> Sent:
        """Return what a request is sent with now; EnvironmentProblem when the file of a secret cannot be used."""
        headers: dict[str, str] = {}
        secrets: list[str] = []
        for name, value in self._headers():
            headers[name], hidden = value
            secrets += hidden
        return Sent(headers=headers, secrets=tuple(secrets))

    @property
    def anonymous(self) -> bool:
        """Whether nothing is sent that could tell who asks."""
        return not (self.username or self.credentials or (self.tls and self.tls.certificate))

    @property
    def told(self) -> str:
        """What is sent, for people: `no credentials`, or which; none of them is a secret."""
        parts = ["a token"] if self.credentials else []
        parts += [f"the user {self.username!r}"] if self.username else []
        parts += ["a client certificate"] if self.tls and self.tls.certificate else []
        parts += [f"the header {name}" for name in self.headers]
        return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts or ["no credentials"])

    def _headers(self) -> Iterator[tuple[str, tuple[str, list[str]]]]:
        """Yield each header with its value, and with what is secret in it."""
        if self.username:
            password = self.password.read() if self.password else ""
            encoded = base64.b64encode(f"{self.username}:{password}".encode()).decode()
            yield "Authorization", (f"Basic {encoded}", [encoded, *([password] if password else [])])
        if self.credentials:
            token = self.credentials.read()
            yield "Authorization", (f"{self.scheme} {_ascii(token, self.credentials)}", [token])
        for name, value in self.headers.items():
            if isinstance(value, Secret):
                found = _ascii(value.read(), value)
                yield name, (found, [found])
            else:
                yield name, (value, [])


def _ascii(text: str, secret: Secret) -> str:
    if not text.isascii():
        raise EnvironmentProblem(
            f"{secret.told_in}: the file of {secret.key} holds characters that no header has",
            next_step="copy it again; it has to be ASCII",
        )
    return text
