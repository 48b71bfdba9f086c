"""Proves that a form comes from our own page, and not from a page that somebody lured a person to. Pure.

Each browser has a random cookie that no other site can read or set; each form carries a text that follows from it and
from who is logged in. Where the browser tells the origin of a form, that has to be ours as well.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

_NONCE = re.compile(r"[0-9a-f]{32}")


def nonce() -> str:
    """Return a new value for the cookie."""
    return secrets.token_hex(16)


def is_nonce(text: str) -> bool:
    """Say whether a cookie can be one of ours."""
    return bool(_NONCE.fullmatch(text))


def mark(cookie: str, who: str) -> str:
    """Return what the forms of this browser and this person carry."""
    return hmac.digest(cookie.encode(), f"form of {who}".encode(), hashlib.sha256).hex()


def genuine(told: str, cookie: str, who: str) -> bool:
    """Say whether a form carries what ours carry."""
    return is_nonce(cookie) and hmac.compare_digest(told.encode(), mark(cookie, who).encode())


def own_origin(origin: str | None, fetch_site: str | None, hosts: tuple[str, ...]) -> bool:
    """Say whether a request is not known to come from elsewhere.

    `origin` and `fetch_site` are its headers `Origin` and `Sec-Fetch-Site`, None where the browser sends none; `hosts` are
    the pager's own HOST or HOST:PORT.
    """
    if fetch_site not in (None, "same-origin"):
        return False
    if origin is None:
        return True
    try:
        netloc = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return bool(netloc) and netloc in hosts
