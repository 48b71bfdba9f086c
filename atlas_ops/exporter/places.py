"""Where a server can be asked: its metrics page, its API, its management API.

Used by `watched_server` and `asking`, by the probes for the address that requests go to, and by whoever compares pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from atlas_ops.catalog.dialect import Dialect, Place
from atlas_ops.exporter.identity import address_of
from atlas_ops.exporter.page_path import DEFAULT_PATH
from atlas_ops.settings import Server


class Places:
    """The addresses of one server, as far as they are known. None is guessed on an unusual port: another server may be there."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self._server = server
        self._dialect = dialect

    def address(self, place: Place) -> str:
        """Return scheme, host and port; empty when nobody knows."""
        if place is Place.API:
            return self._server.api_url or self._at(self._dialect.api_port)
        if place is Place.MANAGEMENT:
            return self._server.management_url or self._at(self._dialect.management_port or -1)
        return self._at(0)

    def _at(self, port: int) -> str:
        """Return the address with another port, where the metrics are at the port that is usual; 0: the same port."""
        parts = urlsplit(self._server.url)
        if port in (0, parts.port):
            return base_url(self._server)
        if port < 0 or parts.port != self._dialect.default_port:
            return ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return urlunsplit((parts.scheme, f"{host}:{port}", "", "", ""))


def base_url(server: Server) -> str:
    """Return scheme, host and port of a server's page."""
    return urlunsplit((*urlsplit(server.url)[:2], "", "", ""))


def has_path(server: Server) -> bool:
    """Say whether the user gave the path of the page."""
    return urlsplit(server.url).path not in ("", "/")


def metrics_url(server: Server, default_path: str) -> str:
    """Return the whole address of a server's page; one without a path gets the default one."""
    parts = urlsplit(server.url)
    path = parts.path if has_path(server) else default_path
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def page_of(server: Server, dialects: Sequence[Dialect]) -> str:
    """Return the address of a server's page in one way of writing, so that equal ones are one page.

    Without a path it is at that of the runtime that was told, or at the usual one.
    """
    told = next((dialect.metrics_path for dialect in dialects if dialect.runtime == server.runtime), DEFAULT_PATH)
    parts = urlsplit(metrics_url(server, told))
    return urlunsplit((parts.scheme, address_of(server), parts.path, parts.query, ""))
