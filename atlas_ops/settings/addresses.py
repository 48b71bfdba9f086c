"""Addresses as people write them: URLs of servers, and HOST:PORT of what listens.

Used by `settings` and its parts, and by `atlas_ops.cli` for flags.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from atlas_ops.document import Section
from atlas_ops.errors import UsageError

_INSTEAD = "bearer_token_file of a model server, http_config_file (--http-config) of Prometheus and Alertmanager"
DEFAULT_EXPORTER = "127.0.0.1:9464"
DEFAULT_PAGER = "127.0.0.1:9465"
DEFAULT_WATCH = "127.0.0.1:9467"
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"([?&;][^=&;#]*(?:token|key|secret|password|auth|sig|credential)[^=&;#]*=)[^&#]*", re.IGNORECASE)


def read_url(section: Section, key: str, default: str = "", *, required: bool = False) -> str:
    """Return the address under a key; a mistake is noted when it is none."""
    value = section.string(key, default, required=required)
    problem = url_problem(value) if section.has(key) and value else ""
    if problem:
        section.mistake(key, problem)
        return default
    return value


def read_base_url(section: Section, key: str, default: str = "") -> str:
    """Return the address under a key, without a slash at its end: paths are put behind it."""
    url = read_url(section, key, default).rstrip("/")
    if "?" in url or "#" in url:
        section.mistake(key, f"expected an address that ends before the first ? or #, found {shown(url)!r}")
    return url


def read_address(section: Section, key: str, default: str) -> str:
    """Return the HOST:PORT under a key; a mistake is noted when it is none."""
    value = section.string(key, default)
    try:
        address(value)
    except UsageError as error:
        section.mistake(key, error.message)
        return default
    return value


def shown(url: str) -> str:
    """Return an address as it may be shown: without a user, and the values of parameters whose name says that they are secret."""
    return _SECRET.sub(r"\1***", _USERINFO.sub(r"\1***@", url))


def url_problem(url: str) -> str:
    """Say what is wrong with an address of a server, or return an empty text."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        why = "" if "@" in url else f" ({error})"  # which may repeat a part of a password
        return f"expected an address such as http://127.0.0.1:8000, found {shown(url)!r}{why}"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"expected an address such as http://127.0.0.1:8000, found {shown(url)!r}"
    if parts.username is not None or parts.password is not None:
        return f"holds a user name or password; secrets stand in files, which are named instead: {_INSTEAD}"
    return ""


def address(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` (or `[IPv6]:PORT`); UsageError when it is neither."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise UsageError(f"expected HOST:PORT such as {DEFAULT_EXPORTER}, found {text!r}", next_step="give both parts")
    return host, int(port)
