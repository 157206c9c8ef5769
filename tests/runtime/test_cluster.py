"""How Kafka is connected to: what fits together is used, all else is refused before a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime.cluster import Cluster
from shared.runtime.settings import KafkaSettings, SettingsError
from tests.support.certificates import Authority

SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "one:9092"}
TLS = {**SERVERS, "KAFKA_SECURITY_PROTOCOL": "SSL"}
LOGIN = {
    **SERVERS,
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_USERNAME": "steward",
    "KAFKA_SASL_PASSWORD": "canary-secret",
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
        **TLS,
        "KAFKA_SSL_CA_LOCATION": str(authority.ca),
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(shown.certificate),
        "KAFKA_SSL_KEY_LOCATION": str(shown.key),
    }
    cluster = KafkaSettings.load(environ).cluster
    assert cluster.tls is not None
    assert [one["subject"] for one in cluster.tls.get_ca_certs()] == [
        ((("commonName", "authority"),),)
    ]
    assert cluster.client_options() == {
        "bootstrap_servers": "one:9092",
        "security_protocol": "SSL",
        "ssl_context": cluster.tls,
    }


def test_a_broker_must_be_who_was_called_and_trusted(authority: Authority) -> None:
    tls = KafkaSettings.load({**TLS, "KAFKA_SSL_CA_LOCATION": str(authority.ca)}).cluster.tls
    assert tls is not None
    assert tls.check_hostname
    assert tls.verify_mode.name == "CERT_REQUIRED"


def test_an_encrypted_key_is_opened_by_its_password(authority: Authority) -> None:
    shown = authority.certify("client", password="canary-password")  # noqa: S106 - of a key made here
    environ = {
        **TLS,
        "KAFKA_SSL_CERTIFICATE_LOCATION": str(shown.certificate),
        "KAFKA_SSL_KEY_LOCATION": str(shown.key),
    }
    KafkaSettings.load({**environ, "KAFKA_SSL_KEY_PASSWORD": "canary-password"})
    for given in ({}, {"KAFKA_SSL_KEY_PASSWORD": "canary-other"}):
        with pytest.raises(SettingsError, match="KAFKA_SSL_KEY_PASSWORD") as caught:
            KafkaSettings.load({**environ, **given})
        assert "canary" not in str(caught.value)


def test_a_login_goes_by_tls_and_is_not_shown() -> None:
    settings = KafkaSettings.load(LOGIN)
    options = settings.cluster.client_options()
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "steward"
    assert options["sasl_plain_password"] == "canary-secret"  # noqa: S105 - of nothing
    assert "canary" not in f"{settings!r} {settings.cluster!r}"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({**SERVERS, "KAFKA_SSL_CA_LOCATION": "ca.pem"}, "needs KAFKA_SECURITY_PROTOCOL=SSL"),
        ({**TLS, "KAFKA_SASL_USERNAME": "steward"}, "needs KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ({**TLS, "KAFKA_SSL_KEY_LOCATION": "key"}, "needs KAFKA_SSL_CERTIFICATE_LOCATION"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD": ""}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        ({**SERVERS, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "'PLAINTEXT', 'SSL' or 'SASL"),
        ({**TLS, "KAFKA_SSL_CA_LOCATION": "missing.pem"}, "KAFKA_SSL_CA_LOCATION: expected a file"),
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
        KafkaSettings.load({**TLS, "KAFKA_SSL_CA_LOCATION": str(text)})
    environ = {**TLS, "KAFKA_SSL_CERTIFICATE_LOCATION": str(one.certificate)}
    with pytest.raises(SettingsError, match="the key is not that of the certificate"):
        KafkaSettings.load({**environ, "KAFKA_SSL_KEY_LOCATION": str(other.key)})
