"""How Kafka is connected to: what fits together is used, all else is refused before a start."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509

from shared.local.ports import HOST
from shared.runtime.cluster import CertificateError, Cluster, Tls
from shared.runtime.settings import KafkaSettings, SettingsError
from tests.support.certificates import Authority

PASSWORD, OTHER = secrets.token_hex(), secrets.token_hex()
SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "one:9092"}
BY_TLS = {**SERVERS, "KAFKA_SECURITY_PROTOCOL": "SSL"}
LOGIN = {
    **SERVERS,
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_USERNAME": "steward",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_without_more_than_an_address_all_goes_in_clear() -> None:
    cluster = KafkaSettings.load(SERVERS).cluster
    assert cluster == Cluster("one:9092")
    assert cluster.client_options() == {"bootstrap_servers": "one:9092"}


def test_a_certificate_and_its_key_are_shown(authority: Authority) -> None:
    shown = authority.certify("client")
    environ = {
        **BY_TLS,
        "KAFKA_SSL_CA_LOCATION": str(authority.ca),
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(shown.certificate),
        "KAFKA_SSL_KEY_LOCATION": str(shown.key),
    }
    cluster = KafkaSettings.load(environ).cluster
    assert cluster.tls is not None
    assert [one["subject"] for one in cluster.tls.context.get_ca_certs()] == [
        ((("commonName", "authority"),),)
    ]
    assert cluster.client_options() == {
        "bootstrap_servers": "one:9092",
        "security_protocol": "SSL",
        "ssl_context": cluster.tls.context,
    }


def test_a_broker_must_be_who_was_called_and_trusted(authority: Authority) -> None:
    tls = KafkaSettings.load({**BY_TLS, "KAFKA_SSL_CA_LOCATION": str(authority.ca)}).cluster.tls
    assert tls is not None
    assert tls.context.check_hostname
    assert tls.context.verify_mode.name == "CERT_REQUIRED"


def test_an_encrypted_key_is_opened_by_its_password(authority: Authority) -> None:
    shown = authority.certify("client", password=PASSWORD)
    environ = {
        **BY_TLS,
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(shown.certificate),
        "KAFKA_SSL_KEY_LOCATION": str(shown.key),
    }
    KafkaSettings.load({**environ, "KAFKA_SSL_KEY_PASSWORD": PASSWORD})
    for given in ({}, {"KAFKA_SSL_KEY_PASSWORD": OTHER}):
        with pytest.raises(SettingsError, match="KAFKA_SSL_KEY_PASSWORD") as caught:
            KafkaSettings.load({**environ, **given})
        assert PASSWORD not in str(caught.value)
        assert OTHER not in str(caught.value)


def test_a_login_goes_by_tls_and_is_not_shown() -> None:
    settings = KafkaSettings.load(LOGIN)
    options = settings.cluster.client_options()
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "steward"
    assert options["sasl_plain_password"] == PASSWORD
    assert PASSWORD not in f"{settings!r} {settings.cluster!r}"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({**SERVERS, "KAFKA_SSL_CA_LOCATION": "ca.pem"}, "needs KAFKA_SECURITY_PROTOCOL=SSL"),
        ({**SERVERS, "KAFKA_SSL_KEY_PASSWORD": OTHER}, "needs KAFKA_SECURITY_PROTOCOL=SSL"),
        ({**BY_TLS, "KAFKA_SASL_USERNAME": "steward"}, "needs KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ({**SERVERS, "KAFKA_SASL_PASSWORD": OTHER}, "needs KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ({**BY_TLS, "KAFKA_SSL_KEY_LOCATION": "key"}, "needs KAFKA_SSL_CERTIFICATE_LOCATION"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD": ""}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        ({**SERVERS, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "'PLAINTEXT', 'SSL' or 'SASL"),
        (
            {**BY_TLS, "KAFKA_SSL_CA_LOCATION": "missing.pem"},
            "KAFKA_SSL_CA_LOCATION: expected a file",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KafkaSettings.load(environ)
    assert expected in str(caught.value)


def test_a_file_that_is_something_else_is_named_by_its_variable(
    authority: Authority, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("canary")
    one, other = authority.certify("one"), authority.certify("other")
    with pytest.raises(SettingsError, match="KAFKA_SSL_CA_LOCATION: expected PEM"):
        KafkaSettings.load({**BY_TLS, "KAFKA_SSL_CA_LOCATION": str(text)})
    environ = {**BY_TLS, "KAFKA_SSL_CERTIFICATE_LOCATION": str(one.certificate)}
    with pytest.raises(SettingsError, match="the key is not that of the certificate"):
        KafkaSettings.load({**environ, "KAFKA_SSL_KEY_LOCATION": str(other.key)})


async def test_a_certificate_that_was_replaced_is_shown_from_the_next_connection_on(
    authority: Authority,
) -> None:
    first = authority.certify("client")
    tls = Tls(ca=authority.ca, certificate=first.certificate, key=first.key)
    async with listening(authority) as shown_to_server:
        before = await shown_to_server(tls)
        assert not tls.renew()
        authority.certify("client")
        assert tls.renew()
        after = await shown_to_server(tls)
        assert before != after
        assert (
            tls.expiry
            == x509.load_pem_x509_certificate(first.certificate.read_bytes()).not_valid_after_utc
        )
        assert after == serial_of(first.certificate)


async def test_what_is_replaced_by_halves_is_not_used_before_it_is_whole(
    authority: Authority,
) -> None:
    shown, other = authority.certify("client"), authority.certify("other")
    tls = Tls(ca=authority.ca, certificate=shown.certificate, key=shown.key)
    old = serial_of(shown.certificate)
    async with listening(authority) as shown_to_server:
        shutil.copy(other.certificate, shown.certificate)
        with pytest.raises(CertificateError, match="the key is not that of the certificate"):
            tls.renew()
        assert not tls.renew()  # told once
        assert await shown_to_server(tls) == old
        shutil.copy(other.key, shown.key)
        assert tls.renew()
        assert await shown_to_server(tls) == serial_of(other.certificate)


def serial_of(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


@asynccontextmanager
async def listening(
    authority: Authority,
) -> AsyncIterator[Callable[[Tls], Awaitable[int]]]:
    """A server that asks for certificates; gives who connects and tells which one it was shown."""
    own = authority.certify("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
    context.load_cert_chain(own.both)
    context.verify_mode = ssl.CERT_REQUIRED
    shown: asyncio.Queue[int] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        shown.put_nowait(x509.load_der_x509_certificate(certificate).serial_number)
        writer.close()

    async def connect(tls: Tls) -> int:
        _, writer = await asyncio.open_connection(HOST, port, ssl=tls.context)
        serial = await shown.get()
        writer.close()
        return serial

    async with await asyncio.start_server(answer, HOST, 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        yield connect
