"""Certificates for tests, made on the spot: authorities, servers, clients, expired ones and wrong ones."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path
    issued: x509.Certificate

    @property
    def fingerprint(self) -> bytes:
        """Of the certificate, in DER: what a client sees."""
        return self.issued.public_bytes(serialization.Encoding.DER)


class Authority:
    """Signs certificates; its files lie in a folder of a test."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        built = _builder(self._name, self._name, self._key, NOW + DAY).add_extension(usage, critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server(self, name: str = "server", *, expired: bool = False) -> Pair:
        """A certificate for 127.0.0.1."""
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self._issue(name, [address], ExtendedKeyUsageOID.SERVER_AUTH, -DAY if expired else DAY)

    def client(self, name: str = "client", *sans: x509.GeneralName, expired: bool = False) -> Pair:
        """A certificate for a scraper."""
        return self._issue(
            name, sans or [x509.DNSName(name)], ExtendedKeyUsageOID.CLIENT_AUTH, -DAY if expired else DAY
        )

    def _issue(
        self, name: str, sans: list[x509.IPAddress] | tuple[x509.GeneralName, ...] | list[x509.DNSName],
        usage: x509.ObjectIdentifier, lasts: datetime.timedelta,
    ) -> Pair:  # fmt: skip
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = (
            _builder(subject, self._name, key, NOW + lasts)
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        issued = built.sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key", issued)
        pair.certificate.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


def encrypt(key: Path, password: bytes) -> None:
    """Put a password on a key file."""
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 2 * DAY)
        .not_valid_after(until)
    )
