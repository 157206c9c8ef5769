"""Takes spans as a collector of OpenTelemetry's does: OTLP over HTTP, protobuf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.runtime.http import HttpServer


@dataclass(frozen=True, slots=True)
class Collected:
    """One span as it arrived; ids in hexadecimal, `parent` empty for the first of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str | int]
    failed: bool


@dataclass
class Collector:
    """What has arrived. `status` is what every request is answered with."""

    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    asked: int = 0

    def spans(self) -> list[Collected]:
        """All spans, in the order in which they came."""
        return [span for body in self.bodies for span in _read(body)]

    async def take(self, request: Request) -> Response:
        self.asked += 1
        body = await request.body()
        if self.status == 200:
            self.bodies.append(body)
        return Response(status_code=self.status, media_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """A collector on this machine, and its address for OTEL_EXPORTER_OTLP_ENDPOINT."""
    collector = Collector()
    routes = [Route("/v1/traces", collector.take, methods=["POST"])]
    server = HttpServer("127.0.0.1", 0, routes)
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


def has_way(spans: Sequence[Collected], way: Sequence[tuple[str, str]]) -> bool:
    """Whether some trace has spans of these services and names, each the parent of the next."""
    ends = {(span.trace, span.id) for span in spans if (span.service, span.name) == way[0]}
    for step in way[1:]:
        ends = {
            (span.trace, span.id)
            for span in spans
            if (span.service, span.name) == step and (span.trace, span.parent) in ends
        }
    return bool(ends)


def _read(body: bytes) -> Iterator[Collected]:
    request = ExportTraceServiceRequest.FromString(body)
    for of_resource in request.resource_spans:
        about = {one.key: one.value.string_value for one in of_resource.resource.attributes}
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                yield Collected(
                    service=about["service.name"],
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes={
                        one.key: one.value.int_value or one.value.string_value
                        for one in span.attributes
                    },
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )
