"""Signed cookies that say who has logged in. Made and read by `access.gate`.

Nothing is kept: another pager with the same token reads them too, and a restart logs nobody out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets

from atlas_ops.pager.access.token import Token

SECONDS = 12 * 3600.0
"""How long a login lasts: a shift."""
_LONGEST = 2048
"""Characters of a cookie: twelve for each of the oddest characters of a name, four for three of them, and some more."""


class Sessions:
    """Issues sessions and tells whose they are."""

    def __init__(self, token: Token) -> None:
        self._key = token.key("atlas-ops console session")

    def issue(self, name: str, now: float) -> str:
        """Return the cookie of a new session; `now`: Unix seconds."""
        told = json.dumps({"name": name, "until": now + SECONDS, "nonce": secrets.token_hex(8)}).encode()
        return f"{_encoded(told)}.{_encoded(self._signature(told))}"

    def name(self, cookie: str, now: float) -> str | None:
        """Return whose session it is; None when it is none of ours, or over."""
        told, _, signature = cookie[:_LONGEST].partition(".")
        try:
            text = _decoded(told)
            if not hmac.compare_digest(_decoded(signature), self._signature(text)):
                return None
            document = json.loads(text)
            return str(document["name"]) if now < float(document["until"]) else None
        except (ValueError, KeyError, TypeError, binascii.Error):
            return None

    def _signature(self, told: bytes) -> bytes:
        return hmac.digest(self._key, told, hashlib.sha256)


def _encoded(told: bytes) -> str:
    return base64.urlsafe_b64encode(told).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
