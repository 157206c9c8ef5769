"""Servers that speak TLS alone, with clients that show a certificate: the whole of Steward on them.

The notice promises protection by certificates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from services.cli.publishing import Report, publish
from services.cli.system import Options, Ports, System, running_system
from shared.contract.topics import topic
from shared.local.kafka import missing_from_kafka
from shared.local.postgres import missing_from_postgres
from shared.messaging.offsets import bounds_of, open_reader
from shared.runtime.cluster import Cluster, Tls
from shared.runtime.settings import KafkaSettings
from tests.conftest import ROOT
from tests.support.certificates import LOGIN, Authority, Certified, GuardedKafka, GuardedPostgres
from tests.support.messaging import until

DAY = ROOT / "examples" / "day.jsonl"
MESSAGES = 60
WITHIN_S = 30.0

IN_CLEAR = """
select usename from pg_stat_ssl join pg_stat_activity using (pid)
 where backend_type = 'client backend' and (not ssl or client_dn is null)
"""

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Guarded:
    """Both servers, who signs for them, and what a client shows."""

    kafka: GuardedKafka
    postgres: GuardedPostgres
    authority: Authority
    client: Certified

    @property
    def environ(self) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_LOCATION": str(self.authority.ca),
            "KAFKA_SSL_CERTIFICATE_LOCATION": str(self.client.certificate),
            "KAFKA_SSL_KEY_LOCATION": str(self.client.key),
            "DATABASE_URL": self.postgres.url_with(self.client),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder)
    kafka = GuardedKafka(folder / "kafka", authority)
    postgres = GuardedPostgres(folder / "postgres", authority)
    async with kafka, postgres:
        await postgres.guard()
        yield Guarded(kafka, postgres, authority, authority.certify("steward"))


async def test_everything_goes_by_tls_with_certificates_of_clients(
    guarded: Guarded, tmp_path: Path
) -> None:
    options = Options(
        home=tmp_path,
        plan=ROOT / "plan.toml",
        ports=Ports(any_free=True),
        services=("registration", "audit"),
        environ=guarded.environ,
    )
    lines = BytesIO(b"".join(DAY.read_bytes().splitlines(keepends=True)[:MESSAGES]))
    async with running_system(options) as system:
        assert not system.not_ready
        await publish(lines, system.cluster, Report(), lambda _: None)
        await _heard(system)
        connection = await asyncpg.connect(system.database_url)
        try:
            in_clear = await connection.fetch(IN_CLEAR)
        finally:
            await connection.close()
    assert in_clear == []


async def _heard(system: System) -> None:
    """Until facts about people who registered stand in their topic."""
    spec = topic("registration")
    partitions = [(spec.name, number) for number in range(spec.partitions)]
    async with open_reader(system.cluster) as reader:

        async def something_is_there() -> bool:
            return any(bounds.end for bounds in (await bounds_of(reader, partitions)).values())

        await until(something_is_there, WITHIN_S)


async def test_a_kafka_that_is_not_agreed_with_is_told_apart(guarded: Guarded) -> None:
    servers, authority = guarded.kafka.bootstrap_servers, guarded.authority
    other = Authority(authority.ca.parent, "other")
    stranger = other.certify("stranger").both
    assert await missing_from_kafka(KafkaSettings.load(guarded.environ).cluster) is None
    for tls in (
        Tls(ca=authority.ca),
        Tls(ca=authority.ca, certificate=stranger),
    ):
        said = await missing_from_kafka(Cluster(servers, tls))
        assert said is not None
        assert "do not agree on certificates" in said
    not_trusted = Tls(ca=other.ca, certificate=guarded.client.both)
    said = await missing_from_kafka(Cluster(servers, not_trusted))
    assert said is not None
    assert "CERTIFICATE_VERIFY_FAILED" in said


@pytest.mark.parametrize("right", [True, False])
async def test_a_password_goes_by_tls_alone(guarded: Guarded, right: bool) -> None:
    kafka = guarded.kafka
    settings = KafkaSettings.load(
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.servers_with_password,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA_LOCATION": str(guarded.authority.ca),
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": LOGIN,
            "KAFKA_SASL_PASSWORD": kafka.password if right else kafka.password[::-1],
        }
    )
    said = await missing_from_kafka(settings.cluster)
    if right:
        assert said is None
    else:
        assert said is not None
        assert "does not know KAFKA_SASL_USERNAME" in said


async def test_a_database_lets_nobody_in_without_a_certificate_it_trusts(guarded: Guarded) -> None:
    stranger = Authority(guarded.authority.ca.parent, "elsewhere").certify("nobody")
    assert await missing_from_postgres(guarded.postgres.url_with(guarded.client)) is None
    assert await missing_from_postgres(guarded.postgres.url) is not None
    assert await missing_from_postgres(guarded.postgres.url_with(stranger)) is not None
