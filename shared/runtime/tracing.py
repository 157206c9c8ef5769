"""Sends spans to whatever takes OTLP over HTTP (OpenTelemetry's protocol), beside all else.

What is not in `ServiceSettings`, OpenTelemetry's SDK reads from its own variables: `OTEL_TRACES_…`,
`OTEL_EXPORTER_OTLP_…`, `OTEL_BSP_…`. Imported only where spans are sent: it is large.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

MOST_WAITING: Final = 8_192
"""Spans that wait to be sent: those of a batch all end at once. Further ones are dropped."""

PATH: Final = "/v1/traces"
"""Where below an endpoint traces are taken (OTLP 1.10, section OTLP/HTTP request)."""


class SpanSender:
    """Collects the spans of one service and sends them from a thread of its own.

    Whether they arrive is of no concern to the service: what cannot be sent is told to the log and
    dropped.
    """

    def __init__(self, service: str, endpoint: str) -> None:
        about = Resource.create({"service.namespace": "steward", "service.name": service})
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH)
        self._provider = TracerProvider(resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, MOST_WAITING))

    def tracer(self) -> Tracer:
        """Makes spans that are sent once they have ended."""
        return self._provider.get_tracer("steward")

    async def close(self) -> None:
        """Send what is left. Can be given up at any time: nothing waits for the thread."""
        running = asyncio.get_running_loop()
        closed = asyncio.Event()

        def close() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # given up: the loop is closed by now
                running.call_soon_threadsafe(closed.set)

        threading.Thread(target=close, name="sends the last spans", daemon=True).start()
        await closed.wait()
