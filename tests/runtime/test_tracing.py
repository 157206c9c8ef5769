"""Spans reach a collector, and a collector that does not answer is nobody's concern."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from shared.runtime.settings import ServiceSettings, SettingsError
from shared.runtime.tracing import SpanSender
from tests.support.collector import collecting
from tests.support.waiting import eventually

ADDRESSES = {"KAFKA_BOOTSTRAP_SERVERS": "one:9092", "DATABASE_URL": "postgresql://one/d"}

LARGE = {"opentelemetry.sdk", "opentelemetry.trace", "opentelemetry.exporter", "requests"}

IMPORTED = """
import sys
import services.registration.app, services.cli.run, shared.messaging.application
print(*sys.modules)
"""


async def test_what_is_left_is_sent_at_the_end() -> None:
    async with collecting() as (collector, endpoint):
        sender = SpanSender("consent", f"{endpoint}/")
        sender.tracer().start_span("process registration").end()
        await sender.close()
        (span,) = collector.spans()
    assert (span.service, span.name, span.parent) == ("consent", "process registration", "")


async def test_a_collector_that_refuses_loses_spans_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    async with collecting() as (collector, endpoint):
        sender = SpanSender("consent", endpoint)
        collector.status = 500
        sender.tracer().start_span("lost").end()
        await eventually(lambda: collector.asked == 1)
        collector.status = 200
        sender.tracer().start_span("arrives").end()
        await sender.close()
        assert [span.name for span in collector.spans()] == ["arrives"]


async def test_a_stop_need_not_wait_for_a_collector_that_is_away() -> None:
    sender = SpanSender("consent", "http://127.0.0.1:1")
    sender.tracer().start_span("process registration").end()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await sender.close()


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    command = [sys.executable, "-c", IMPORTED]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not LARGE & set(said.stdout.split())


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", r"expected http://host\[:port\]"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", r"'http/protobuf'"),
    ],
)
def test_what_cannot_be_sent_to_is_named(variable: str, value: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: .*{wanted}") as refused:
        ServiceSettings.load({**ADDRESSES, variable: value})
    assert value not in str(refused.value)
