"""Dead letters handled once more, after whatever was wrong with them has been mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from shared.contract.message import Fault
from shared.messaging import store
from shared.messaging.dead_letters import (
    key_reference_of,
    outcome_of,
    show_dead_letters,
)
from shared.messaging.failing import is_at_fault
from shared.messaging.kept_records import unpack
from shared.messaging.places import Place, place_of
from shared.messaging.planning import Digests, Taken, sort_out
from shared.messaging.processing import MOST_SAVEPOINTS, Tools, fault_of
from shared.messaging.service import Service
from shared.messaging.store import DeadLetter, KeyReference
from shared.messaging.unit_of_work import Outcome, Speaker, Transaction, topics_said_by

UNREADABLE = Fault("unreadable", "its key was destroyed after 30 days: it can only be discarded")

_NO_DIGESTS = Digests(b"")
"""The inbox is not asked, so identities are not looked at."""


class _Failure(NamedTuple):
    """What is wrong with a message; whether later ones of its key wait for that."""

    fault: Fault
    holds_key: bool = True


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many messages were handled, and those that failed again, with what is wrong now."""

    handled: int
    failed: Sequence[DeadLetter]


class Redrive:
    """Handles dead letters of one service, as its consumer would, but for the inbox.

    A key's messages are handled in the order of the log, the failed one first and then those that
    wait behind it; the first that fails stops the key again, unless it is of somebody who has no
    say there. Batches that meet the key meanwhile wait for the transaction, and are parked or
    handled according to how it ends.
    """

    def __init__(self, service: Service, tools: Tools | None = None) -> None:
        self._tools = tools or Tools()
        self._service = service
        self._subscriptions = {one.topic: one for one in service.subscriptions}
        topics = service.topics or topics_said_by(service.name)
        self._speaker = Speaker(service.name, self._tools.ids, topics, service.sealer.reference)

    async def run(self, ids: Sequence[int]) -> Redriven:
        """Handle these and all that wait behind them. Raises what is transient: run it again."""
        handled = 0
        failed: list[DeadLetter] = []
        done: set[KeyReference] = set()
        for letter in await show_dead_letters(self._service.pool, ids):
            key = key_reference_of(letter)
            if key is None or not (letter.holds_key or letter.status == "parked"):
                result = await self._redrive_alone(letter.id)
            elif key not in done:
                done.add(key)
                result = await self._redrive_key(key)
            else:
                continue
            handled += result.handled
            failed.extend(result.failed)
        return Redriven(handled, failed)

    async def _redrive_alone(self, letter_id: int) -> Redriven:
        async with self._transaction() as transaction:
            connection = transaction.connection
            letters = await store.lock_dead_letters(connection, [letter_id])
            return await self._redrive_all(transaction, letters)

    async def _redrive_key(self, key: KeyReference) -> Redriven:
        handled = 0
        failed: list[DeadLetter] = []
        while True:
            async with self._transaction() as transaction:
                connection = transaction.connection
                await store.lock_keys(connection, [key])
                letters = await store.queue_of_key(connection, key, MOST_SAVEPOINTS)
                result = await self._redrive_all(transaction, letters)
                await store.unpark_if_empty(connection, [key])
            handled += result.handled
            failed += result.failed
            if not letters or any(letter.holds_key for letter in result.failed):
                return Redriven(handled, failed)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        """One that works under the plan in force, and says what is said at its end."""
        async with self._service.pool.acquire() as connection, connection.transaction():
            if self._service.plan is not None:
                await self._service.plan.hold(connection)
            transaction = Transaction(connection, now=self._tools.now(), speaker=self._speaker)
            yield transaction
            await transaction.close()

    async def _redrive_all(
        self, transaction: Transaction, letters: Sequence[DeadLetter]
    ) -> Redriven:
        """Handle in order; the first that fails, and holds its key, ends it."""
        connection = transaction.connection
        opened = await self._service.sealer.open_records(
            connection, [letter.sealed for letter in letters if letter.sealed is not None]
        )
        handled: list[int] = []
        failed: list[DeadLetter] = []
        for letter, packed in zip(letters, opened, strict=True):
            result = await self._redrive_one(transaction, letter, packed)
            outcome = "dead_letter" if isinstance(result, _Failure) else result
            place = (letter.topic, letter.partition)
            transaction.counts += [(*place, outcome_of(letter), -1), (*place, outcome, 1)]
            if not isinstance(result, _Failure):
                handled.append(letter.id)
                continue
            failed.append(await self._fail_again(transaction, letter, result))
            if result.holds_key:
                break
        await store.remove_dead_letters(connection, handled)
        return Redriven(len(handled), failed)

    async def _redrive_one(
        self, transaction: Transaction, letter: DeadLetter, packed: bytes | None
    ) -> Outcome | _Failure:
        taken = self._sort_out(letter, packed)
        if isinstance(taken, Fault):
            return _Failure(taken)
        if taken.ignored:
            return "ignored"
        mark = transaction.mark()
        try:
            async with transaction.connection.transaction():
                await self._handle(transaction, taken)
        except Exception as error:
            if not is_at_fault(error):
                raise
            transaction.undo_to(mark)
            return _Failure(fault_of(error))
        if transaction.marked:
            marked = transaction.marked.pop()
            return _Failure(Fault(marked.reason, marked.detail), marked.holds_key)
        return dict(transaction.outcomes).get(place_of(taken.record), "accepted")

    def _sort_out(self, letter: DeadLetter, packed: bytes | None) -> Taken | Fault:
        if packed is None:
            return UNREADABLE
        if letter.topic not in self._subscriptions:
            return Fault("topic_unexpected", "the service does not hear this topic any more")
        decoded = self._tools.decode(unpack(packed, _place(letter)), None)
        (taken,) = sort_out([decoded], self._subscriptions, _NO_DIGESTS)
        return taken if taken.fault is None else taken.fault

    async def _handle(self, transaction: Transaction, taken: Taken) -> None:
        prepare = self._subscriptions[taken.record.topic].prepare
        if taken.handler is not None and taken.message is not None:
            if prepare is not None:
                await prepare(transaction, [taken.message])
            await taken.handler(transaction, [taken.message])

    async def _fail_again(
        self, transaction: Transaction, letter: DeadLetter, failure: _Failure
    ) -> DeadLetter:
        """It is the head of its key now, if it waited behind another and holds it."""
        failed = replace(
            letter,
            status="dead",
            holds_key=failure.holds_key and (letter.holds_key or letter.status == "parked"),
            reason=failure.fault.reason,
            detail=failure.fault.detail,
        )
        await store.fail_again(transaction.connection, failed)
        return failed


def _place(letter: DeadLetter) -> Place:
    return (letter.topic, letter.partition, letter.record_offset)
