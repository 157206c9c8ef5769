"""What holds of the codec for any input: it never raises, loses nothing, and quotes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codec import decode, encode
from shared.contract.envelope import (
    NoMessageError,
    _common,
    _common_time,
    envelope_of,
    from_headers,
    read_envelope,
)
from shared.contract.inbound import EventAnnounced
from shared.contract.message import Envelope, Message, Outgoing, Undecodable
from shared.contract.registry import REGISTRY, Registered
from tests.support import golden
from tests.support.records import MadeRecord, accepted, binary, header_bytes, structured

ANNOUNCED: dict[str, Any] = golden.read("EventAnnounced", 1)["examples"][0]
REGISTERED = {"registration_number": "K-1", "event_number": "EV-1", "answers": {"name": "Äijö"}}

EXAMPLES = [pytest.param(kind, example, id=name) for name, kind, example in golden.examples()]


@pytest.mark.parametrize(("registered", "example"), EXAMPLES)
def test_what_is_encoded_is_decoded_as_it_was(
    registered: Registered, example: dict[str, Any]
) -> None:
    data = registered.model.model_validate(example)
    encoded = encode(
        Outgoing(data, uuid4(), uuid4(), "c"),
        id=uuid4(),
        source="/steward/x",
        now=datetime.now(UTC),
    )
    message = accepted(MadeRecord(encoded.value, header_bytes(encoded)))
    assert message.data == data
    assert message.surplus == ()


@given(
    title=st.dictionaries(
        st.from_regex(r"[a-z]{2,3}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300),
        min_size=1,
        max_size=5,
    ),
    starts_at=st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    capacity=st.none() | st.integers(1, 1_000_000),
)
def test_any_valid_announcement_survives_the_way(
    title: dict[str, str], starts_at: datetime, capacity: int | None
) -> None:
    data = EventAnnounced.model_validate(
        {
            **ANNOUNCED,
            "title": title,
            "starts_at": starts_at,
            "ends_at": starts_at,
            "capacity": capacity,
        }
    )
    encoded = encode(Outgoing(data, None), id=uuid4(), source="/x", now=datetime.now(UTC))
    assert accepted(MadeRecord(encoded.value, header_bytes(encoded))).data == data


KNOWN_HEADERS = st.sampled_from(
    ["content-type", "traceparent"]
    + [f"ce_{name}" for name in ("specversion", "id", "source", "type", "time", "dataschema")]
)
HEADER_BYTES = st.binary() | st.sampled_from(
    [b"1.0", b"application/json", b"application/cloudevents+json", b"EventAnnounced"]
)
Headers = tuple[tuple[str, bytes], ...]
ANY_HEADERS = st.lists(st.tuples(KNOWN_HEADERS | st.text(), HEADER_BYTES | st.none())).map(tuple)


USUAL_HEADERS = st.fixed_dictionaries(
    {"ce_specversion": st.just(b"1.0"), "ce_source": st.just(b"s"), "ce_type": st.just(b"T")},
    optional={
        "ce_id": st.binary() | st.text().map(str.encode),
        "ce_time": st.sampled_from([b"2026-09-01T08:00:00+03:00", b"now", b"2026-09-01T08:00"])
        | st.sampled_from([b"2026-09-01\x0008:00:00+03:00", b"", b"\xff", b"9" * 400, None]),
        "ce_subject": st.text().map(str.encode),
        "ce_snapshot": st.sampled_from([b"true", b"false", b"\xff"]),
        "ce_nofee": st.sampled_from([b"true", b"false", b"\xff"]),
        "ce_causationid": st.text(max_size=400).map(str.encode) | st.none(),
        "ce_dataschema": st.sampled_from([b"steward:T/2", b"steward:T/x", b"\xff"]),
        "traceparent": st.just(b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01") | st.binary(),
        "content-type": st.sampled_from([b"application/json", b"text/plain", b"text/json"]),
    },
)


@given(headers=USUAL_HEADERS)
def test_the_short_way_to_an_envelope_ends_where_the_long_one_does(
    headers: dict[str, bytes | None],
) -> None:
    assert outcome(envelope_of, headers) == outcome(
        lambda given: read_envelope(from_headers(given)), headers
    )


def test_nothing_that_upstream_makes_long_or_wrong_is_kept_in_memory() -> None:
    usual = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"s", "ce_type": b"T"}
    envelope_of({**usual, "ce_time": b"2026-09-01T08:00:00+03:00"})
    before = _common.cache_info().currsize, _common_time.cache_info().currsize
    for name in ("ce_type", "ce_time"):
        for value in (b"long" * 100_000, b"\xff" + CANARY.encode()):
            with pytest.raises(NoMessageError):
                envelope_of({**usual, name: value})
    assert (_common.cache_info().currsize, _common_time.cache_info().currsize) == before


def outcome(
    read: Callable[[Mapping[str, bytes | None]], Envelope], headers: Mapping[str, bytes | None]
) -> Envelope | str:
    try:
        return read(headers)
    except NoMessageError as fault:
        return f"{fault.reason}: {fault.detail}"


@given(value=st.none() | st.binary(), headers=ANY_HEADERS)
def test_decoding_never_raises_whatever_the_bytes_are(
    value: bytes | None, headers: Headers
) -> None:
    assert isinstance(decode(MadeRecord(value, headers)), Message | Undecodable)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats().filter(math.isfinite)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)
ANY_TYPE = st.sampled_from([registered.name for registered in REGISTRY])


def json_bytes(value: object) -> bytes:
    # The standard library also writes whole numbers that orjson refuses.
    return json.dumps(value).encode()


@given(kind=ANY_TYPE, data=JSON)
def test_decoding_never_raises_whatever_the_data_are(kind: str, data: object) -> None:
    assert isinstance(decode(binary(kind, json_bytes(data))), Message | Undecodable)


@given(event=st.dictionaries(st.sampled_from(["id", "type", "data", "time", "snapshot"]), JSON))
def test_decoding_never_raises_whatever_a_structured_event_holds(event: dict[str, Any]) -> None:
    body = json_bytes({"specversion": "1.0", "source": "s", **event})
    record = MadeRecord(body, (("content-type", b"application/cloudevents+json"),))
    assert isinstance(decode(record), Message | Undecodable)


CANARY = "Kanarialintu-Äijö-7391"
CANARIES: Sequence[object] = (
    CANARY,
    CANARY * 8_000,
    [CANARY],
    {CANARY: CANARY},
    {CANARY: {CANARY: 1}},
    {"name": CANARY},
    73917391,
    7391.7391,
    f"2026-01-01T{CANARY}",
)


def places(node: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value inside, at any depth."""
    items: Iterable[tuple[Any, object]] = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def spoilt(example: dict[str, Any], path: tuple[Any, ...], canary: object) -> dict[str, Any]:
    """The example with a canary at one place."""
    copied: Any = orjson.loads(orjson.dumps(example))
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = canary
    return cast("dict[str, Any]", copied)


@pytest.mark.parametrize(("registered", "example"), EXAMPLES)
def test_what_is_said_of_a_refused_message_holds_nothing_of_it(
    registered: Registered, example: dict[str, Any]
) -> None:
    refusals = 0
    for path in places(example):
        for canary in CANARIES:
            result = decode(binary(registered.name, spoilt(example, path, canary)))
            if isinstance(result, Undecodable):
                refusals += 1
                assert CANARY not in result.detail
                assert "7391" not in result.detail
    assert refusals


@pytest.mark.parametrize("name", ["id", "source", "time", "dataschema", "subject", "specversion"])
def test_what_is_said_of_a_refused_envelope_holds_nothing_of_it(name: str) -> None:
    for canary in CANARIES:
        result = decode(structured("RegistrationSubmitted", REGISTERED, **{name: canary}))
        if isinstance(result, Undecodable):
            assert CANARY not in result.detail
            assert "7391" not in result.detail


@given(kind=st.just(CANARY) | st.text(min_size=1))
def test_an_unknown_type_is_not_quoted(kind: str) -> None:
    result = decode(structured(CANARY + kind, {}))
    assert isinstance(result, Undecodable)
    assert CANARY not in result.reason + result.detail
