"""Takes what was disclosed to its recipients. What is committed leaves, whoever dies in between.

A try is two transactions: one takes the delivery for a minute and judges everybody in it once more;
the other records what came of it. Between them it reaches the recipient. Whoever dies there leaves
a delivery that is due again after that minute, and reaches the recipient again under the same id.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

import structlog

from shared.contract.audit import DisclosureDelivered, DisclosureFailed, DisclosureWithheld
from shared.contract.types import DisclosureId
from shared.privacy.disclosure import (
    BEHIND,
    Disclosure,
    DisclosureRequest,
    Outcome,
    Transaction,
    Way,
    disclosure_of,
    lacking,
)
from shared.privacy.entry_head import EntryHead, entry_head
from shared.privacy.handover import TRY_LASTS
from shared.privacy.handovers import Delivery, Handover, handovers_of
from shared.privacy.hearing import is_behind
from shared.privacy.ports import (
    INTERRUPTED,
    NOT_WRITTEN,
    NotTakenBackError,
    OwnPort,
    Port,
    Steps,
    no_steps,
    reason_of,
)
from shared.privacy.privacy import Privacy
from shared.privacy.reasons import Failure
from shared.privacy.results import Result
from shared.runtime.application import Loop
from shared.runtime.clock import Clock, utc_now
from shared.runtime.database import describe, is_transient, queries
from shared.runtime.log_ends import LogEnds
from shared.runtime.metrics import HANDOVER_OLDEST_SECONDS, HANDOVERS_FAILED, HANDOVERS_WAITING
from shared.runtime.periodic import keep_trying

MOST_TRIES: Final = 10
FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
BEHIND_PAUSE: Final = timedelta(seconds=5)

BEGUN_WITHIN: Final = TRY_LASTS / 2
"""Who was stopped for longer, before anything left, leaves it to others: once a try is over they
may have delivered it, without somebody who would be in it again.
"""

GIVEN_UP: Final = "given-up"
"""Somebody decided that it is not handed over any more."""

_sql = queries("deliveries.sql", __file__)
_log = structlog.get_logger(__name__)


class Begin(Protocol):
    """Begins a transaction of the service; see `shared.messaging.unit_of_work`."""

    def __call__(self, *, now: datetime) -> AbstractAsyncContextManager[Transaction]: ...


AskAgain = Callable[[Transaction, Handover], Awaitable[DisclosureRequest]]
"""What the service would ask for now instead: of whom, with what it knows of each."""

Claim = Callable[[Transaction], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """At work for one service. `actor` is whom the log names as the one who delivered.

    `begin` gives transactions under the plan in force, `begin_record` those that record what was
    done, whatever is in force then. `ports` has the ways by which the service delivers by itself.
    `by_hand` is where somebody at the command line takes what they ask for, whichever its way: what
    is by hand and due has no port but where its command is.
    """

    privacy: Privacy
    begin: Begin
    begin_record: Begin
    ask_again: AskAgain
    log_ends: Callable[[], Awaitable[LogEnds]]
    ports: Mapping[Way, OwnPort]
    actor: str
    by_hand: Port | None = None
    now: Clock = utc_now
    steps: Steps = no_steps

    async def run(self, interval_s: float, loop: Loop) -> None:
        """Deliver what is due until the process is to stop, and keep the figures fresh."""

        async def deliver_one() -> bool:
            return await self.look() and await self.deliver_due() is not None

        away = "database or Kafka does not answer"
        await keep_trying(loop, deliver_one, interval_s, away=away)

    async def look(self) -> bool:
        """Whether something is due; and bring the figures up to date."""
        now = self.now()
        async with self.begin_record(now=now) as tx:
            found = await _sql.waiting(tx.connection, now=now)
        HANDOVERS_WAITING.set(found["pending"])
        HANDOVERS_FAILED.set(found["failed"])
        HANDOVER_OLDEST_SECONDS.set(found["oldest_s"])
        return bool(found["due"])

    async def deliver_due(self) -> Result | None:
        """One try of what has been due the longest; None: nothing is due."""
        result = await self._try(_claim_due, MOST_TRIES)
        if result is not None and result.error is not None:
            delivery = str(result.delivery.id)
            _log.warning("a delivery failed", delivery=delivery, **describe(result.error))
        return result

    async def deliver(self, disclosure_id: UUID) -> Result | None:
        """One try of what leaves with this disclosure, whenever it is due; None: nothing does."""
        self.steps("left")
        return await self._try(partial(_claim, disclosure_id))

    def knowing(self, ends: LogEnds) -> Deliveries:
        """The same, for whoever has just learned where the logs end, and need not wait again; who
        is stopped before it delivers looks again.
        """
        learned = self.now()

        async def log_ends() -> LogEnds:
            return ends if self.now() - learned < BEGUN_WITHIN else await self.log_ends()

        return replace(self, log_ends=log_ends)

    async def give_up(self, disclosure_id: UUID) -> Result | None:
        """Withhold everybody of what leaves with this disclosure, for good; None: nothing does."""
        async with self.begin(now=self.now()) as tx:
            row = await _claim(disclosure_id, tx)
            if row is None:
                return None
            delivery = _delivery(row)
            handovers = await handovers_of(tx.connection, delivery.id)
            gone = []
            for handover in handovers:
                nobody: list[Outcome] = [GIVEN_UP] * len(handover.people)
                gone.append(disclosure_of(handover.id, handover.request({}), nobody))
                await self._withhold(tx, delivery, handover, gone[-1])
            return await self._end_withheld(tx, replace(delivery, disclosures=gone))

    async def _try(self, claim: Claim, most_tries: float = math.inf) -> Result | None:
        log_ends = await self.log_ends()
        delivery, began = None, self.now()
        try:
            async with self.begin(now=began) as tx:
                row = await claim(tx)
                if row is None:
                    return None
                delivery = _delivery(row)
                port = self.by_hand or self.ports.get(delivery.way)
                if port is None or delivery.tries > most_tries:
                    await self._fail(tx, delivery, INTERRUPTED)
                    return Result("failed", delivery, INTERRUPTED)
                taken = await self._take(tx, delivery, log_ends)
        except Exception as error:
            if delivery is None or _passes(error):
                raise
            return await self._record_untaken(delivery, error)
        if isinstance(taken, Result):
            return taken
        self.steps("taken")
        if self.now() - began > BEGUN_WITHIN:
            return Result("failed" if taken.way == "hand" else "waits", taken, INTERRUPTED)
        return await self._hand_over(taken, port)

    async def _take(
        self, tx: Transaction, delivery: Delivery, log_ends: LogEnds
    ) -> Delivery | Result:
        handovers = await handovers_of(tx.connection, delivery.id)
        for handover in handovers:
            asked = handover.request(log_ends)
            if await is_behind(tx.connection, self.privacy.plan, self.privacy.service, asked):
                return await self._not_yet(tx, delivery)
        judged = []
        for handover in handovers:
            judged.append(await self._judge(tx, handover, log_ends))
            await self._withhold(tx, delivery, handover, judged[-1])
        delivery = replace(delivery, disclosures=judged)
        if any(one.released for one in judged):
            return delivery
        return await self._end_withheld(tx, delivery)

    async def _judge(self, tx: Transaction, handover: Handover, log_ends: LogEnds) -> Disclosure:
        """Whom of it the recipient may still have."""
        asked = handover.request(log_ends)
        if handover.request_reference is None and lacking(self.privacy.plan, asked) is None:
            asked = handover.request_now(await self.ask_again(tx, handover))
        return await self.privacy.disclose_again(tx, asked, handover.id)

    async def _withhold(
        self, tx: Transaction, delivery: Delivery, handover: Handover, judged: Disclosure
    ) -> None:
        """Say of everybody who is refused that they are not handed over, and drop their values."""
        for subject_id, reason in judged.refused:
            entry = DisclosureWithheld(
                **self._entry(tx),
                disclosure_id=handover.id,
                subject_id=subject_id,
                recipient=handover.recipient,
                purpose=handover.purpose,
                reason=reason,
                may_have_reached=delivery.unsure,
                event_id=handover.event_id,
            )
            tx.say(entry, key=None, subject=subject_id)
        if judged.refused:
            await _sql.withhold(
                tx.connection,
                disclosure_id=handover.id,
                subject_ids=[subject_id for subject_id, _ in judged.refused],
                now=tx.now,
            )

    async def _end_withheld(self, tx: Transaction, delivery: Delivery) -> Result:
        if delivery.disclosures:
            # Before the commit: dying here does it once more.
            await self._take_back(delivery)
        await _sql.rest(tx.connection, delivery_id=delivery.id, unsure=False, reason=None)
        return Result("withheld", delivery)

    async def _take_back(self, delivery: Delivery) -> None:
        """Remove what an earlier try left where it goes by itself, if nobody knows what that did.

        NotTakenBackError.
        """
        own = self.ports.get(delivery.way)
        if own is None or not delivery.unsure:
            return
        try:
            await own.take_back(delivery)
        except OSError as error:
            raise NotTakenBackError(error.errno, error.strerror) from error

    async def _hand_over(self, delivery: Delivery, port: Port) -> Result:
        try:
            if port is self.by_hand:
                await self._take_back(delivery)
            place = await port.deliver(delivery)
        except Exception as error:  # noqa: BLE001 - whatever a port raises, it is recorded
            return await self._record_failure(delivery, error)
        self.steps("delivered")
        async with self.begin_record(now=self.now()) as tx:
            given_up = await self._deliver(tx, delivery)
        self.steps("recorded")
        if given_up and port is not self.by_hand:
            # Who gave it up could not remove what came there after that.
            await self._take_back(replace(delivery, unsure=True))
            return Result("withheld", delivery)
        return Result("delivered", delivery, place=place)

    async def _deliver(self, tx: Transaction, delivery: Delivery) -> bool:
        """Whether nobody may be in it any more: it was given up meanwhile."""
        ended = _sql.end_handovers(
            tx.connection, delivery_id=delivery.id, state="delivered", reason=None, now=tx.now
        )
        rows = [row async for row in ended]
        for row in rows:
            tx.say(DisclosureDelivered(**self._entry(tx), **row), key=None)
        await _sql.drop_values(tx.connection, disclosure_ids=[row["disclosure_id"] for row in rows])
        await _sql.rest(tx.connection, delivery_id=delivery.id, unsure=False, reason=None)
        return not rows and bool(await _sql.is_withheld(tx.connection, delivery_id=delivery.id))

    async def _record_failure(self, delivery: Delivery, error: Exception) -> Result:
        if reason_of(error) != NOT_WRITTEN:
            delivery = replace(delivery, unsure=True)
        async with self.begin_record(now=self.now()) as tx:
            return await self._try_later(tx, delivery, error)

    async def _record_untaken(self, delivery: Delivery, error: Exception) -> Result | None:
        """It could not be judged, or not taken back: nothing has left, and taking it was undone.

        That counts as a try, or it would be the first one due for ever and stop all others.
        """
        async with self.begin_record(now=self.now()) as tx:
            row = await _claim(delivery.id, tx)
            if row is None:
                return None  # somebody else has delivered it meanwhile
            # As it is now: somebody else may have tried, and nobody know what that did.
            return await self._try_later(tx, _delivery(row), error)

    async def _try_later(self, tx: Transaction, delivery: Delivery, error: Exception) -> Result:
        """Again by itself, as long as that may help."""
        reason = reason_of(error)
        if delivery.way == "folder" and delivery.tries < MOST_TRIES:
            await _sql.try_later(
                tx.connection,
                delivery_id=delivery.id,
                at=tx.now + pause_after(delivery.tries),
                unsure=delivery.unsure,
                reason=reason,
            )
            return Result("waits", delivery, reason, error=error)
        await self._fail(tx, delivery, reason)
        return Result("failed", delivery, reason, error=error)

    async def _fail(self, tx: Transaction, delivery: Delivery, reason: Failure) -> None:
        """Nobody tries by themselves any more; what is in it stays, sealed, for who asks for it."""
        ended = _sql.end_handovers(
            tx.connection, delivery_id=delivery.id, state="failed", reason=reason, now=tx.now
        )
        async for row in ended:
            entry = DisclosureFailed(
                **self._entry(tx), **row, reason=reason, may_have_reached=delivery.unsure
            )
            tx.say(entry, key=None)
        await _sql.rest(
            tx.connection, delivery_id=delivery.id, unsure=delivery.unsure, reason=reason
        )

    async def _not_yet(self, tx: Transaction, delivery: Delivery) -> Result:
        """Nothing is judged by what this service has not heard whole."""
        if delivery.way == "hand":
            await self._fail(tx, delivery, BEHIND)
            return Result("failed", delivery, BEHIND)
        await _sql.put_off(
            tx.connection,
            delivery_id=delivery.id,
            at=tx.now + BEHIND_PAUSE,
            unsure=delivery.unsure,
            reason=BEHIND,
        )
        return Result("waits", delivery, BEHIND)

    def _entry(self, tx: Transaction) -> EntryHead:
        return entry_head(tx, self.privacy, self.actor)


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(DisclosureId(row["delivery_id"]), row["way"], row["tries"], row["unsure"])


async def _claim_due(tx: Transaction) -> Mapping[str, Any] | None:
    row: Mapping[str, Any] | None = await _sql.take_due(
        tx.connection, now=tx.now, until=tx.now + TRY_LASTS
    )
    return row


async def _claim(disclosure_id: UUID, tx: Transaction) -> Mapping[str, Any] | None:
    row: Mapping[str, Any] | None = await _sql.take(
        tx.connection, disclosure_id=disclosure_id, until=tx.now + TRY_LASTS
    )
    return row


def _passes(error: Exception) -> bool:
    """Whether the same try may succeed at any moment, and tells nothing of this delivery."""
    return is_transient(error) and not isinstance(error, NotTakenBackError)


def pause_after(tries: int) -> timedelta:
    """Until the next try: twice as long each time."""
    return min(FIRST_PAUSE * (1 << (tries - 1)), LONGEST_PAUSE)
