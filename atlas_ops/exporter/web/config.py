"""The web-config file: TLS, basic auth and headers, in the format of Prometheus's exporter-toolkit.

Read by `guard`. The format is that of the toolkit's docs/web-configuration.md, so that a file which protects
node_exporter protects this exporter too. Paths are relative to the file. All mistakes are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atlas_ops.document import Document, Section
from atlas_ops.exporter.web import basic_auth
from atlas_ops.exporter.web.basic_auth import Users
from atlas_ops.exporter.web.tls import Tls, TlsReader
from atlas_ops.file_stamp import Stamp, stamp

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that may be set, with the values that they may have; no values: any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebConfig:
    """What the file says; without a file, plain HTTP for everybody."""

    tls: Tls | None = None
    users: Users = field(default_factory=lambda: Users({}))
    headers: Mapping[str, str] = field(default_factory=dict)
    """Set on every answer."""


def read(path: Path, files: dict[Path, Stamp]) -> WebConfig:
    """Read a web-config file; ConfigError with every mistake. `files` gets all that was read, as it was before."""
    files[path] = stamp(path)
    document = Document.read(path)
    root = document.root
    tls = root.section("tls_server_config")
    config = WebConfig(
        tls=TlsReader(tls, path.parent, files).read() if root.has("tls_server_config") else None,
        users=basic_auth.read(root.section("basic_auth_users")),
        headers=_http(root.section("http_server_config")),
    )
    if root.section("rate_limit").keys():
        root.mistake("rate_limit", "is not offered here: answers are ready-made, and their number at once is bounded")
    root.finish()
    document.close(next_step="mend these lines; the format is that of Prometheus's exporter-toolkit")
    return config


def _http(section: Section) -> Mapping[str, str]:
    section.flag("http2", default=True)  # an offer to the client, and HTTP/1.1 is another one that every client takes
    headers = section.section("headers")
    found = {name: headers.string(name, choices=values) for name, values in _HEADERS.items()}
    for name, value in found.items():
        if not value.isprintable() or not value.isascii():
            headers.mistake(name, "expected printable ASCII")
    headers.finish()
    section.finish()
    return {name: value for name, value in found.items() if value}
