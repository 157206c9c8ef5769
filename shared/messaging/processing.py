"""A batch in one transaction: positions, inbox, handlers, dead letters, outbox.

The normal case writes everything in one go, without a savepoint. When a handler fails the same
batch is done again with savepoints, to find the message at fault; when that takes too many, in
smaller batches; and a single message that fails even so becomes a dead letter unhandled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from shared.contract import codec
from shared.contract.message import Fault
from shared.messaging import dead_letters, store
from shared.messaging.failing import is_at_fault
from shared.messaging.places import Key, Partition, key_of
from shared.messaging.planning import (
    Batch,
    Decode,
    Group,
    Taken,
    first_copies,
    halves,
    handler_order,
    waves,
)
from shared.messaging.round import Count, Round
from shared.messaging.service import Service
from shared.messaging.steps import Steps, no_steps
from shared.messaging.subscription import Handler, Permanent
from shared.messaging.tracing import Traces, untraced
from shared.messaging.unit_of_work import BeginAgain, Speaker, Transaction
from shared.runtime.clock import Clock, utc_now
from shared.runtime.database import (
    Connection,
    bounded_transaction,
    describe,
)
from shared.runtime.ids import new_id
from shared.runtime.metrics import (
    DEAD_LETTERS,
    DUPLICATES,
    HANDLER_SECONDS,
    MESSAGES_PROCESSED,
    MESSAGES_RECEIVED,
    SURPLUS_FIELDS,
    UNREGISTERED,
)

MOST_SAVEPOINTS = 64
"""PostgreSQL keeps so many subtransactions of a transaction at hand; with more, all slows down."""

PARTS = 8
"""Into so many a batch is split that needs more savepoints."""

Way = Callable[[Round, Sequence[Taken]], Awaitable[None]]

_IDENTITY_REUSED = Fault("identity_reused", "a message of the same source and id had another body")


class Fenced(Exception):  # noqa: N818 - a known word for what happened
    """The positions are not where this process left them: the batch is not its own any more."""


class PlanChanged(Exception):  # noqa: N818 - what happened
    """Another plan is in force than the one that the batch was judged under: nothing was done."""


class TooManySavepointsError(Exception):
    """The messages at fault of this batch cannot be found in one transaction."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What comes from outside and tests replace: time, ids, the registry, moments to stop at, and
    who follows messages on their way.
    """

    now: Clock = utc_now
    ids: Callable[[], UUID] = new_id
    decode: Decode = codec.decode
    steps: Steps = no_steps
    traces: Traces = untraced


class Claims(NamedTuple):
    """What of a batch is not ignored, of each identity the record that stands first, and what the
    inbox is asked about.
    """

    claimable: Sequence[Taken]
    first: Mapping[bytes, Taken]
    asked: Mapping[bytes, store.Claim]

    @classmethod
    def of(cls, batch: Sequence[Taken]) -> Claims:
        claimable = [taken for taken in batch if not taken.ignored]
        first = first_copies(taken for taken in claimable if taken.identity)
        asked = {identity: (taken.day, taken.body) for identity, taken in first.items()}
        return cls(claimable, first, asked)


class Processor:
    """Does batches for one service."""

    def __init__(self, service: Service, speaker: Speaker, tools: Tools) -> None:
        self._pool = service.pool
        self._plan = service.plan
        self._sealer = service.sealer
        self._subscriptions = service.subscriptions
        self._order = handler_order(service.subscriptions)
        self._limit_s = service.settings.session_timeout_ms / 1000
        self._speaker = speaker
        self._tools = tools

    async def renew_plan(self) -> None:
        """Learn which plan is in force; raises what reading it does."""
        if self._plan is not None:
            async with bounded_transaction(self._pool, self._limit_s) as connection:
                await self._plan.hold(connection)

    async def rehearse(self, at_once: int) -> None:
        """Open connections for so many batches at once, and let each know the statements of a batch
        where people wait for it. Raises what connecting and asking do.
        """
        rehearse = [one.rehearse for one in self._subscriptions if one.rehearse is not None]
        if not rehearse:
            return
        async with AsyncExitStack() as stack:
            for _ in range(at_once):
                acquired = self._pool.acquire(timeout=self._limit_s)
                connection = await stack.enter_async_context(acquired)
                await store.begin(connection, {}, {}, {})
                for ask in rehearse:
                    await ask(connection)
                await store.conclude(connection, (), (), self._tools.now())

    async def process(self, batch: Batch, done: Callable[[Batch], None]) -> None:
        """Bring a batch to its end; `done` is called after each commit, with what it was for.

        Raises `Fenced`, `PlanChanged`, and whatever is transient: what was not done may then be
        tried again. Any other error means that not even dead letters can be written, or that the
        database is of another release.
        """
        try:
            await self._transaction(batch, self._swiftly)
        except Exception as error:
            if not _is_at_fault(error):
                raise
            await self._process_with_care(batch, done)
        else:
            done(batch)

    async def pass_markers(
        self, begins: Mapping[Partition, int], ends: Mapping[Partition, int]
    ) -> None:
        """Move positions over what is no message. Raises `Fenced`, and whatever is transient."""
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            begun = await store.begin(connection, begins, ends, {})
            if not begun.whole:
                raise Fenced

    async def _process_with_care(self, batch: Batch, done: Callable[[Batch], None]) -> None:
        try:
            await self._transaction(batch, self._carefully)
        except Exception as error:
            if not _is_at_fault(error):
                raise
            if len(batch) > 1:
                for part in batch.split(max(1, len(batch) // PARTS)):
                    await self._process_with_care(part, done)
                return
            await self._transaction(batch, _condemning(fault_of(error)))
        done(batch)

    async def _transaction(self, batch: Batch, way: Way) -> None:
        try:
            await self._try(batch, way, may_begin_again=True)
        except BeginAgain:
            await self._try(batch, way)

    async def _try(self, batch: Batch, way: Way, *, may_begin_again: bool = False) -> None:
        tools = self._tools
        trace = tools.traces(batch.taken)
        with HANDLER_SECONDS.time():
            # The server has its own, shorter limit; this one is for a server that is silent.
            async with bounded_transaction(self._pool, self._limit_s) as connection:
                transaction = Transaction(
                    connection,
                    now=tools.now(),
                    speaker=self._speaker,
                    parents=trace.parents,
                    may_begin_again=may_begin_again,
                )
                round_ = Round(transaction)
                claims = Claims.of(batch.taken)
                begun = await store.begin(connection, batch.begins, batch.ends, claims.asked)
                if not begun.whole:
                    raise Fenced
                if self._plan is not None and begun.plan != batch.plan:
                    raise PlanChanged
                fresh = await self._set_aside(round_, claims, begun.known)
                tools.steps("claimed")
                if begun.any_parked:
                    round_.parked.update(await self._find_parked(connection, fresh))
                await way(round_, round_.pass_on(fresh))
                tools.steps("handled")
                counts = await self._conclude(round_, batch)
        tools.steps("committed")
        trace.end(round_)
        _measure(round_, counts, batch)

    async def _set_aside(
        self, round_: Round, claims: Claims, known: Collection[bytes]
    ) -> list[Taken]:
        """Set aside what was taken before and what is at fault; the rest is to be handled."""
        seen: Mapping[bytes, bytes] = {}
        if known:
            asked = {identity: claims.asked[identity] for identity in known}
            seen = await store.claimed_bodies(round_.transaction.connection, asked)
        fresh = []
        for taken in claims.claimable:
            if not taken.identity:
                fresh.append(taken)
                continue
            copy = claims.first[taken.identity]
            body = seen.get(taken.identity, copy.body)
            if taken.body != body:
                round_.refuse(taken, _IDENTITY_REUSED)
            elif taken is not copy or taken.identity in seen:
                round_.duplicates.append(taken)
            elif taken.fault is not None:
                round_.refuse(taken, taken.fault)
            else:
                fresh.append(taken)
        return fresh

    async def _find_parked(self, connection: Connection, fresh: Sequence[Taken]) -> set[Key]:
        keys = {key for taken in fresh if (key := key_of(taken.record)) is not None}
        references = {(topic, self._sealer.reference(key)): (topic, key) for topic, key in keys}
        parked = await store.parked_among(connection, references)
        return {references[reference] for reference in parked}

    async def _swiftly(self, round_: Round, fresh: Sequence[Taken]) -> None:
        """Handle everything, and let an exception end the transaction."""
        await self._prepare(round_, fresh)
        for wave in waves(fresh, self._order):
            for group in wave:
                taken = round_.pass_on(group.taken)
                if taken:
                    await call(group.handler, round_, taken)

    async def _carefully(self, round_: Round, fresh: Sequence[Taken]) -> None:
        """Handle each group behind a savepoint, and look for what is at fault where one fails."""
        search = Search(round_)
        await self._prepare(round_, fresh)
        for wave in waves(fresh, self._order):
            for group in wave:
                taken = round_.pass_on(group.taken)
                if taken:
                    await search.through(Group(group.handler, taken))

    async def _prepare(self, round_: Round, fresh: Sequence[Taken]) -> None:
        for subscription in self._subscriptions:
            if subscription.prepare is not None:
                messages = [
                    taken.message
                    for taken in fresh
                    if taken.message is not None and taken.record.topic == subscription.topic
                ]
                if messages:
                    await subscription.prepare(round_.transaction, messages)

    async def _conclude(self, round_: Round, batch: Batch) -> Counter[Count]:
        """Write down what became of everything; what is said comes last."""
        transaction = round_.transaction
        if round_.buried:
            await dead_letters.bury(transaction, self._sealer, round_)
        counts = round_.count(batch.taken)
        transaction.counts += [
            (topic, part, outcome, messages)
            for (topic, part, _, outcome), messages in counts.items()
        ]
        await transaction.close()
        return counts


@dataclass(slots=True)
class Search:
    """Looks for messages at fault by halves, with as many savepoints as a transaction may have."""

    round: Round
    spent: int = field(default=0)

    async def through(self, group: Group) -> None:
        """Handle a group; whatever in it is at fault is condemned, and the rest handled."""
        if self.spent == MOST_SAVEPOINTS:
            raise TooManySavepointsError
        self.spent += 1
        transaction = self.round.transaction
        mark = transaction.mark()
        try:
            async with transaction.connection.transaction():
                await call(group.handler, self.round, group.taken)
            return
        except Exception as error:
            if not _is_at_fault(error):
                raise
            transaction.undo_to(mark)
            fault = fault_of(error)
        if len(group.taken) == 1:
            self.round.condemn(group.taken[0], fault)
        else:
            for half in halves(group.taken):
                await self.through(Group(group.handler, half))


async def call(handler: Handler, round_: Round, taken: Sequence[Taken]) -> None:
    """Let a handler do its work, and take note of what it marked."""
    messages = [one.message for one in taken if one.message is not None]
    await handler(round_.transaction, messages)
    round_.condemn_marked(taken)


def fault_of(error: Exception) -> Fault:
    """What may be said of an error: never its text."""
    if isinstance(error, Permanent):
        return Fault(error.reason, error.detail)
    known = describe(error)
    state = f", SQLSTATE {known['sqlstate']}" if "sqlstate" in known else ""
    return Fault("handler_failed", f"{known['error']}{state}")


def _condemning(fault: Fault) -> Way:
    async def condemn(round_: Round, fresh: Sequence[Taken]) -> None:
        for taken in fresh:
            round_.condemn(taken, fault)

    return condemn


def _is_at_fault(error: Exception) -> bool:
    return is_at_fault(error) and not isinstance(error, BeginAgain | Fenced | PlanChanged)


def _measure(round_: Round, counts: Counter[Count], batch: Batch) -> None:
    MESSAGES_RECEIVED.inc(counts.total())
    for (topic, _, kind, outcome), messages in counts.items():
        MESSAGES_PROCESSED.labels(topic, kind or UNREGISTERED, outcome).inc(messages)
        if outcome == "duplicate":
            DUPLICATES.inc(messages)
    for buried in round_.buried:
        if buried.outcome == "dead_letter":
            DEAD_LETTERS.labels(buried.fault.reason).inc()
    surplus = Counter(round_.transaction.surplus)
    for taken in batch.taken:
        if taken.message is not None and taken.message.surplus:
            surplus.update(taken.message.surplus)
    for name, fields in surplus.items():
        SURPLUS_FIELDS.labels(name).inc(fields)
