"""One span for each message that is traced, whatever becomes of it, and facts go on from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import NoOpTracer, SpanKind, TraceFlags

from shared.contract.message import Message
from shared.messaging.spans import SpanMaker
from tests.support.clusters import Sent
from tests.support.messaging import CrashAt, World

TRACE, UPSTREAM = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = f"00-{TRACE}-{UPSTREAM}-01"
NOT_WANTED = f"00-{TRACE}-{UPSTREAM}-00"


@dataclass
class Seen:
    """The spans of a world, which have ended."""

    exported: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def follow(self, world: World, *, begins: bool = False, sampler: Sampler | None = None) -> None:
        """Follow what processes of the world handle from now on."""
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exported))
        begin_in = {world.inbound} if begins else frozenset[str]()
        world.traces = SpanMaker(provider.get_tracer("tests"), begin_in).begin

    def by_offset(self) -> list[ReadableSpan]:
        spans = self.exported.get_finished_spans()
        return sorted(spans, key=lambda span: (_of(span)["messaging.kafka.offset"], span.name))


@pytest.fixture
def seen() -> Seen:
    return Seen()


def _of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _traceparent(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


async def _parents(world: World) -> list[str | None]:
    """Of each fact that was said, what it goes on from."""
    records = await world.cluster.read(world.facts)
    said = [dict(record.headers).get("traceparent") for record in records]
    return [None if parent is None else parent.decode() for parent in said]


async def test_a_span_goes_on_from_upstream_and_facts_go_on_from_it(
    world: World, seen: Seen
) -> None:
    seen.follow(world)
    await world.send(Sent("a", 1, partition=0, trace=TRACED))
    async with world.running():
        await world.settled(1)
    (span,) = seen.by_offset()
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, UPSTREAM)
    assert span.name == f"process {world.inbound}"
    assert span.kind is SpanKind.CONSUMER
    assert span.status.is_unset
    assert _of(span) == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": world.inbound,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "cloudevents.event_type": "Told",
        "steward.outcome": "accepted",
    }
    assert await _parents(world) == [_traceparent(span)]


async def test_a_span_says_what_became_of_its_message(world: World, seen: Seen) -> None:
    seen.follow(world)
    sent = (
        Sent("a", 0, "decline", partition=0, trace=TRACED),
        Sent("b", 1, "wait", partition=0, trace=TRACED),
        Sent("c", 2, "mark", partition=0, trace=TRACED),
        Sent("c", 3, partition=0, trace=TRACED),
        Sent("d", 4, "fail", partition=0, trace=TRACED),
        Sent("e", 5, partition=0, id="twice", trace=TRACED),
        Sent("e", 5, partition=0, id="twice", trace=TRACED),
        Sent("f", 6, partition=0, body=b"{", trace=TRACED),
        Sent("g", 7, partition=0, kind="Boring", trace=TRACED),
        Sent("h", 8, partition=0, kind="h@example.org", trace=TRACED),
    )
    await world.send(*sent)
    async with world.running():
        await world.settled(len(sent))
    told = [
        (
            _of(span)["messaging.kafka.offset"],
            _of(span)["steward.outcome"],
            _of(span).get("error.type"),
        )
        for span in seen.by_offset()
    ]
    assert told == [
        (0, "refused", None),
        (1, "waiting", None),
        (2, "dead_letter", "told_to_mark"),
        (3, "parked", None),
        (4, "dead_letter", "told_to_fail"),
        (5, "accepted", None),
        (6, "duplicate", None),
        (7, "dead_letter", "json_broken"),
        (9, "dead_letter", "type_unknown"),
    ]
    failed = [_of(span)["messaging.kafka.offset"] for span in seen.by_offset() if _failed(span)]
    assert failed == [2, 4, 7, 9]
    assert all("h@example.org" not in str(span.to_json()) for span in seen.by_offset())


def _failed(span: ReadableSpan) -> bool:
    assert span.status.description is None
    assert span.events == ()
    return not span.status.is_unset


async def test_what_was_rolled_back_is_not_told(world: World, seen: Seen) -> None:
    seen.follow(world)
    tried = 0

    async def fail_once(messages: Sequence[Message[Any]]) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise ConnectionResetError

    world.before_handling = fail_once
    await world.send(*(Sent(f"key-{n}", n, partition=0, trace=TRACED) for n in range(3)))
    async with world.running():
        await world.settled(3)
    assert tried == 2
    spans = seen.by_offset()
    assert [_of(span)["messaging.kafka.offset"] for span in spans] == [0, 1, 2]
    assert sorted(map(_traceparent, spans)) == sorted(map(str, await _parents(world)))


async def test_a_process_that_died_before_it_committed_told_nothing(
    world: World, seen: Seen
) -> None:
    seen.follow(world)
    await world.send(Sent("a", 1, trace=TRACED))
    crash = CrashAt("handled")
    async with world.running(crash):
        await crash.happened.wait()
    assert seen.by_offset() == []
    async with world.running():
        await world.settled(1)
    (span,) = seen.by_offset()
    assert await _parents(world) == [_traceparent(span)]


@pytest.mark.parametrize("begins", [True, False])
async def test_a_message_without_a_trace_begins_one_where_it_comes_in(
    world: World, seen: Seen, begins: bool
) -> None:
    seen.follow(world, begins=begins)
    await world.send(Sent("a", 1))
    async with world.running():
        await world.settled(1)
    spans = seen.by_offset()
    assert [span.parent for span in spans] == ([None] if begins else [])
    assert await _parents(world) == ([_traceparent(spans[0])] if begins else [None])


@pytest.mark.parametrize("upstream", [NOT_WANTED, None])
async def test_what_the_sampler_leaves_out_is_not_told_by_those_after_either(
    world: World, seen: Seen, upstream: str | None
) -> None:
    seen.follow(world, begins=True, sampler=ParentBased(ALWAYS_OFF))
    await world.send(Sent("a", 1, trace=upstream))
    async with world.running():
        await world.settled(1)
    assert seen.by_offset() == []
    (parent,) = await _parents(world)
    assert parent is not None
    assert not int(parent[-2:], 16) & TraceFlags.SAMPLED
    assert upstream is None or parent.startswith(f"00-{TRACE}-")


async def test_where_the_sdk_is_disabled_facts_go_on_from_upstream(world: World) -> None:
    world.traces = SpanMaker(NoOpTracer(), {world.inbound}).begin
    await world.send(Sent("a", 1, partition=0, trace=TRACED), Sent("a", 2, partition=0))
    async with world.running():
        await world.settled(2)
    assert await _parents(world) == [TRACED, None]


async def test_without_anybody_who_follows_facts_go_on_from_upstream(world: World) -> None:
    await world.send(Sent("a", 1, trace=TRACED))
    async with world.running():
        await world.settled(1)
    assert await _parents(world) == [TRACED]
