"""A no counts also where its source gives it the id of a message of another day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from services.consent.handlers import Handlers
from shared.contract.codec import decode
from shared.contract.headers import TIME
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.message import Message
from tests.consent.answering import EMAIL, HOUR, consent, states
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.records import MadeRecord
from tests.support.work import Work

FACTS, SAME_ID = Facts(), UUID(int=7)
LATER = NOON + 48 * HOUR


def _answer(*answers: ConsentAnswer, at: datetime = NOON) -> Message[Any]:
    data = ContactSubmitted(contact_number="c-1", email=EMAIL, consents=answers or (consent(),))
    return FACTS.message(data, source=WEBSITE, id=SAME_ID, at=at)


def _withdrawal(email: str = EMAIL, at: datetime = LATER) -> Message[Any]:
    data = WithdrawalRequested(contact_number="c-1", email=email)
    return FACTS.message(data, source=WEBSITE, id=SAME_ID, at=at)


def _without_time(message: Message[Any]) -> Message[Any]:
    record = message.record
    assert isinstance(record, MadeRecord)
    headers = tuple(header for header in record.headers if header[0] != TIME)
    timeless = decode(replace(record, headers=headers))
    assert isinstance(timeless, Message)
    return timeless


@pytest.mark.parametrize("no", [_withdrawal(), _answer(consent(given=False), at=LATER)])
async def test_a_no_under_the_id_of_the_yes_takes_it_back(
    work: Work, handlers: Handlers, no: Message[Any]
) -> None:
    await work.do(handlers.record_contacts, [_answer()])
    await work.do(handlers.record_contacts, [no])
    assert (await states(work))["marketing"] in ("withdrawn", "refused")
    assert not await work.rows("select from contact")


async def test_a_withdrawal_under_the_id_of_somebody_elses_counts(
    work: Work, handlers: Handlers
) -> None:
    await work.do(handlers.record_contacts, [_withdrawal("other@example.org", at=NOON)])
    await work.do(handlers.record_contacts, [_withdrawal()])
    withdrawn = (
        "select count(distinct subject_id)::int from consent_state where state = 'withdrawn'"
    )
    assert await work.value(withdrawn) == 2


@pytest.mark.parametrize("copied", [_withdrawal(), _answer(consent(given=False)), _answer()])
async def test_a_copy_says_nothing_new(
    work: Work, handlers: Handlers, copied: Message[Any]
) -> None:
    await work.do(handlers.record_contacts, [copied])
    effect = await work.do(handlers.record_contacts, [copied])
    assert (effect.said, effect.had) == ([], 1)


async def test_a_no_that_names_no_time_counts_under_the_id_of_an_earlier_no(
    work: Work, handlers: Handlers
) -> None:
    first, second = _without_time(_withdrawal(at=NOON)), _without_time(_withdrawal(at=LATER))
    await work.do(handlers.record_contacts, [first])
    yes = ContactSubmitted(contact_number="c-2", email=EMAIL, consents=(consent(),))
    await work.do(handlers.record_contacts, [FACTS.message(yes, source=WEBSITE, at=NOON + HOUR)])
    assert (await states(work))["marketing"] == "given"
    await work.do(handlers.record_contacts, [second])
    assert (await states(work))["marketing"] == "withdrawn"
    effect = await work.do(handlers.record_contacts, [second])
    assert (effect.said, effect.had) == ([], 1)
