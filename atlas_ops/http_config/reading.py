"""Reads a file in the format of Prometheus's `http_config`. Called by `atlas_ops.cli`.

The format: prometheus.io/docs/prometheus/latest/configuration/configuration, `http_config` of a HTTP client. Secrets stand in
files that it names, never in it. Paths are relative to it. All mistakes are reported together, and no value of a secret is repeated.
"""

from __future__ import annotations

import re
from pathlib import Path

from atlas_ops.document import Document, Section
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.http_config.config import HttpConfig, Secret
from atlas_ops.http_config.tls import Tls, TlsFiles

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name of a header or of a scheme (RFC 9110, section 5.6.2)."""
_OURS = frozenset({"authorization", "connection", "content-encoding", "content-length", "content-type", "host"})
"""Headers that a request has anyway."""


def read(path: Path) -> HttpConfig:
    """Read it; ConfigError with every mistake in it, files that cannot be used among them."""
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._document, self._folder, self._file = Document.read(path), path.parent, str(path)

    def read(self) -> HttpConfig:
        root = self._document.root
        basic, bearer = root.section("basic_auth"), root.section("authorization")
        if root.has("basic_auth") and root.has("authorization"):
            root.mistake("authorization", "expected basic_auth or authorization, found both")
        config = HttpConfig(
            file=self._file,
            username=self._username(basic) if root.has("basic_auth") else "",
            password=self._secret(basic, "password"),
            scheme=self._scheme(bearer),
            credentials=self._secret(bearer, "credentials", required=root.has("authorization")),
            headers=self._headers(root.section("http_headers")),
            tls=self._tls(root.section("tls_config")) if root.has("tls_config") else None,
        )
        root.flag(
            "enable_http2", default=True
        )  # an offer to the server; HTTP/1.1 is another one, which every server takes
        if root.flag("follow_redirects", default=False):
            root.mistake("follow_redirects", "expected false: credentials would go to wherever a redirect leads")
        for section in (basic, bearer, root):
            section.finish()
        self._document.close(
            next_step="mend these lines; docs/settings.md, section Prometheus behind a login, shows such a file"
        )
        return config

    def _username(self, section: Section) -> str:
        name = section.string("username", required=True)
        if ":" in name or not name.isprintable():
            section.mistake(
                "username", "expected a name without a colon; the password stands in the file of password_file"
            )
        return name

    def _scheme(self, section: Section) -> str:
        scheme = section.string("type", "Bearer")
        if not _TOKEN.fullmatch(scheme) or scheme.lower() == "basic":
            section.mistake("type", "expected one word such as Bearer; for a user with a password there is basic_auth")
        return scheme

    def _secret(self, section: Section, key: str, *, required: bool = False) -> Secret | None:
        """Return where the secret of a key lies."""
        file_key = f"{key}_file"
        self._refuse(
            section, key, f"expected {file_key} instead, with the path of a file: no secret stands in this one"
        )
        path = section.string(file_key, required=required and not section.has(key))
        return self._usable(section, file_key, section.where(file_key), path) if path else None

    def _headers(self, section: Section) -> dict[str, str | Secret]:
        found: dict[str, str | Secret] = {}
        for name in section.keys():  # noqa: SIM118 - a section is no mapping
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
                section.mistake(name, "expected the name of a header that a request does not have anyway")
            header = section.section(name)
            self._refuse(
                header, "secrets", "expected files instead, with the path of a file: no secret stands in this one"
            )
            values, files = header.strings("values"), header.strings("files")
            if len(values) + len(files) != 1 and not header.has("secrets"):
                section.mistake(name, "expected one entry in values or one in files")
            for value in values:
                if not value.isprintable() or not value.isascii():
                    header.mistake("values", "expected printable ASCII")
                found[name] = value
            for path in files:
                found[name] = self._usable(header, "files", header.where("files"), path)
            header.finish()
        return found

    def _tls(self, section: Section) -> Tls:
        authorities, certificate, key = (self._path(section, f"{name}_file") for name in ("ca", "cert", "key"))
        if (certificate is None) != (key is None):
            section.mistake("cert_file", "expected both cert_file and key_file, or neither")
        files = TlsFiles(
            authorities=authorities,
            certificate=certificate if key else None,
            key=key,
            server_name=section.string("server_name"),
            insecure=section.flag("insecure_skip_verify", default=False),
        )
        section.finish()
        tls = Tls(files, self._file)
        try:
            tls.context()
        except EnvironmentProblem as problem:
            self._document.root.mistake("tls_config", _without(self._file, problem))
        return tls

    def _path(self, section: Section, key: str) -> Path | None:
        path = section.string(key)
        return self._folder / path if path else None

    def _usable(self, section: Section, key: str, where: str, path: str) -> Secret:
        secret = Secret(key=where, path=self._folder / path, told_in=self._file)
        try:
            secret.read()
        except EnvironmentProblem as problem:
            section.mistake(key, _without(self._file, problem))
        return secret

    def _refuse(self, section: Section, key: str, told: str) -> None:
        if section.has(key):
            section.strings(key)
            section.mistake(key, told)


def _without(file: str, problem: EnvironmentProblem) -> str:
    """Return what is wrong without the name of the file, which stands above all its mistakes."""
    return problem.message.removeprefix(f"{file}: ")
