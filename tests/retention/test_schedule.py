"""The retention schedule on a real Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from services.retention import store
from services.retention.domain import DueGroup
from services.retention.handlers import Handlers
from services.retention.subscribers import subscriptions
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.finance import InvoiceIssued
from shared.contract.message import Message
from shared.contract.registration import (
    EventCancelled,
    EventChanged,
    EventState,
    ParticipantUpdated,
    RegistrationCancelled,
)
from shared.contract.registry import REGISTRY, MessageData
from shared.contract.types import InvoiceId, Money, RegistrationId, Sealed, SubjectId
from shared.messaging.subscription import Handler
from tests.support.facts import NOON, Facts, event_state, registered
from tests.support.work import Work


def said(data: MessageData) -> Message[Any]:
    return Facts().message(data)


def carrying(event: EventState, *categories: str, **over: object) -> Message[Any]:
    """A registration that carries these categories of data."""
    personal = {category: Sealed(b"sealed") for category in categories}
    return registered(event, personal=personal, **over)


def consent_given(subject: SubjectId) -> ConsentGiven:
    return ConsentGiven(
        subject_id=subject,
        purpose="marketing",
        at=NOON,
        wording="w",
        language="fi",
        collected_by="contact",
        source="website",
        plan_digest="00",
    )


def consent_withdrawn(subject: SubjectId, *, days: int) -> ConsentWithdrawn:
    return ConsentWithdrawn(
        subject_id=subject, purpose="marketing", at=NOON + timedelta(days=days), plan_digest="00"
    )


async def due_dates(work: Work) -> dict[str, date | None]:
    rows = await work.rows("select part, due_on from schedule_item")
    return {row["part"]: row["due_on"] for row in rows}


async def due(work: Work, on: date) -> list[DueGroup]:
    async with work.parts.pool.acquire() as connection:
        return await store.due(connection, on)


def test_every_type_of_every_topic_is_handled_or_ignored_on_purpose(work: Work) -> None:
    for subscription in subscriptions(work.parts.privacy):
        of_topic = {known.model for known in REGISTRY if known.topic == subscription.topic}
        assert set(subscription.handlers) | subscription.ignored == of_topic


def test_no_answer_that_ends_a_consent_waits_behind_what_has_failed(work: Work) -> None:
    consents = {one.topic: one for one in subscriptions(work.parts.privacy)}["consent"]
    assert consents.never_waits == consents.handlers.keys() - {ConsentGiven}


async def test_each_category_is_due_after_the_period_of_its_class(
    work: Work, handlers: Handlers
) -> None:
    message = carrying(event_state(), "contact", "diet", "marketing")
    await work.do(handlers.schedule_registrations, [message])
    await work.do(handlers.schedule_registrations, [message])
    # The event ends on 1 October. Marketing data go with the consent, not with the event.
    assert await due_dates(work) == {
        "contact": date(2027, 4, 2),
        "diet": date(2026, 10, 16),
        "registration": date(2027, 4, 2),
    }


async def test_an_event_that_ends_later_moves_what_hangs_on_it_in_every_order(
    work: Work, handlers: Handlers
) -> None:
    for order in permutations(range(3)):
        event = event_state()
        later = event.model_copy(
            update={"version": 2, "ends_at": datetime(2026, 11, 1, 14, tzinfo=UTC)}
        )
        again = event.model_copy(
            update={"version": 3, "ends_at": datetime(2026, 12, 1, 14, tzinfo=UTC)}
        )
        steps = [
            (handlers.schedule_registrations, carrying(event, "diet")),
            (handlers.learn_events, said(EventChanged(event=again))),
            (handlers.learn_events, said(EventChanged(event=later))),
        ]
        for step in order:
            handler, message = steps[step]
            await work.do(handler, [message])
        assert (await due_dates(work))["diet"] == date(2026, 12, 16)
        moved = await work.rows(
            "select distinct anchor_date from schedule_item where event_id = $1", event.event_id
        )
        assert [row["anchor_date"] for row in moved] == [date(2026, 12, 1)]


async def test_a_cancelled_event_ends_what_hangs_on_it_in_every_order(
    work: Work, handlers: Handlers
) -> None:
    for order in permutations(range(3)):
        event = event_state(ends_at=datetime(2126, 10, 1, 14, tzinfo=UTC))
        gone = event.model_copy(update={"version": 2, "status": "cancelled", "cancelled_at": NOON})
        message = carrying(event, "diet")
        cancelled = RegistrationCancelled(
            registration_id=message.data.registration_id,
            subject_id=message.data.subject_id,
            event=gone,
            cancelled_at=NOON,
            by="organiser",
        )
        steps = [
            (handlers.schedule_registrations, message),
            (handlers.learn_events, said(EventCancelled(event=gone))),
            (handlers.schedule_cancelled, said(cancelled)),
        ]
        for step in order:
            handler, told = steps[step]
            await work.do(handler, [told])
        rows = await work.rows(
            "select distinct due_on from schedule_item where part = 'diet' and event_id = $1",
            event.event_id,
        )
        assert [row["due_on"] for row in rows] == [date(2026, 9, 16)]


@pytest.mark.parametrize("again", list(permutations(range(4))))
async def test_what_is_told_again_changes_nothing_in_every_order(
    work: Work, handlers: Handlers, again: Sequence[int]
) -> None:
    """The inbox forgets after forty days, and what is said again has another id."""
    event, subject = event_state(), SubjectId(uuid4())
    later = event.model_copy(update={"version": 2, "ends_at": event.ends_at + timedelta(days=31)})
    told: list[tuple[Handler, Message[Any]]] = [
        (handlers.schedule_registrations, carrying(event, "contact", "diet")),
        (handlers.schedule_consents, said(consent_given(subject))),
        (handlers.learn_events, said(EventChanged(event=later))),
        (handlers.schedule_consents, said(consent_withdrawn(subject, days=1))),
    ]
    schedule = "select * from schedule_item order by subject_id, item_id, kind, part"
    for handler, message in told:
        await work.do(handler, [message])
    once = await work.rows(schedule), await work.rows("select * from event_anchor")
    for number in again:
        handler, message = told[number]
        await work.do(handler, [message])
    assert (await work.rows(schedule), await work.rows("select * from event_anchor")) == once


async def test_what_a_correction_adds_counts_though_it_was_sent_before_the_place_was_given(
    work: Work, handlers: Handlers
) -> None:
    has_a_place = carrying(
        event_state(), "diet", registered_at=NOON + timedelta(hours=2), collected_at=NOON
    )
    await work.do(handlers.schedule_registrations, [has_a_place])
    assert (await due_dates(work))["registration"] == date(2026, 10, 16)
    corrected = has_a_place.data.model_dump(exclude={"registered_at"}) | {
        "personal": {"contact": Sealed(b"sealed"), "diet": Sealed(b"sealed")},
        "updated_at": NOON + timedelta(hours=1),
    }
    await work.do(
        handlers.schedule_registrations, [said(ParticipantUpdated.model_validate(corrected))]
    )
    assert await due_dates(work) == {
        "contact": date(2027, 4, 2),
        "diet": date(2026, 10, 16),
        "registration": date(2027, 4, 2),
    }


async def test_everybody_at_an_event_is_moved_by_what_they_gave_and_nobody_else(
    work: Work, handlers: Handlers
) -> None:
    event, other = event_state(), event_state()
    later = event.model_copy(update={"version": 2, "ends_at": event.ends_at + timedelta(days=31)})
    several = SubjectId(uuid4())
    people = [several, several, *(SubjectId(uuid4()) for _ in range(3))]
    for one in (event, other):
        messages = [carrying(one, "contact", "diet", subject_id=who) for who in people]
        await work.do(handlers.schedule_registrations, [*messages, carrying(one, "diet")])
    await work.do(handlers.learn_events, [said(EventChanged(event=later))])
    rows = await work.rows(
        "select part, event_id, array_agg(distinct due_on) as days, count(*) as items"
        " from schedule_item group by part, event_id"
    )
    found = {(row["part"], row["event_id"]): (row["days"], row["items"]) for row in rows}
    assert found == {
        (part, one.event_id): (days, items)
        for one, contact, diet in (
            (event, date(2027, 5, 2), date(2026, 11, 16)),
            (other, date(2027, 4, 2), date(2026, 10, 16)),
        )
        for part, days, items in (
            ("contact", [contact], 5),
            ("diet", [diet], 6),
            ("registration", [diet, contact], 6),
        )
    }


async def test_an_event_is_moved_by_as_many_statements_however_many_take_part(
    work: Work, handlers: Handlers
) -> None:
    """Else the batch that tells of a large one is never done within the time of a transaction."""
    statements = []
    for people in (1, 1_000):
        event = event_state()
        messages = [carrying(event, "contact", "diet") for _ in range(people)]
        await work.do(handlers.schedule_registrations, messages)
        later = event.model_copy(update={"version": 2, "ends_at": NOON + timedelta(days=400)})
        async with work.parts.work(now=NOON) as tx:
            asked: list[object] = []
            with tx.connection.query_logger(asked.append):
                await handlers.learn_events(tx, [said(EventChanged(event=later))])
        statements.append(len(asked))
        left = (
            "select count(*) from schedule_item where event_id = $1 and anchor_date < '2027-10-01'"
        )
        assert await work.value(left, event.event_id) == 0
    assert statements[0] == statements[1]


async def test_a_batch_that_holds_an_older_version_does_not_move_the_event_back(
    work: Work, handlers: Handlers
) -> None:
    old = event_state()
    new = old.model_copy(update={"version": 2, "ends_at": old.ends_at + timedelta(days=31)})
    await work.do(handlers.learn_events, [said(EventChanged(event=new))])
    both = [carrying(old, "diet"), carrying(old, "diet")]
    await work.do(handlers.schedule_registrations, both)
    dates = await work.rows("select due_on from schedule_item where part = 'diet'")
    assert [row["due_on"] for row in dates] == [date(2026, 11, 16)] * 2


async def test_an_invoice_is_kept_as_voucher_and_in_the_ledger(
    work: Work, handlers: Handlers
) -> None:
    invoice = InvoiceIssued(
        invoice_id=InvoiceId(uuid4()),
        number="2026000001",
        kind="invoice",
        subject_id=SubjectId(uuid4()),
        registration_id=RegistrationId(uuid4()),
        event_id=event_state().event_id,
        net=Money(minor_units=10_000, currency="EUR"),
        vat=Money(minor_units=2_550, currency="EUR"),
        vat_class="standard",
        vat_percent="25.5",
        financial_year_ends=date(2026, 12, 31),
        issued_at=NOON,
    )
    await work.do(handlers.schedule_invoices, [said(invoice)])
    assert await due_dates(work) == {"voucher": date(2033, 1, 1), "ledger": date(2037, 1, 1)}


async def test_what_rests_on_a_consent_is_due_when_the_consent_ends(
    work: Work, handlers: Handlers
) -> None:
    subject = SubjectId(uuid4())
    given, withdrawn = consent_given(subject), consent_withdrawn(subject, days=3)
    await work.do(handlers.schedule_consents, [said(given)])
    assert await due_dates(work) == {"marketing/marketing": None}
    await work.do(handlers.schedule_consents, [said(withdrawn)])
    assert await due_dates(work) == {"marketing/marketing": date(2026, 9, 5)}
    # The same consent, told again and late.
    await work.do(handlers.schedule_consents, [said(given)])
    assert await due_dates(work) == {"marketing/marketing": date(2026, 9, 5)}


async def test_of_what_is_told_at_once_the_latest_holds_and_of_one_moment_what_ends_a_consent(
    work: Work, handlers: Handlers
) -> None:
    for days, due_on in ((0, date(2026, 9, 2)), (3, date(2026, 9, 5)), (-3, None)):
        for order in permutations(range(2)):
            subject = SubjectId(uuid4())
            facts = consent_given(subject), consent_withdrawn(subject, days=days)
            told = [said(facts[place]) for place in order]
            await work.do(handlers.schedule_consents, told)
            rows = await work.rows(
                "select due_on from schedule_item where subject_id = $1", subject
            )
            assert [row["due_on"] for row in rows] == [due_on]


async def test_a_category_that_no_plan_ever_had_is_a_dead_letter(
    work: Work, handlers: Handlers
) -> None:
    messages = [carrying(event_state(), "horoscope"), carrying(event_state(), "diet")]
    effect = await work.do(handlers.schedule_registrations, messages)
    assert effect.at_fault == ["category_unknown"]
    assert set(await due_dates(work)) == {"diet", "registration"}


async def test_of_a_cancelled_registration_that_was_missed_what_is_kept_is_scheduled(
    work: Work, handlers: Handlers
) -> None:
    event = event_state()
    gone = RegistrationCancelled(
        registration_id=RegistrationId(uuid4()),
        subject_id=SubjectId(uuid4()),
        event=event,
        cancelled_at=NOON,
        by="person",
    )
    await work.do(handlers.schedule_cancelled, [said(gone)])
    assert await due_dates(work) == {}, "it is in the schedule by the registration's own fact"
    told = gone.model_copy(update={"categories": ("contact", "diet")})
    await work.do(handlers.schedule_cancelled, [said(told)])
    assert await due_dates(work) == {
        "contact": date(2027, 4, 2),
        "diet": date(2026, 10, 16),
        "registration": date(2027, 4, 2),
    }


async def test_of_a_cancelled_registration_that_is_told_again_nothing_is_readable_again(
    work: Work, handlers: Handlers
) -> None:
    message = carrying(event_state(), "contact")
    await work.do(handlers.schedule_registrations, [message])
    await work.rows("update schedule_item set unreadable_since = now()")
    told = RegistrationCancelled(
        registration_id=message.data.registration_id,
        subject_id=message.data.subject_id,
        event=message.data.event,
        cancelled_at=NOON + timedelta(days=1),
        by="person",
        categories=("contact", "diet"),
    )
    for _ in range(2):
        await work.do(handlers.schedule_cancelled, [said(told)])
    rows = await work.rows("select part from schedule_item where unreadable_since is null")
    assert [row["part"] for row in rows] == ["diet"], "what had been missed"


async def test_what_is_due_is_grouped_by_event_and_class(work: Work, handlers: Handlers) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    messages = [
        carrying(event, "contact", "diet"),
        carrying(event, "contact", "stay", subject_id=subject),
        carrying(event, "contact", subject_id=subject),
    ]
    await work.do(handlers.schedule_registrations, messages)
    assert await due(work, date(2026, 10, 15)) == []
    (diet,) = await due(work, date(2026, 10, 16))
    assert (diet.retention_class, diet.items, diet.people) == ("diet", 1, 1)
    groups = await due(work, date(2027, 4, 2))
    assert [(one.retention_class, one.items, one.people) for one in groups] == [
        ("diet", 1, 1),
        ("event-data", 7, 2),
    ]
    assert {(one.event_id, one.unit) for one in groups} == {(event.event_id, "training")}


async def test_a_thousand_registrations_at_once(work: Work, handlers: Handlers) -> None:
    events = [event_state() for _ in range(5)]
    messages = [carrying(events[number % 5], "contact", "diet") for number in range(1000)]
    await work.do(handlers.learn_events, messages)
    await work.do(handlers.schedule_registrations, messages)
    assert await work.value("select count(*) from schedule_item") == 3000
