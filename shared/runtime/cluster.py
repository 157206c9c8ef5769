"""Where Kafka is, and how a client of it connects: in clear, or by TLS with certificates."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    tls: ssl.SSLContext | None = None
    login: Login | None = None

    def client_options(self) -> Mapping[str, Any]:
        """The arguments that every client of aiokafka takes."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap_servers}
        if self.tls is not None:
            options |= {"security_protocol": "SSL", "ssl_context": self.tls}
        if self.login is not None:
            options |= {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.username,
                "sasl_plain_password": self.login.password,
            }
        return options


def tls_context(
    *,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    key_password: str | None = None,
) -> ssl.SSLContext:
    """What a client of Kafka trusts, and what it shows of itself; all files are PEM (RFC 7468).

    `ca`: authorities that a broker's certificate may be of; None: those of the system. A broker's
    certificate must be for the host that was called (RFC 6125). `key`: None where it stands in the
    file of the certificate. Raises `CertificateError`.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(f"KAFKA_SSL_CA_LOCATION: {_why(error)}") from None
    if certificate is not None:
        try:
            # Without a password of its own OpenSSL would ask whoever sits at the terminal.
            context.load_cert_chain(certificate, key, key_password or "")
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"KAFKA_SSL_CERTIFICATE_LOCATION, KAFKA_SSL_KEY_LOCATION: {_why(error)}"
            ) from None
    return context


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "expected a file that exists"
    if isinstance(error, PermissionError):
        return "expected a file that this process may read"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "expected PEM; an encrypted key needs its KAFKA_SSL_KEY_PASSWORD"
