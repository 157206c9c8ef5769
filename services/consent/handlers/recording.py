"""What people say of a purpose is recorded, proven and told, and what holds is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final
from uuid import UUID

from services.consent import store
from services.consent.domain import (
    Answer,
    Asked,
    Collected,
    Statement,
    answer,
    answered,
    check_answers,
    counting,
    fact_of,
    latest,
    noes_of,
    of_all,
    record_bytes,
    statements_of,
    withdrawals,
    withdrawn_purposes,
)
from services.consent.handlers.contacts import Contacts, Participation, Said
from services.consent.handlers.registrations import (
    NotTakingPart,
    Told,
    answered_at,
    answers_in,
    declines_something,
    may_correct,
    tells_what_stands,
)
from services.consent.handlers.told_by_contacts import Contact, is_address, says_no
from shared.contract.audit import ConsentRecorded
from shared.contract.inbound import ContactSubmitted, WithdrawalRequested
from shared.contract.message import Fault, Message, moment_of
from shared.contract.registration import ParticipantUpdated
from shared.contract.types import SubjectId
from shared.messaging.places import place_of
from shared.messaging.unit_of_work import Transaction
from shared.privacy.limits import limits_of
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias
from shared.runtime.database import Connection
from shared.runtime.turns import in_turns

SAID_AT_ONCE: Final = 20
"""Records that are said before whoever waits for a withdrawal has his turn: half a millisecond."""


class Handlers:
    """The use cases, with the plan and the door to personal data that they need."""

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._asked_by_plan = privacy.derived(
            lambda plan: asked_by(plan, privacy.in_force.all_plans.on_consent)
        )
        self._contacts = Contacts(privacy)

    @property
    def _asked(self) -> Asked:
        return self._asked_by_plan()

    async def prepare(self, tx: Transaction, messages: Sequence[Message[Contact]]) -> None:
        """Before a batch: find everybody who is in it, at once.

        Who is made known is locked until the commit. Asked for handler by handler, two batches
        that meet the same people would wait for each other.
        """
        counting = [message for message in messages if self._counts(message)]
        people = await self._identify(tx.connection, counting)
        places = [place_of(message.record) for message in counting]
        tx.made_ready = dict(zip(places, people, strict=True))

    async def rehearse(self, connection: Connection) -> None:
        """All that a withdrawal asks of the database, about nobody."""
        await self._privacy.people.rehearse(connection)
        await store.record(
            connection, {}, plan_digest="", recorded_at=datetime.fromtimestamp(0, UTC)
        )
        await store.drop_contacts(connection, (), self._contacts.categories)

    async def record_contacts(self, tx: Transaction, messages: Sequence[Message[Contact]]) -> None:
        """Record answers of people who gave their e-mail outside any event, and withdrawals, also
        of what was never given; none later than it came. A yes is of the person whom the address
        leads to. A no is of everybody whom it stands for: who of them said it, nobody can tell.

        Both at once: what holds of people is locked in one order, whatever they say. Else a batch
        of registrations could hold one of them, wait for another, and be waited for.
        """
        said = []
        for message, subject_ids in await self._people(tx, messages):
            collected = self._collected(message)
            statements = self._statements(message, subject_ids, collected)
            said.append(Said(message, subject_ids[0], collected, statements))
        await self._contacts.keep_submitted(tx, await self._record(tx, said))

    async def prepare_participants(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Before a batch of registrations: find whom each no in it is of besides, all at once.

        What one step records goes in everybody's order. With somebody in it twice, or something to
        correct, it has more: lock all that everybody in it has said. Else it would hold who says
        something new, want others, and cross a withdrawal of both. So it would by a lock that it
        does not need: whoever is new has no row to be locked by.
        """
        said_no = {one.data.subject_id for one in messages if declines_something(one.data)}
        others = await self._privacy.people.others(tx.connection, said_no) if said_no else {}
        tx.made_ready = others
        subject_ids = {message.data.subject_id for message in messages}
        if len(subject_ids) < len(messages) or any(map(may_correct, messages)):
            await store.lock_ahead(tx.connection, subject_ids.union(*others.values()))

    async def record_participants(
        self, tx: Transaction, messages: Sequence[Message[Participation]]
    ) -> None:
        """Record the answers that people gave when they registered for an event. A no is of the
        whole person, also as another subject that proved to be the same.

        Who comes from the waiting list answered once, when they joined it: the registration is the
        origin, and what it said is recorded with its first fact.
        """
        said = await self._said(tx, messages)
        news = await self._record(tx, said)
        await self._contacts.keep_registered(tx, news)
        new = {id(one.message) for one in news if one.tells_of_itself}
        # With the place, or told again as it stands because something was missed. What is surely
        # told for the first time was just kept; else an answer may be new and the address known.
        told = [
            (one.message.data, one.collected.at)
            for one in said
            if tells_what_stands(one.message)
            and (may_correct(one.message) or id(one.message) not in new)
        ]
        await self._contacts.correct(tx, told)

    async def record_not_taking_part(
        self, tx: Transaction, messages: Sequence[Message[NotTakingPart]]
    ) -> None:
        """Record what people answered on registrations that are cancelled, where the fact tells of
        it: mostly it is known, by the registration's own. And each no on one that was declined.
        Whom to write to does not come with either.
        """
        await self._record(tx, await self._said(tx, messages))

    async def correct_contacts(
        self, tx: Transaction, messages: Sequence[Message[ParticipantUpdated]]
    ) -> None:
        """Write to people as they have corrected it. What they agreed to is not corrected here: a
        consent is withdrawn, or given anew.
        """
        told = [
            (message.data, moment_of(message.data.updated_at, message.received_at))
            for message in messages
        ]
        await self._contacts.correct(tx, told)

    async def check(self, connection: Connection, email: str, purpose: str) -> Answer:
        """Whether data may be used for a purpose that rests on consent: that of everybody whom the
        address stands for.

        Who is not known was never asked: the answer does not tell the two apart. AliasError for
        what is no e-mail.
        """
        (people,) = await self._privacy.people.everybody(connection, [Alias("email", email)])
        subject_ids = [subject_id for person in people for subject_id in person]
        held = await store.states_of(connection, subject_ids, purpose)
        limits = await limits_of(connection, subject_ids, purpose)
        answers = []
        for person in people or [()]:
            limit = next((limits[one] for one in person if one in limits), None)
            answers.append(answer(purpose, self._asked, latest(held, person), limit))
        return of_all(answers)

    def _fault(self, message: Message[Contact]) -> Fault | None:
        """Why not all of it can be recorded."""
        data = message.data
        if not is_address(data.email):
            return Fault("field_invalid", "email: not an e-mail address")
        if isinstance(data, ContactSubmitted):
            return check_answers(data.consents, self._asked)
        if not withdrawn_purposes(data.purposes, self._asked):
            return Fault("purpose_unknown", "purposes: none of them ever rested on consent")
        return None

    def _counts(self, message: Message[Contact]) -> bool:
        """Whether something of it is recorded: all, or each no beside a yes that is at fault."""
        data = message.data
        if isinstance(data, WithdrawalRequested):
            return self._fault(message) is None
        return is_address(data.email) and bool(answered(data.consents, self._asked))

    async def _people(
        self, tx: Transaction, messages: Sequence[Message[Contact]]
    ) -> list[tuple[Message[Contact], Sequence[SubjectId]]]:
        """What something is recorded of, and of whom. What is at fault is a dead letter, also where
        a no in it counts: the yes is recorded once it is redriven.
        """
        for message in messages:
            fault = self._fault(message)
            if fault is not None:
                tx.dead_letter(message, fault.reason, fault.detail)
        counting = [message for message in messages if self._counts(message)]
        if tx.made_ready is None:
            await self.prepare(tx, counting)
        return [(message, tx.made_ready[place_of(message.record)]) for message in counting]

    async def _identify(
        self, connection: Connection, messages: Sequence[Message[Contact]]
    ) -> list[Sequence[SubjectId]]:
        """Who sent each message, and of a no everybody else whom its address stands for."""
        people = self._privacy.people
        senders = [Alias("email", message.data.email) for message in messages]
        subject_ids = await people.identify(connection, [[sender] for sender in senders])
        said_no = [
            sender
            for sender, message in zip(senders, messages, strict=True)
            if says_no(message.data)
        ]
        found = await people.everybody(connection, said_no) if said_no else []
        meant = dict(zip(said_no, found, strict=True))
        return [
            list(dict.fromkeys([subject_id, *chain.from_iterable(meant.get(sender, ()))]))
            for sender, subject_id in zip(senders, subject_ids, strict=True)
        ]

    async def _said(self, tx: Transaction, messages: Sequence[Message[Told]]) -> list[Said]:
        """What people said when they registered; without those of whom nothing counts."""
        if tx.made_ready is None:
            await self.prepare_participants(tx, messages)
        said = [self._answered(tx, message) for message in messages]
        return [one for one in said if one.statements]

    def _answered(self, tx: Transaction, message: Message[Told]) -> Said:
        """What somebody who registers said, and each no also of the others of the same person."""
        about, told = message.data.subject_id, answers_in(message.data)
        if about is None or told is None:
            raise LookupError("a registration that tells of no answers was not passed over")
        collected = Collected(
            by="registration",
            source=told.source,
            origin=self._registration(message),
            at=moment_of(answered_at(told), message.received_at),
        )
        answers = counting(told.consents, self._asked)
        tx.dropped(["consents"] * (len(told.consents) - len(answers)))
        said = statements_of(about, answers, collected, self._asked)
        others = tx.made_ready.get(about, ())
        said_of_all = self._of_others_too(said, others, collected)
        return Said(message, about, collected, said_of_all)

    def _registration(self, message: Message[Told]) -> bytes:
        """What stands for it as an origin: its id, or the fact that there is none."""
        registration_id = message.data.registration_id
        if registration_id is not None:
            return registration_id.bytes
        return self._privacy.reference(f"declined\0{message.envelope.id}".encode())

    def _collected(self, message: Message[Contact]) -> Collected:
        envelope = message.envelope
        source = self._privacy.plan.source_name(envelope.source)
        if source is None:
            raise LookupError("a message of a source that the plan does not have was admitted")
        # Upstream's own id, as personal as any text from upstream: a keyed digest stands for it.
        origin = self._privacy.reference(f"contact\0{source}\0{envelope.id}".encode())
        said_at = moment_of(message.own_time, message.received_at)
        return Collected("contact", source, origin, said_at)

    def _collected_no(self, message: Message[Contact], collected: Collected) -> Collected:
        """Where a no came from: a source that uses an id again, on a day of which the inbox does
        not know it, would else take nothing back, and nobody would be told. Where it names no time
        the broker's tells such noes apart.
        """
        envelope = message.envelope
        time = message.own_time or message.received_at
        named = f"no\0{envelope.type}\0{time.isoformat()}\0".encode() + collected.origin
        return replace(collected, origin=self._privacy.reference(named))

    def _statements(
        self, message: Message[Contact], subject_ids: Sequence[SubjectId], collected: Collected
    ) -> Sequence[Statement]:
        """What whoever sent it said (the first subject), and each no also of the others."""
        data = message.data
        sender, *others = subject_ids
        if isinstance(data, ContactSubmitted):
            answers = answered(data.consents, self._asked)
            said = statements_of(sender, answers, collected, self._asked)
        else:
            purposes = withdrawn_purposes(data.purposes, self._asked)
            said = withdrawals(sender, purposes, collected)
        if not says_no(data):
            return said
        no = self._collected_no(message, collected)
        told = [one if one.state == "given" else replace(one, collected=no) for one in said]
        return self._of_others_too(told, others, no)

    def _of_others_too(
        self, said: Sequence[Statement], others: Sequence[SubjectId], collected: Collected
    ) -> Sequence[Statement]:
        """What somebody said, and each no in it of others too."""
        origins = {other: self._origin_of(other, collected) for other in others}
        return [*said, *noes_of(origins, said)]

    def _origin_of(self, other: SubjectId, collected: Collected) -> bytes:
        """One origin says one thing of a purpose, so each further subject has one of its own."""
        return self._privacy.reference(b"contact of another\0" + other.bytes + collected.origin)

    async def _record(self, tx: Transaction, said: Sequence[Said]) -> Sequence[Said]:
        """Record and say what is new; that alone. By it alone whom to write to may be kept: until
        the commit, nobody else's statement counts of the same person and purpose.
        """
        told = {
            tx.new_id(): (statement, one.message) for one in said for statement in one.statements
        }
        if not told:
            return ()
        digest = self._privacy.plan.digest
        statements = {record_id: statement for record_id, (statement, _) in told.items()}
        known = await store.record(
            tx.connection, statements, plan_digest=digest, recorded_at=tx.now
        )
        if known:
            for record_id in known:
                del told[record_id]
            said = _news(tx, said, [statement for statement, _ in told.values()])
        no_more = {one.subject_id for one, _ in told.values() if one.state != "given"}
        if no_more:
            await store.drop_contacts(tx.connection, no_more, self._contacts.categories)
        async for some in in_turns(list(told.items()), SAID_AT_ONCE):
            for record_id, (statement, message) in some:
                about = statement.subject_id
                tx.say(fact_of(statement, digest), key=about, subject=about, because=message)
                entry = self._proof(record_id, statement, tx.now)
                tx.say(entry, key=None, subject=about, because=message)
        return said

    def _proof(self, record_id: UUID, statement: Statement, now: datetime) -> ConsentRecorded:
        """What the audit log has of a record, also when the record is erased (article 7(1))."""
        digest = self._privacy.plan.digest
        record = record_bytes(record_id, statement, digest)
        return ConsentRecorded.of(
            {
                "at": now,
                "actor": "service:consent",
                "plan_digest": digest,
                "service": "consent",
                "subject_id": statement.subject_id,
                "purpose": statement.purpose,
                "state": statement.state,
                "record_digest": self._privacy.reference(b"consent record\0" + record).hex(),
            }
        )


def _news(tx: Transaction, said: Sequence[Said], recorded: Sequence[Statement]) -> list[Said]:
    """What was said with no more than was recorded of it; who says nothing new was had before."""
    new, news = {id(statement) for statement in recorded}, []
    for one in said:
        statements = [statement for statement in one.statements if id(statement) in new]
        if statements:
            news.append(Said(one.message, one.subject_id, one.collected, statements))
        elif one.statements:
            tx.had(one.message)
    return news


def asked_by(plan: Plan, ever: frozenset[str]) -> Asked:
    """What the plan lets one ask consent for and in which words, and what any plan did (`ever`)."""
    return Asked(
        purposes=frozenset(
            name for name, purpose in plan.purposes.items() if purpose.needs_consent
        ),
        wordings={
            (wording.purpose, wording.language, name): wording.digest
            for wording in plan.wordings
            for name in (wording.id, wording.digest)
        },
        ever=ever,
    )
