"""The composition of a service's process: consumer, relay, maintenance, and its own loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.messaging.consumers import consumers_of
from shared.messaging.kafka import KafkaTransport
from shared.messaging.maintenance import Maintenance
from shared.messaging.processing import Tools
from shared.messaging.relay import relays
from shared.messaging.service import Service
from shared.messaging.told import Telling
from shared.messaging.transport import Transport
from shared.runtime.application import Application
from shared.runtime.secrets import SecretsFolder

if TYPE_CHECKING:
    from shared.runtime.tracing import SpanSender


async def run_service(service: Service) -> None:
    """Run everything that a service's process does until it is told to stop.

    Raises `SecretsError`.
    """
    settings = service.settings
    sender = _span_sender(service)
    application = compose(service, KafkaTransport(settings), _tools(sender))
    if sender is not None:
        application.on_stop("traces", sender.close)
    await application.run()


def _span_sender(service: Service) -> SpanSender | None:
    """None where nothing takes traces: then OpenTelemetry is not even imported."""
    endpoint = service.settings.otlp_endpoint
    if endpoint is None:
        return None
    from shared.runtime.tracing import SpanSender

    return SpanSender(service.name, endpoint)


def _tools(sender: SpanSender | None) -> Tools:
    if sender is None:
        return Tools()
    from shared.messaging.spans import SpanMaker

    return Tools(traces=SpanMaker(sender.tracer()).begin)


def compose(service: Service, transport: Transport, tools: Tools) -> Application:
    """The same, ready to run, from parts that a test or a benchmark chooses."""
    settings = service.settings
    application = Application(service.name, settings, routes=service.routes)
    consumers = consumers_of(
        service,
        transport,
        application.heartbeats,
        inbox_key=SecretsFolder(settings.secrets).inbox_key(),
        tools=tools,
    )
    maintenance = Maintenance(service, list(consumers.values()), transport, now=tools.now)
    for name, consumer in consumers.items():
        application.loop(f"{name} consumer".lstrip(), consumer.run)
    if settings.hears != "urgent":
        # What is said by who hears nothing but that is published by who hears the rest.
        for relay in relays(service.name, settings, transport, tools.steps):
            application.loop(f"relay {relay.lane}", relay.run)
    application.loop("offsets", Telling(service.pool, consumers.values()).run)
    application.loop("maintenance", maintenance.run)
    for name, run in service.loops.items():
        application.loop(name, run)
    return application
