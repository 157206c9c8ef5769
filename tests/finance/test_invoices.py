"""Invoices on a real Postgres: numbers without a gap, buyers sealed for accounting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.finance.handlers import Handlers, costs_something
from services.finance.subscribers import subscriptions
from shared.contract.codec import decode
from shared.contract.message import Message, PassedOver
from shared.contract.registration import (
    EventState,
    ParticipantUpdated,
    RegistrationCancelled,
)
from shared.contract.registry import REGISTRY
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted, RestrictionLifted
from shared.contract.types import Sealed, SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.limits import LIMITS, record_limits
from shared.privacy.values import ToOpen, ToSeal
from tests.support.facts import NOON, Facts, event_state, registered
from tests.support.records import record_of
from tests.support.work import Effect, Work

BILLING = {"name": "Firma Canary Oy", "address": "Canarykuja 1", "business_id": "1234567-1"}
CONTACT = {"name": "Aino Canary", "email": "aino.canary@example.org", "phone": "+358401234567"}


async def seal(
    registration_at_work: Work, subject: SubjectId, event: EventState, **contents: Mapping[str, Any]
) -> dict[str, Sealed]:
    items = [
        ToSeal(subject, category, f"event:{event.event_id}", content)
        for category, content in contents.items()
    ]
    async with registration_at_work.parts.pool.acquire() as connection, connection.transaction():
        sealed = await registration_at_work.parts.privacy.seal(connection, items, at=NOON)
    return {
        item.category: value for item, value in zip(items, sealed, strict=True) if value is not None
    }


async def billed(registration_at_work: Work) -> Message[Any]:
    """The registration of somebody who is invoiced as `BILLING`."""
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing=BILLING)
    return registered(event, subject_id=subject, personal=personal)


def cancelled(of: Message[Any], **over: object) -> Message[Any]:
    data = RegistrationCancelled(
        registration_id=of.data.registration_id,
        subject_id=of.data.subject_id,
        event=of.data.event.model_copy(update=over),
        cancelled_at=NOON,
        by="person",
    )
    return Facts().message(data)


def updated(of: Message[Any], personal: Mapping[str, Sealed], *, hours: int = 1) -> Message[Any]:
    data = of.data.model_dump(exclude={"registered_at"}) | {
        "personal": personal,
        "updated_at": NOON + timedelta(hours=hours),
    }
    return Facts().message(ParticipantUpdated.model_validate(data))


async def numbers(work: Work) -> list[str]:
    rows = await work.rows("select number from invoice order by position")
    return [row["number"] for row in rows]


async def buyer(work: Work, invoice_id: object) -> Mapping[str, Any] | None:
    (row,) = await work.rows("select * from buyer where invoice_id = $1", invoice_id)
    if row["sealed"] is None:
        return None
    async with work.parts.pool.acquire() as connection, connection.transaction():
        item = ToOpen(SubjectId(row["subject_id"]), row["category"], Sealed(row["sealed"]))
        (opened,) = await work.parts.privacy.use(connection, "accounting", [item])
    return None if opened is None else opened.reveal()


def invoice_id_of(effect: Effect) -> UUID:
    (fact,) = effect.said
    return UUID(fact.data["invoice_id"])


def test_every_type_of_both_topics_is_handled_or_ignored_on_purpose(work: Work) -> None:
    for subscription in subscriptions(work.parts.privacy):
        of_topic = {known.model for known in REGISTRY if known.topic == subscription.topic}
        assert set(subscription.handlers) | subscription.ignored == of_topic
    _, limits = subscriptions(work.parts.privacy)
    assert limits.never_waits == set(LIMITS), "no objection waits behind what has failed"


def test_of_registrations_only_those_with_a_fee_concern_it() -> None:
    free = event_state(fee=None, vat_class=None)
    assert costs_something(registered())
    assert not costs_something(registered(free))
    assert costs_something(cancelled(registered(free), fee=None, vat_class=None))


def test_of_a_free_registration_no_more_than_the_envelope_is_read(work: Work) -> None:
    subscription, _ = subscriptions(work.parts.privacy)
    free = event_state(fee=None, vat_class=None)
    for event, read in ((free, PassedOver), (event_state(), Message)):
        record = record_of(registered(event).data)
        assert isinstance(decode(record, subscription.passes_over), read)
    later = cancelled(registered(free), fee=None, vat_class=None)
    assert isinstance(decode(record_of(later.data), subscription.passes_over), Message)


async def test_a_registration_with_a_fee_is_invoiced_once(work: Work, handlers: Handlers) -> None:
    message = registered()
    effect = await work.do(handlers.issue_invoices, [message])
    again = await work.do(handlers.issue_invoices, [message])
    (fact,) = effect.said
    assert again.said == []
    assert (fact.type, fact.key) == ("InvoiceIssued", message.data.subject_id)
    assert fact.data["number"] == "2026000001"
    assert fact.data["net"] == {"minor_units": 10_000, "currency": "EUR"}
    assert fact.data["vat"] == {"minor_units": 2_550, "currency": "EUR"}
    assert (fact.data["vat_percent"], fact.data["kind"]) == ("25.5", "invoice")
    assert fact.data["financial_year_ends"] == "2026-12-31"
    assert await work.value("select reference from invoice") == "20260000011"


async def test_what_is_free_of_charge_is_not_invoiced(work: Work, handlers: Handlers) -> None:
    free = registered(event_state(fee=None, vat_class=None))
    effect = await work.do(handlers.issue_invoices, [free])
    assert effect.said == []
    assert await numbers(work) == []


async def test_the_year_is_the_one_that_the_organisation_is_in(
    work: Work, handlers: Handlers
) -> None:
    new_year_in_helsinki = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    await work.do(handlers.issue_invoices, [registered()], now=new_year_in_helsinki)
    assert await numbers(work) == ["2027000001"]


async def test_a_vat_class_that_the_plan_has_not_is_a_dead_letter(
    work: Work, handlers: Handlers
) -> None:
    messages = [registered(event_state(vat_class="luxury")), registered()]
    effect = await work.do(handlers.issue_invoices, messages)
    assert effect.at_fault == ["vat_class_unknown"]
    assert await numbers(work) == ["2026000001"]


async def test_what_was_invoiced_stays_so_whatever_the_plan_calls_its_vat_class_now(
    work: Work, handlers: Handlers
) -> None:
    event, registration, subject = event_state(), uuid4(), uuid4()
    known = registered(event, registration_id=registration, subject_id=subject)
    await work.do(handlers.issue_invoices, [known])
    renamed = event.model_copy(update={"vat_class": "of-an-older-plan"})
    again = registered(renamed, registration_id=registration, subject_id=subject)
    effect = await work.do(handlers.issue_invoices, [again])
    assert effect.said == []
    assert effect.at_fault == []


async def test_who_is_invoiced_is_sealed_again_as_accounting_data_of_the_year(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing=BILLING, contact=CONTACT)
    message = registered(event, subject_id=subject, personal=personal)
    effect = await work.do(handlers.issue_invoices, [message])
    assert await buyer(work, invoice_id_of(effect)) == BILLING
    assert await work.value("select context from buyer") == "year:2026"


async def test_without_billing_data_the_participant_is_invoiced(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(
        registration_at_work, subject, event, contact=CONTACT, billing={"reference": "PO 7"}
    )
    message = registered(event, subject_id=subject, personal=personal)
    effect = await work.do(handlers.issue_invoices, [message])
    assert await buyer(work, invoice_id_of(effect)) == {
        "name": CONTACT["name"],
        "reference": "PO 7",
    }


async def test_an_invoice_is_issued_though_nothing_is_left_of_the_person(
    work: Work, handlers: Handlers
) -> None:
    effect = await work.do(handlers.issue_invoices, [registered()])
    assert await buyer(work, invoice_id_of(effect)) is None


async def test_restricted_data_is_not_invoiced_with_until_it_is_told_of_again(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    subject = message.data.subject_id
    restricted = ProcessingRestricted(subject_id=subject, at=NOON)
    await work.do(record_limits, [Facts().message(restricted, source="/steward/retention")])
    effect = await work.do(handlers.issue_invoices, [message])
    refused, issued = effect.said
    assert (refused.type, refused.data["reason"]) == ("UseRefused", "restricted")
    assert (refused.data["purpose"], refused.data["categories"]) == ("invoicing", ["billing"])
    invoice_id = UUID(issued.data["invoice_id"])
    assert await buyer(work, invoice_id) is None, "the amount is booked, and names nobody"
    lifted = RestrictionLifted(subject_id=subject, at=NOON + timedelta(days=1))
    await work.do(record_limits, [Facts().message(lifted, source="/steward/retention")])
    again = await work.do(handlers.issue_invoices, [message])
    assert again.said == [], "and it is not invoiced again"
    assert await buyer(work, invoice_id) == BILLING


async def test_a_voucher_names_its_buyer_though_the_data_is_restricted(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    subject = message.data.subject_id
    await work.do(handlers.issue_invoices, [message])
    restricted = ProcessingRestricted(subject_id=subject, at=NOON)
    await work.do(record_limits, [Facts().message(restricted, source="/steward/retention")])
    effect = await work.do(handlers.credit_invoices, [cancelled(message)])
    assert await buyer(work, invoice_id_of(effect)) == BILLING


async def test_a_correction_reaches_the_invoice_and_older_news_does_not(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    message = registered(event, subject_id=subject)
    effect = await work.do(handlers.issue_invoices, [message])
    for name, hours in (("New Canary Oy", 2), ("Old Canary Oy", 1)):
        personal = await seal(registration_at_work, subject, event, billing={"name": name})
        await work.do(handlers.correct_buyers, [updated(message, personal, hours=hours)])
    assert await buyer(work, invoice_id_of(effect)) == {"name": "New Canary Oy"}


MOVED_UP = {"registered_at": NOON + timedelta(hours=2), "collected_at": NOON}
"""Of who had to wait for a place."""


async def test_who_is_corrected_while_waiting_for_a_place_is_invoiced_with_the_place_alone(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing={"name": "Right Oy"})
    moved_up = registered(event, subject_id=subject, personal=personal, **MOVED_UP)
    effect = await work.do(handlers.correct_buyers, [updated(moved_up, personal)])
    assert (effect.said, effect.at_fault, await numbers(work)) == ([], [], [])
    effect = await work.do(handlers.issue_invoices, [moved_up])
    assert await buyer(work, invoice_id_of(effect)) == {"name": "Right Oy"}


async def test_a_correction_that_was_sent_before_the_place_was_given_reaches_the_invoice_after_it(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing={"name": "Old Oy"})
    moved_up = registered(event, subject_id=subject, personal=personal, **MOVED_UP)
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [moved_up]))
    corrected = await seal(registration_at_work, subject, event, billing={"name": "New Oy"})
    await work.do(handlers.correct_buyers, [updated(moved_up, corrected, hours=1)])
    assert await buyer(work, invoice) == {"name": "New Oy"}


@pytest.mark.parametrize("limit", [ProcessingRestricted, ObjectionRecorded])
async def test_a_correction_reaches_the_invoice_though_the_data_may_not_be_used(
    limit: type[ProcessingRestricted | ObjectionRecorded],
    work: Work,
    registration_at_work: Work,
    handlers: Handlers,
) -> None:
    message = await billed(registration_at_work)
    event, subject = message.data.event, message.data.subject_id
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [message]))
    limited = limit.model_validate({"subject_id": subject, "purpose": "invoicing", "at": NOON})
    await work.do(record_limits, [Facts().message(limited, source="/steward/retention")])
    corrected = await seal(registration_at_work, subject, event, billing={"name": "Right Oy"})
    effect = await work.do(handlers.correct_buyers, [updated(message, corrected)])
    assert effect.said == [], "to correct is to store, which nobody has to be told of"
    assert await buyer(work, invoice) == {"name": "Right Oy"}


async def test_who_was_not_named_is_not_named_by_a_correction_while_data_is_restricted(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    subject = message.data.subject_id
    personal = message.data.personal
    restricted = ProcessingRestricted(subject_id=subject, at=NOON)
    await work.do(record_limits, [Facts().message(restricted, source="/steward/retention")])
    issued = await work.do(handlers.issue_invoices, [message])
    effect = await work.do(handlers.correct_buyers, [updated(message, personal)])
    assert [said.type for said in effect.said] == ["UseRefused"]
    assert await buyer(work, UUID(issued.said[1].data["invoice_id"])) is None


async def test_a_cancellation_is_credited_once_with_the_very_amounts(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    invoice = await work.do(handlers.issue_invoices, [message])
    # The event costs nothing any more: what was paid is owed back all the same.
    cancellation = cancelled(message, fee=None, vat_class=None)
    effect = await work.do(handlers.credit_invoices, [cancellation])
    again = await work.do(handlers.credit_invoices, [cancellation])
    (note,) = effect.said
    assert again.said == []
    assert (note.data["kind"], note.data["number"]) == ("credit_note", "2026000002")
    assert note.data["credits"] == str(invoice_id_of(invoice))
    assert note.data["net"]["minor_units"] == -10_000
    assert note.data["vat"]["minor_units"] == -2_550
    assert await buyer(work, invoice_id_of(effect)) == BILLING


async def test_a_cancellation_of_what_was_never_invoiced_changes_nothing(
    work: Work, handlers: Handlers
) -> None:
    effect = await work.do(handlers.credit_invoices, [cancelled(registered())])
    assert effect.said == []


async def test_numbers_have_no_gap_whoever_gives_them_and_whatever_fails(
    work: Work, handlers: Handlers
) -> None:
    batches = [[registered() for _ in range(25)] for _ in range(4)]

    async def issue_and_fail(tx: Transaction, messages: Any) -> None:  # noqa: ANN401 - any messages
        await handlers.issue_invoices(tx, messages)
        raise RuntimeError

    async def prepared(tx: Transaction, messages: Any) -> None:  # noqa: ANN401 - any messages
        await handlers.lock_numbers(tx, messages)
        await handlers.issue_invoices(tx, messages)

    results = await asyncio.gather(
        work.do(prepared, batches[0]),
        work.do(issue_and_fail, batches[1]),
        work.do(prepared, [*batches[2], *batches[0][:5]]),
        work.do(prepared, [*batches[3], *batches[2][:5]]),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(RuntimeError) == 1
    assert await numbers(work) == [f"2026{number:06d}" for number in range(1, 76)]
    assert await work.value("select last from number_series") == 75


async def test_an_invoice_is_never_changed(work: Work) -> None:
    for statement in ("update invoice set net = 0", "delete from invoice"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await work.rows(statement)


async def test_nothing_personal_stands_in_tables_or_facts(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing=BILLING, contact=CONTACT)
    await work.do(
        handlers.issue_invoices, [registered(event, subject_id=subject, personal=personal)]
    )
    for table in ("invoice", "buyer", "outbox"):
        text = await work.value(
            f"select string_agg(t::text, '') from {table} as t"  # noqa: S608 - our own names
        )
        assert text is not None
        assert "canary" not in text.lower(), table
        assert b"Canary".hex() not in text, table
