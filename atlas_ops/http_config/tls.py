"""`tls_config` of a client, as a context for Python's ssl. Read by `reading`, used by `wire`.

The context is made anew when one of its files has changed: authorities and client certificates are rotated, too.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import urllib3

from atlas_ops.errors import EnvironmentProblem
from atlas_ops.file_stamp import Stamp, stamp


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """What the section says."""

    authorities: Path | None = None
    """Who may have signed the server's certificate, as PEM; None: whom the machine trusts."""
    certificate: Path | None = None
    key: Path | None = None
    """Of `certificate`, which we show."""
    server_name: str = ""
    """The name that the server's certificate has to be for; empty: the host of the address."""
    insecure: bool = False
    """Whether any certificate will do."""


class Tls:
    """Keeps the context of one file of settings; `told_in` is its name. Threads may share it."""

    def __init__(self, files: TlsFiles, told_in: str) -> None:
        self._files, self._told_in = files, told_in
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._stamps: list[Stamp] = []
        if files.insecure:  # urllib3 would say so on stderr with each request; who wrote it knows
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def certificate(self) -> bool:
        """Whether a certificate of ours is shown."""
        return self._files.certificate is not None

    @property
    def server_name(self) -> str:
        """The name that the server's certificate has to be for; empty: the host of the address."""
        return self._files.server_name

    def context(self) -> ssl.SSLContext:
        """Return the context as its files are now; EnvironmentProblem when one of them cannot be used."""
        stamps = [stamp(path) for path in (self._files.authorities, self._files.certificate, self._files.key) if path]
        with self._lock:
            if self._context is None or stamps != self._stamps:
                self._context, self._stamps = self._made(), stamps
            return self._context

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._files.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif self._files.authorities:
            # As with Go: whatever is in the file is trusted, whether or not it has signed itself, and nobody else is.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            try:
                context.load_verify_locations(self._files.authorities)
            except (OSError, ValueError) as error:
                raise self._problem("ca_file", error) from None
        else:
            context.load_default_certs()
        if self._files.certificate:
            try:
                context.load_cert_chain(self._files.certificate, self._files.key, password=_no_password)
            except (OSError, ValueError) as error:
                raise self._problem("cert_file or key_file", error) from None
        return context

    def _problem(self, key: str, error: Exception) -> EnvironmentProblem:
        why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else str(error)
        return EnvironmentProblem(
            f"{self._told_in}: the file of tls_config.{key} cannot be used: {why}",
            next_step="give PEM files; a key has to belong to its certificate, and has no password",
        )


def _no_password() -> str:
    """Answer OpenSSL, which would ask for one on the terminal."""
    raise ValueError("the key is encrypted")
