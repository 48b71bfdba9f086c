"""A secret that whoever asks has to know: to log in to the console, or to post webhooks. Read once, from a file."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

from atlas_ops.errors import ConfigError

LEAST = 16
"""Characters of a token. Guesses are slowed down, and sessions are signed with it: a word would be found."""
_TOKEN = re.compile(rf"[!-~]{{{LEAST},1024}}")


class Token:
    """Knows a secret without showing it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    @classmethod
    def read(cls, path: Path) -> Token:
        """Read a file that holds a token; ConfigError when it cannot be read or holds none that is safe."""
        make = "put one there, such as `openssl rand -hex 32` prints"
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(str(path), [f"the token cannot be read: {reason}"], next_step=make) from error
        if not _TOKEN.fullmatch(text):
            told = f"expected a token of at least {LEAST} characters on one line, found {len(text)} characters"
            raise ConfigError(str(path), [told], next_step=make)
        return cls(text)

    def matches(self, text: str) -> bool:
        """Say whether this is the token; the time that takes tells nothing about it."""
        return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self._secret)

    def key(self, purpose: str) -> bytes:
        """Return a key for signatures of one kind: another token makes all of them void."""
        return hmac.digest(self._secret, purpose.encode(), hashlib.sha256)

    def __repr__(self) -> str:
        return "Token(...)"


def bearer(authorization: str) -> str | None:
    """Return the token of a header `Authorization: Bearer ...`; None when it is another."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
