"""Messages that were valid once: mutated in their bytes, their JSON, their headers, their types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson

from examples.lines import CONTACTS, REGISTRATIONS
from tests.faults.load import Load, Upstream
from tests.support.any_records import AnyRecord, Header

CANARY: Final = "kanarialintu"
"""Is in every name and address of these messages, and may be nowhere that people read."""

PREFIX: Final = "HOSTILE-"
_STRANGE: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    2**63,
    1e308,
    "",
    "\u0000",
    "\U0001f600" * 50,
    [],
    {},
    [[]],
)
_TYPES: Final = (
    *("EventAnnounced", "RegistrationSubmitted", "RegistrationChanged", "CancellationRequested"),
    *("ContactSubmitted", "WithdrawalRequested", "ParticipantRegistered", "DataDisclosed"),
    *("ErasureDue", CANARY, "", "x" * 400),
)
_VERSIONS: Final = ("0", "1", "2", "-1", "99999999999999999999", "one", "https://x/1", "")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A record as it is sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[Header]

    @property
    def record(self) -> AnyRecord:
        return AnyRecord(self.key, self.value, self.headers)


Mutate = Callable[[Random, Mutant], Mutant]


def mutants(seed: int, many: int) -> Iterator[Mutant]:
    """So many, the same ones for the same seed."""
    random = Random(f"hostile {seed}")  # noqa: S311 - repeatable on purpose
    load = Load(seed + 1_000_000, datetime(2026, 1, 5, 6, tzinfo=UTC))
    originals = load.prelude()
    for _ in range(many):
        if not originals:
            originals = load.some(200)
        yield mutated(random, _disguised(originals.pop(0)))


def mutated(random: Random, one: Mutant) -> Mutant:
    """One mutation, sometimes more."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        one = random.choice(_MUTATIONS)(random, one)
    # A record without key and body is none that a producer of ours could send.
    return replace(one, key=b"") if one.key is one.value is None else one


def _disguised(message: Upstream) -> Mutant:
    """About events, registrations and people that the load does not have."""
    text = message.value.decode()
    for mine in ('"LOAD-', '"R-', '"K-'):
        text = text.replace(mine, f'"{PREFIX}{mine[1:]}')
    data = orjson.loads(text)
    for answers in (data, data.get("answers", {})):
        for name in ("name", "email", "phone", "billing_name", "billing_address", "diet"):
            if name in answers:
                answers[name] = f"{CANARY}.{answers[name]}"
    headers: list[Header] = [
        (name, PREFIX.encode() + value if name == "ce_id" else value)
        for name, value in message.headers
    ]
    return Mutant(message.topic, f"{PREFIX}{message.key}".encode(), orjson.dumps(data), headers)


def _bytes(random: Random, one: Mutant) -> Mutant:
    """Bits flipped, slices lost, doubled or cut off, noise in between."""
    value = bytearray(one.value or b"")
    at = random.randrange(len(value) + 1)
    match random.randrange(5):
        case 0 if value:
            value[at % len(value)] ^= 1 << random.randrange(8)
        case 1:
            del value[at : at + random.randrange(1, 40)]
        case 2:
            value[at:at] = value[at : at + 30]
        case 3:
            value[at:at] = random.randbytes(random.randrange(1, 20))
        case _:
            del value[at:]
    return Mutant(one.topic, one.key, bytes(value), one.headers)


def _json(random: Random, one: Mutant) -> Mutant:
    """A field is missing, of another type, or one too many; or the whole is something else."""
    try:
        data: Any = orjson.loads(one.value or b"")
    except orjson.JSONDecodeError:
        return _bytes(random, one)
    if isinstance(data, dict) and data:
        name = random.choice(sorted(data))
        match random.randrange(5):
            case 0:
                del data[name]
            case 1:
                data[name] = random.choice(_STRANGE)
            case 2:
                data[f"{CANARY}{random.randrange(100)}"] = data[name]
            case 3 if isinstance(data[name], dict) and data[name]:
                data[name][random.choice(sorted(data[name]))] = random.choice(_STRANGE)
            case _:
                data[name] = {name: [data[name]]}
    else:
        data = random.choice(_STRANGE)
    text = orjson.dumps(data) if data != 2**63 else b"9223372036854775808"
    return Mutant(one.topic, one.key, b"[" * 2_000 if random.random() < 0.01 else text, one.headers)


def _headers(random: Random, one: Mutant) -> Mutant:
    """A header is missing, twice, null, no text in name or value, or another one; or there is no
    key or body.
    """
    headers = list(one.headers)
    at = random.randrange(len(headers) + 1)
    match random.randrange(9):
        case 0 if at < len(headers):
            del headers[at]
        case 1 if at < len(headers):
            headers.append((headers[at][0], random.randbytes(8)))
        case 2 if at < len(headers):
            headers[at] = (headers[at][0], random.randbytes(random.choice((0, 1, 400))))
        case 3:
            headers.append((random.choice(("reply_to", "ce_", CANARY)), CANARY.encode()))
        case 4:
            headers.append(("content-type", b"application/cloudevents+json"))
        case 5 if at < len(headers):
            headers[at] = (headers[at][0], None)
        case 6:
            headers.insert(at, (b"\xfc" + CANARY.encode(), random.randbytes(8)))
        case 7:
            return Mutant(one.topic, None, one.value, headers)
        case _:
            return Mutant(one.topic, random.randbytes(8), random.choice((None, b"")), headers)
    return Mutant(one.topic, one.key, one.value, headers)


def _types(random: Random, one: Mutant) -> Mutant:
    """It says that it is something else, or another version of it, or is in another topic."""
    topic = random.choice((REGISTRATIONS, CONTACTS))
    said = {"ce_type": random.choice(_TYPES)} if random.random() < 0.7 else {}
    if random.random() < 0.4:
        said["ce_dataschema"] = random.choice(_VERSIONS)
    headers: list[Header] = [(name, value) for name, value in one.headers if name not in said]
    headers += [(name, value.encode()) for name, value in said.items()]
    return Mutant(topic, one.key, one.value, headers)


_MUTATIONS: Final[tuple[Mutate, ...]] = (_bytes, _json, _headers, _types)
