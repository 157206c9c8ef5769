"""Where Kafka is, and how a client of it connects: in clear, or by TLS with certificates."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


class CertificateError(ValueError):
    """A file is not what its setting says; the text names the setting and shows no content."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password for SASL. `mechanism` as Kafka calls it."""

    mechanism: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Brokers as `host:port`, several separated by commas, and how to connect to them.

    Without `tls` everything goes in clear: for one machine, or a network that is trusted.
    """

    bootstrap_servers: str
    tls: Tls | None = None
    login: Login | None = None

    def client_options(self) -> Mapping[str, Any]:
        """The arguments that every client of aiokafka takes."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap_servers}
        if self.tls is not None:
            options |= {"security_protocol": "SSL", "ssl_context": self.tls.context}
        if self.login is not None:
            options |= {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.username,
                "sasl_plain_password": self.login.password,
            }
        return options


class Tls:
    """What a client of Kafka trusts, and what it shows of itself; all files are PEM (RFC 7468).

    `ca`: authorities that a broker's certificate may be of; None: those of the system. A broker's
    certificate must be for the host that was called (RFC 6125). `key`: None where it stands in the
    file of the certificate. Raises `CertificateError`.
    """

    def __init__(
        self,
        *,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        key_password: str | None = None,
    ) -> None:
        self._ca = ca
        self._certificate = certificate
        self._key = key
        # Without a password of its own OpenSSL would ask whoever sits at the terminal.
        self._key_password = key_password or ""
        self._expiry: datetime | None = None
        self._read = self._stamps()
        self.context = self._made()

    def renew(self) -> bool:
        """Read the files again where they are others than before; connections that are made from
        now on show what they hold then. Whether they were read. Raises `CertificateError`, once,
        and keeps what was.
        """
        stamps = self._stamps()
        if stamps == self._read:
            return False
        self._read = stamps
        self._made()  # a context that fails half way is left with the one and without the other
        self._load(self.context)
        return True

    @property
    def expiry(self) -> datetime | None:
        """Until when the certificate that is shown is accepted; None without one."""
        return self._expiry

    def _made(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(f"KAFKA_SSL_CA_LOCATION: {_why(error)}") from None
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        if self._ca is not None:
            context.load_verify_locations(self._ca)
        if self._certificate is None:
            return
        try:
            context.load_cert_chain(self._certificate, self._key, self._key_password)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"KAFKA_SSL_CERTIFICATE_LOCATION, KAFKA_SSL_KEY_LOCATION: {_why(error)}"
            ) from None
        # Commands that show none are spared it.
        from cryptography.x509 import load_pem_x509_certificates

        own = load_pem_x509_certificates(self._certificate.read_bytes())[0]
        self._expiry = own.not_valid_after_utc

    def _stamps(self) -> Sequence[tuple[int, int] | None]:
        return [_stamp(file) for file in (self._ca, self._certificate, self._key)]


def _stamp(file: Path | None) -> tuple[int, int] | None:
    """What changes with a file: another one in its place has another number."""
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns)


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "expected a file that exists"
    if isinstance(error, PermissionError):
        return "expected a file that this process may read"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "expected PEM; an encrypted key needs its KAFKA_SSL_KEY_PASSWORD"
