"""`tls_server_config` of the web-config file, turned into a context for Python's ssl.

Called by `config`. What Python cannot do is refused with the reason; nothing that would weaken a connection is skipped.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.document import Section
from atlas_ops.exporter.web import go_names
from atlas_ops.file_stamp import Stamp, stamp

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """How connections are secured."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str]
    """A client's certificate has to carry one of these names; empty: any that the CA has signed will do."""

    def allows(self, names: Iterable[tuple[str, str]]) -> bool:
        """Say whether a client whose certificate has these alternative names (kind, name) may come in."""
        return not self.allowed_sans or not self.allowed_sans.isdisjoint(_canonical(*name) for name in names)


class TlsReader:
    """Reads one section. `files` gets those that it names, there or not, as they were before they were read."""

    def __init__(self, section: Section, folder: Path, files: dict[Path, Stamp]) -> None:
        self._section, self._folder, self._files = section, folder, files
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["http/1.1"])
        # Without tickets every connection shows its certificate anew, and a fresh handshake costs little.
        self._context.num_tickets = 0

    def read(self) -> Tls:
        """Return what the section says; every mistake is noted in its document."""
        self._certificate()
        self._client_auth()
        self._versions()
        self._cipher_suites()
        self._curve()
        sans = self._section.strings("client_allowed_sans")
        if sans and self._context.verify_mode is not ssl.CERT_REQUIRED:
            self._section.mistake("client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert")
        self._section.finish()
        return Tls(context=self._context, allowed_sans=frozenset(sans))

    def _certificate(self) -> None:
        certificate, key = self._bytes("cert", required=True), self._bytes("key", required=True)
        if not certificate or not key:
            return
        try:
            with _as_file(certificate) as certificate_file, _as_file(key) as key_file:
                self._context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            self._section.mistake(self._given("cert"), _why(error))

    def _client_auth(self) -> None:
        choices = (*go_names.CLIENT_AUTH, *go_names.UNVERIFIED_CLIENT_AUTH)
        kind = self._section.string("client_auth_type", "NoClientCert", choices=choices)
        authorities = self._bytes("client_ca")
        if kind in go_names.UNVERIFIED_CLIENT_AUTH:
            text = f"{kind} takes a certificate from anybody, which is not offered here; use RequireAndVerifyClientCert"
            self._section.mistake("client_auth_type", text)
            return
        self._context.verify_mode = go_names.CLIENT_AUTH[kind]
        if self._context.verify_mode is ssl.CERT_NONE:
            if kind == "RequestClientCert":
                _log.warning("client_auth_type RequestClientCert verifies nothing: every client comes in, as with Go")
            elif authorities:
                self._section.mistake(self._given("client_ca"), "needs a client_auth_type that verifies")
        elif not authorities:
            if not self._section.has(self._given("client_ca")):
                self._section.mistake("client_auth_type", f"{kind} needs client_ca_file")
        else:
            self._trust(authorities)

    def _trust(self, authorities: bytes) -> None:
        # As with Go: whatever is in the file is trusted, whether or not it has signed itself.
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            with _as_file(authorities) as file:
                self._context.load_verify_locations(file)
        except (OSError, ValueError) as error:
            self._section.mistake(self._given("client_ca"), _why(error))

    def _versions(self) -> None:
        lowest, highest = self._version("min_version", "TLS12"), self._version("max_version", "TLS13")
        if lowest > highest:
            self._section.mistake("max_version", "is below min_version")
            return
        self._context.minimum_version, self._context.maximum_version = lowest, highest

    def _version(self, key: str, default: str) -> ssl.TLSVersion:
        name = self._section.string(key, default, choices=(*go_names.VERSIONS, *go_names.OBSOLETE_VERSIONS))
        if name in go_names.OBSOLETE_VERSIONS:
            self._section.mistake(key, f"{name} is obsolete (RFC 8996) and not offered here; expected TLS12 or TLS13")
        return go_names.VERSIONS.get(name, go_names.VERSIONS[default])

    def _cipher_suites(self) -> None:
        if not self._section.flag("prefer_server_cipher_suites", default=True):
            self._context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        names = self._section.strings("cipher_suites")
        known = (*go_names.TLS12_SUITES, *go_names.TLS13_SUITES)
        for name in names:
            if name not in known:
                self._section.mistake("cipher_suites", f"unknown suite {name!r}; known ones: {', '.join(known)}")
        suites = [go_names.TLS12_SUITES[name] for name in names if name in go_names.TLS12_SUITES]
        if suites:
            self._context.set_ciphers(":".join(suites))
        elif names:  # suites of TLS 1.3 alone leave TLS 1.2 without one
            self._context.minimum_version = ssl.TLSVersion.TLSv1_3

    def _curve(self) -> None:
        names = self._section.strings("curve_preferences")
        unknown = [name for name in names if name not in go_names.CURVES]
        for name in unknown:
            self._section.mistake(
                "curve_preferences", f"unknown curve {name!r}; known ones: {', '.join(go_names.CURVES)}"
            )
        if len(names) > 1:
            text = "Python can keep to one curve or to OpenSSL's own list, not to a choice; give one, or leave it out"
            self._section.mistake("curve_preferences", text)
        elif names and not unknown:
            self._context.set_ecdh_curve(go_names.CURVES[names[0]])

    def _bytes(self, key: str, *, required: bool = False) -> bytes:
        """Return the PEM text under `key`, or of the file under `key`_file."""
        file_key = f"{key}_file"
        inline, path = self._section.string(key), self._section.string(file_key)
        if inline and path:
            self._section.mistake(key, f"give {key} or {file_key}, not both")
        if path:
            return self._read(file_key, self._folder / path)
        if not inline and required:
            self._section.mistake(file_key, f"is missing; expected a PEM file (or its text under {key})")
        return inline.encode()

    def _read(self, key: str, path: Path) -> bytes:
        self._files[path] = stamp(path)
        try:
            found = path.read_bytes()
        except OSError as error:
            self._section.mistake(key, f"{path} cannot be read: {error.strerror}")
            return b""
        if not found:
            self._section.mistake(key, f"{path} is empty")
        return found

    def _given(self, key: str) -> str:
        return key if self._section.has(key) else f"{key}_file"


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """Show bytes under the path that OpenSSL wants; they never reach a disk."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Answer OpenSSL, which would ask for one on the terminal."""
    raise ValueError("the key is encrypted; give one without a password, readable by the exporter alone")


def _why(error: Exception) -> str:
    told = str(error)
    known = {
        "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        "PEM lib": "the certificate or the key is not PEM",
        "NO_CERTIFICATE_OR_CRL_FOUND": "there is no PEM certificate in it",
    }
    return next((text for sign, text in known.items() if sign in told), told)


def _canonical(kind: str, name: str) -> str:
    """Return an alternative name as the web-config file has it; OpenSSL writes IPv6 addresses in full."""
    if kind != "IP Address":
        return name
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
