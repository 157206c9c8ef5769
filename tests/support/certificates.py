"""Certificates of an authority that is made anew for each test, and servers that demand them."""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.local.kafka import LocalKafka, _Node, missing_from_kafka
from shared.local.ports import HOST, choose_port
from shared.local.postgres import LocalPostgres
from shared.local.process import Process
from shared.runtime.cluster import Cluster, Tls

LOGIN = "steward"
_VALID = timedelta(hours=1)


@dataclass(frozen=True)
class Certified:
    """PEM files of a certificate and its key, and one with both, as Kafka wants them."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates for this machine; its own is the file `ca`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = folder / f"{name}.pem"
        own = self._sign(self._name, self._key.public_key(), authority=True)
        self.ca.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certify(self, name: str, *, password: str | None = None) -> Certified:
        """A certificate of this common name, for this machine; `password` encrypts its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = self._sign(subject, key.public_key())
        certificate = signed.public_bytes(serialization.Encoding.PEM)
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password.encode())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        files = Certified(*(self._folder / f"{name}.{kind}" for kind in ("crt", "key", "pem")))
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(private)
        files.key.chmod(0o600)
        files.both.write_bytes(private + certificate)
        return files

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        address = x509.IPAddress(ipaddress.ip_address(HOST))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _VALID)
            .not_valid_after(now + _VALID)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class GuardedKafka(LocalKafka):
    """One broker that speaks TLS alone, at one port with who shows a certificate of the authority,
    at another with who knows a password.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        self.password = secrets.token_hex()
        self._second = choose_port(None, option="--kafka-port")
        self._authority = authority
        self._own = authority.certify("broker")

    @property
    def servers_with_password(self) -> str:
        """Where a password is asked for, of the user `LOGIN`."""
        return f"{HOST}:{self._second}"

    def _configure(self, node: _Node) -> None:
        super()._configure(node)
        text = node.configuration.read_text("utf-8")
        second = f"SASL_SSL://{HOST}:{self._second}"
        text = text.replace("=PLAINTEXT://", f"={second},SSL://")
        text = text.replace("PLAINTEXT:PLAINTEXT", "SASL_SSL:SASL_SSL,SSL:SSL")
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        guarded = {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'{module} required user_{LOGIN}="{self.password}";'
            ),
            "security.inter.broker.protocol": "SSL",
            "ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._own.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.ca,
        }
        lines = "".join(f"{name}={value}\n" for name, value in guarded.items())
        node.configuration.write_text(text + lines, "utf-8")

    def _tls(self) -> Tls:
        return Tls(ca=self._authority.ca, certificate=self._own.both)

    def _process(self, java: tuple[str, ...], node: _Node) -> Process:
        cluster = Cluster(f"{HOST}:{node.port}", self._tls())
        return replace(super()._process(java, node), ready=lambda: missing_from_kafka(cluster))


class GuardedPostgres(LocalPostgres):
    """A PostgreSQL that speaks TLS alone, once `guard` was called, and only with who shows a
    certificate of the authority beside a password.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        self._authority = authority

    async def guard(self) -> None:
        """From now on nobody is let in otherwise."""
        own = self._authority.certify("database")
        connection = await asyncpg.connect(self.url)
        try:
            data = Path(await connection.fetchval("show data_directory"))
            _give(data, own.certificate, own.key, self._authority.ca)
            await connection.execute("alter system set ssl = on")
            await connection.execute(f"alter system set ssl_cert_file = '{own.certificate.name}'")
            await connection.execute(f"alter system set ssl_key_file = '{own.key.name}'")
            await connection.execute(f"alter system set ssl_ca_file = '{self._authority.ca.name}'")
            rule = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
            (data / "pg_hba.conf").write_text(rule)
            await connection.execute("select pg_reload_conf()")
        finally:
            await connection.close()

    def url_with(self, shown: Certified) -> str:
        """The administrator's, for who shows this certificate."""
        query = {
            "sslmode": "verify-full",
            "sslrootcert": self._authority.ca,
            "sslcert": shown.certificate,
            "sslkey": shown.key,
        }
        return f"{self.url}?{urlencode(query)}"


def _give(data: Path, *files: Path) -> None:
    """Copy files to where the server's user alone may read them."""
    owner = data.stat()
    for file in files:
        copied = data / file.name
        shutil.copy(file, copied)
        os.chown(copied, owner.st_uid, owner.st_gid)
        copied.chmod(0o600)
