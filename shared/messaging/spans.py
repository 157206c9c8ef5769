"""A message's way through this service as a span of OpenTelemetry.

One span for each message that is traced, in each service that handles it: the attempt that
committed. Facts that are said because of the message go on from that span, so that one trace leads
from upstream to the audit log. A span holds what metrics and dead letters show and no more: where
the record stood, a registered type, the outcome, a reason code.

Names and attributes: OpenTelemetry's semantic conventions for messaging spans, Kafka, CloudEvents.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.contract.headers import TRACE_PARENT
from shared.contract.topics import INBOUND
from shared.messaging.places import Place, place_of
from shared.messaging.planning import Taken
from shared.messaging.round import Round

_W3C: Final = TraceContextTextMapPropagator()


class Spans:
    """The spans of one try at a batch."""

    def __init__(self, begun: Mapping[Place, Span]) -> None:
        self._begun = begun
        self.parents = {
            place: parent
            for place, span in begun.items()
            if (parent := _traceparent(span)) is not None
        }

    def end(self, round_: Round) -> None:
        """Say of each what became of its message."""
        if not self._begun:
            return
        outcomes = round_.exceptions()
        reasons = {
            place_of(one.taken.record): one.fault.reason
            for one in round_.buried
            if one.outcome == "dead_letter"
        }
        for place, span in self._begun.items():
            span.set_attribute("steward.outcome", outcomes.get(place, "accepted"))
            reason = reasons.get(place)
            if reason is not None:
                span.set_attribute("error.type", reason)
                span.set_status(StatusCode.ERROR)
            span.end()


class SpanMaker:
    """Begins the spans of one service."""

    def __init__(self, tracer: Tracer, begin_in: Collection[str] = INBOUND) -> None:
        """`begin_in`: topics of which a message that is in no trace may begin one, if the sampler
        wants it.
        """
        self._tracer = tracer
        self._begin_in = begin_in

    def begin(self, taken: Sequence[Taken]) -> Spans:
        """A span for each message that is in a trace or begins one, and is handled here."""
        return Spans(
            {
                place_of(one.record): self._begin(one, one.envelope.traceparent)
                for one in taken
                if one.envelope is not None
                and not one.ignored
                and (one.envelope.traceparent is not None or one.record.topic in self._begin_in)
            }
        )

    def _begin(self, taken: Taken, parent: str | None) -> Span:
        record = taken.record
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        }
        if taken.type is not None:
            attributes["cloudevents.event_type"] = taken.type
        return self._tracer.start_span(
            f"process {record.topic}",
            Context() if parent is None else _W3C.extract({TRACE_PARENT: parent}),
            SpanKind.CONSUMER,
            attributes,
        )


def _traceparent(span: Span) -> str | None:
    """None of a span that is none, as there are where the SDK is disabled."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span))
    return carrier.get(TRACE_PARENT)
