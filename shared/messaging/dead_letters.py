"""Messages that could not be handled: kept whole and sealed, listed without their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.contract.audit import DeadLetterDiscarded
from shared.contract.types import Sealed
from shared.messaging import store
from shared.messaging.kept_records import pack
from shared.messaging.places import key_of, place_of
from shared.messaging.round import Buried, Round
from shared.messaging.service import RecordSealer
from shared.messaging.store import DeadLetter, KeyReference, Which
from shared.messaging.unit_of_work import HeldPlan, Transaction, unit_of_work
from shared.runtime.clock import utc_now
from shared.runtime.database import Pool
from shared.runtime.ids import new_id

ALL: Final = Which()

DISCARDED_AT_ONCE: Final = 200


async def bury(transaction: Transaction, sealer: RecordSealer, round_: Round) -> None:
    """Write down what a round has set aside, in the order of the log, and park its keys."""
    connection, now = transaction.connection, transaction.now
    buried = sorted(round_.buried, key=lambda one: place_of(one.taken.record))
    bodies = [pack(one.taken.record) for one in buried]
    sealed = await sealer.seal_records(connection, now.date(), bodies)
    letters = [
        _letter(one, sealed_body, transaction, sealer)
        for one, sealed_body in zip(buried, sealed, strict=True)
    ]
    await store.bury(connection, letters, now)
    if round_.newly_parked:
        parked = [(topic, sealer.reference(key)) for topic, key in round_.newly_parked]
        await store.park(connection, parked, now)


def _letter(
    buried: Buried, sealed: Sealed, transaction: Transaction, sealer: RecordSealer
) -> DeadLetter:
    taken, record = buried.taken, buried.taken.record
    unknown = taken.envelope.type if taken.type is None and taken.envelope is not None else None
    key = key_of(record)
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        record_offset=record.offset,
        status="dead" if buried.outcome == "dead_letter" else "parked",
        holds_key=buried.holds_key,
        type=taken.type,
        type_reference=None if unknown is None else sealer.reference(unknown.encode()),
        key_reference=None if key is None else sealer.reference(key[1]),
        reason=buried.fault.reason,
        detail=buried.fault.detail,
        sealed=sealed,
        taken_at=transaction.now,
    )


async def list_dead_letters(
    pool: Pool, which: Which = ALL, *, most: int = 1000
) -> list[DeadLetter]:
    """What cannot be handled, the oldest first. Their content stays sealed."""
    async with pool.acquire() as connection:
        return await store.list_dead_letters(connection, which, most)


async def find_dead_letters(pool: Pool, which: Which = ALL) -> list[int]:
    """The ids of all of them, however many there are."""
    async with pool.acquire() as connection:
        return await store.dead_letter_ids(connection, which)


async def show_dead_letters(pool: Pool, ids: Sequence[int]) -> list[DeadLetter]:
    """Those of these ids that exist. Their content stays sealed."""
    async with pool.acquire() as connection:
        return await store.dead_letters(connection, ids)


@dataclass(frozen=True, slots=True)
class Discarder:
    """Who gives messages of a service up, and the plan in force."""

    service: str
    actor: str
    plan: HeldPlan


async def discard_dead_letters(pool: Pool, ids: Sequence[int], by: Discarder) -> int:
    """Give messages up for good, each with an entry of the audit log; how many there were. What
    waits behind them waits on.

    Some at a time: whoever comes with one of their keys waits for so many.
    """
    discarded = 0
    letters = await show_dead_letters(pool, ids)
    for first in range(0, len(letters), DISCARDED_AT_ONCE):
        work = unit_of_work(pool, service=by.service, now=utc_now(), ids=new_id, plan=by.plan)
        async with work as transaction:
            some = letters[first : first + DISCARDED_AT_ONCE]
            discarded += await _discard(transaction, some, by)
    return discarded


async def _discard(transaction: Transaction, letters: Sequence[DeadLetter], by: Discarder) -> int:
    """How many of them were still there."""
    connection = transaction.connection
    keys = {key for letter in letters if (key := key_reference_of(letter)) is not None}
    await store.lock_keys(connection, keys)
    locked = await store.lock_dead_letters(connection, [letter.id for letter in letters])
    await store.remove_dead_letters(connection, [letter.id for letter in locked])
    await store.unpark_if_empty(connection, keys)
    for letter in locked:
        place = (letter.topic, letter.partition)
        transaction.counts += [(*place, outcome_of(letter), -1), (*place, "discarded", 1)]
        transaction.say(_entry(letter, transaction, by), key=None)
    return len(locked)


def _entry(letter: DeadLetter, transaction: Transaction, by: Discarder) -> DeadLetterDiscarded:
    return DeadLetterDiscarded(
        at=transaction.now,
        actor=by.actor,
        plan_digest=by.plan.digest,
        service=by.service,
        letter_topic=letter.topic,
        letter_partition=letter.partition,
        letter_offset=letter.record_offset,
        letter_type=letter.type,
        reason=letter.reason,
    )


def key_reference_of(letter: DeadLetter) -> KeyReference | None:
    """What the letter's message must keep its order with."""
    return None if letter.key_reference is None else (letter.topic, letter.key_reference)


def outcome_of(letter: DeadLetter) -> str:
    """How the letter's message is counted."""
    return "dead_letter" if letter.status == "dead" else "parked"
