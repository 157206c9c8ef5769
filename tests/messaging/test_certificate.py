"""A certificate that is replaced while a service runs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.messaging.maintenance import Maintenance
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.health import Heartbeats
from tests.conftest import SettingsFactory
from tests.support.certificates import Authority
from tests.support.clusters import MemoryCluster
from tests.support.messaging import SCHEMA, World, open_world
from tests.support.reading import OnceReachedLog, reading


async def test_it_is_taken_up_and_half_a_one_is_told_of(
    database: str, service_settings: SettingsFactory, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    shown, other = authority.certify("client"), authority.certify("other")
    settings = service_settings(
        SCHEMA,
        kafka_bootstrap_servers="127.0.0.1:1",
        kafka_security_protocol="SSL",
        kafka_ssl_certificate_location=shown.certificate,
        kafka_ssl_key_location=shown.key,
    )
    async with open_world(MemoryCluster(), database, settings) as world:
        lines = await rounds(
            world,
            lambda: shutil.copy(other.certificate, shown.certificate),
            lambda: shutil.copy(other.key, shown.key),
        )
    (own,) = x509.load_pem_x509_certificates(other.certificate.read_bytes())
    until = REGISTRY.get_sample_value("steward_certificate_expiry_timestamp_seconds")
    assert until == own.not_valid_after_utc.timestamp()
    assert lines == ["a new certificate cannot be used", "another certificate is shown to Kafka"]


async def rounds(world: World, *before: Callable[[], object]) -> list[str]:
    """Run maintenance, with something done before each round but the first; what it says. Kafka
    lets nobody in any more: the certificate has ended.
    """
    transport = world.cluster.transport(world.service.settings)
    consumer = await reading(world, OnceReachedLog())
    heartbeats, stopping, left = Heartbeats(), asyncio.Event(), list(before)
    heartbeats.expect("maintenance", 30)

    class HurriedLoop(Loop):
        async def pause(self, seconds: float) -> None:
            if left:
                left.pop(0)()
            else:
                stopping.set()

    maintenance = Maintenance(world.service, [consumer], transport, now=utc_now)
    with capture_logs() as lines:
        await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    return [
        line["event"].removesuffix(" from now on")
        for line in lines
        if "certificate" in line["event"]
    ]
