"""Messages that cannot be handled yet: kept sealed, and handled when what they need is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from services.registration import store
from services.registration.handlers.desk import Desk, Request
from shared.contract.codec import decode
from shared.contract.inbound import RegistrationSubmitted
from shared.contract.message import Fault, Message, Record, Undecodable
from shared.contract.types import Sealed
from shared.messaging.kept_records import pack, unpack
from shared.messaging.store import DeadLetter, bury
from shared.messaging.unit_of_work import Transaction

MOST_AT_ONCE: Final = 2_000
"""Messages taken out of waiting in one transaction: it must stay well below its time limit."""


class _NoMessage(NamedTuple):
    """What was kept, and is nothing to be handled now: why, and its type where that is known."""

    record: Record
    type: str | None
    fault: Fault


@dataclass(frozen=True, slots=True)
class Waits:
    """A request, and the reference of what it waits for: an event or a registration."""

    request: Request[Any]
    event: bytes | None = None
    registration: bytes | None = None


async def keep_waiting(desk: Desk, tx: Transaction, waiting: Sequence[Waits]) -> None:
    """Keep whole messages, sealed under the day's key, until what they wait for is known."""
    if not waiting:
        return
    bodies = [pack(waits.request.message.record) for waits in waiting]
    sealed = await desk.privacy.seal_records(tx.connection, tx.now.date(), bodies)
    await store.add_waiting(
        tx.connection,
        [
            store.Waiting(
                topic=waits.request.message.record.topic,
                partition=waits.request.message.record.partition,
                request=waits.request.data.message_type,
                source=waits.request.source,
                awaits_event=waits.event,
                awaits_registration=waits.registration,
                registration=_own_number(waits.request),
                sealed=body,
                since=waits.request.since or tx.now,
            )
            for waits, body in zip(waiting, sealed, strict=True)
        ],
    )
    for waits in waiting:
        if waits.request.since is None:
            tx.wait(waits.request.message)


def _own_number(request: Request[Any]) -> bytes | None:
    return request.reference if isinstance(request.data, RegistrationSubmitted) else None


async def waiting_for_events(
    desk: Desk, tx: Transaction, references: Collection[bytes]
) -> list[Request[Any]]:
    """What `take_for_events` would take out now and can be read. It goes on waiting."""
    if not references:
        return []
    kept = await store.waiting_for_events(tx.connection, references, MOST_AT_ONCE)
    return [
        desk.request(decoded, since=row.since)
        for row, decoded in await _decoded(desk, tx, kept)
        if isinstance(decoded, Message)
    ]


async def take_for_events(
    desk: Desk, tx: Transaction, references: Collection[bytes]
) -> list[Request[Any]]:
    """Take out the oldest messages that wait for these events; whoever calls this handles them."""
    taken = await store.take_waiting_for_events(tx.connection, references, MOST_AT_ONCE)
    return await _open(desk, tx, taken)


async def take_for_registrations(
    desk: Desk, tx: Transaction, references: Collection[bytes]
) -> list[Request[Any]]:
    """Take out the oldest messages that wait for these registrations."""
    taken = await store.take_waiting_for_registrations(tx.connection, references, MOST_AT_ONCE)
    return await _open(desk, tx, taken)


async def _open(
    desk: Desk, tx: Transaction, taken: Sequence[store.KeptMessage]
) -> list[Request[Any]]:
    requests: list[Request[Any]] = []
    no_messages: list[DeadLetter] = []
    for row, decoded in await _decoded(desk, tx, taken):
        if decoded is None:
            tx.settle(row.topic, row.partition, "discarded")
        elif isinstance(decoded, Message):
            requests.append(desk.request(decoded, since=row.since))
        else:
            no_messages.append(_letter(*decoded, row.sealed, tx))
    await _bury(tx, no_messages)
    return requests


async def _decoded(
    desk: Desk, tx: Transaction, kept: Sequence[store.KeptMessage]
) -> list[tuple[store.KeptMessage, Message[Any] | _NoMessage | None]]:
    """What was asked; None where nobody can know any more, since the day's key is destroyed."""
    if not kept:
        return []
    bodies = await desk.privacy.open_records(tx.connection, [row.sealed for row in kept])
    return [
        (row, None if body is None else _read(desk, body))
        for row, body in zip(kept, bodies, strict=True)
    ]


def _read(desk: Desk, body: bytes) -> Message[Any] | _NoMessage:
    """It was a message when it came, and might be sent: the contract may have changed since, or the
    plan, or we kept it wrongly.
    """
    decoded = decode(unpack(body))
    if isinstance(decoded, Undecodable):
        return _NoMessage(decoded.record, None, Fault(decoded.reason, decoded.detail))
    fault = desk.privacy.admit(decoded)
    if fault is None:
        return decoded
    return _NoMessage(decoded.record, decoded.data.message_type, fault)


async def condemn(
    desk: Desk,
    tx: Transaction,
    faults: Sequence[tuple[Request[Any], Fault]],
    *,
    holds_key: bool = True,
) -> None:
    """Requests that are wrong become dead letters; their source has to mend them.

    One that had waited is written down here, since it is not of the batch that is being handled,
    and without its key: what came after it was not kept from going on.
    """
    waited = [(request, fault) for request, fault in faults if request.since is not None]
    for request, fault in faults:
        if request.since is None:
            tx.dead_letter(request.message, fault.reason, fault.detail, holds_key=holds_key)
    if not waited:
        return
    bodies = [pack(request.message.record) for request, _ in waited]
    sealed = await desk.privacy.seal_records(tx.connection, tx.now.date(), bodies)
    letters = [
        _letter(request.message.record, request.data.message_type, fault, body, tx)
        for (request, fault), body in zip(waited, sealed, strict=True)
    ]
    await _bury(tx, letters)


async def _bury(tx: Transaction, letters: Sequence[DeadLetter]) -> None:
    if not letters:
        return
    await bury(tx.connection, letters, tx.now)
    for letter in letters:
        tx.settle(letter.topic, letter.partition, "dead_letter")


def _letter(
    record: Record, message_type: str | None, fault: Fault, body: Sealed, tx: Transaction
) -> DeadLetter:
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        record_offset=record.offset,
        status="dead",
        holds_key=False,
        type=message_type,
        type_reference=None,
        key_reference=None,
        reason=fault.reason,
        detail=fault.detail,
        sealed=body,
        taken_at=tx.now,
    )
