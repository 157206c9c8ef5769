"""The composition of a service's process: consumer, relay, maintenance, and its own loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.messaging.consumer import Consumer
from shared.messaging.kafka import KafkaTransport
from shared.messaging.maintenance import Maintenance
from shared.messaging.processing import Tools
from shared.messaging.relay import relays
from shared.messaging.service import RecordSealer, Service
from shared.messaging.subscription import Subscription
from shared.messaging.transport import Transport
from shared.runtime.application import Application, LoopFunction
from shared.runtime.database import Pool
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings


def build_application(
    service: str,
    settings: ServiceSettings,
    *,
    pool: Pool,
    sealer: RecordSealer,
    subscriptions: Sequence[Subscription],
    loops: Mapping[str, LoopFunction] | None = None,
) -> Application:
    """Everything that a service's process does, ready to `run`. Raises `SecretsError`."""
    parts = Service(service, settings, pool, sealer, subscriptions, loops or {})
    return compose(parts, KafkaTransport(settings), Tools())


def compose(service: Service, transport: Transport, tools: Tools) -> Application:
    """The same from parts that a test or a benchmark chooses."""
    settings = service.settings
    application = Application(service.name, settings)
    consumer = Consumer(
        service,
        transport,
        application.heartbeats,
        inbox_key=SecretsFolder(settings.secrets).inbox_key(),
        tools=tools,
    )
    maintenance = Maintenance(service, consumer, transport, now=tools.now)
    if service.subscriptions:
        application.loop("consumer", consumer.run)
    for relay in relays(service.name, settings, transport, tools.steps):
        application.loop(f"relay {relay.lane}", relay.run)
    application.loop("maintenance", maintenance.run)
    for name, run in service.loops.items():
        application.loop(name, run)
    return application
