"""A no that comes by itself waits for nothing, and counts beside a yes that proves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.consent.handlers import Handlers
from shared.contract.inbound import ConsentAnswer, ContactSubmitted
from shared.messaging.dead_letters import find_dead_letters
from shared.messaging.redrive import Redrive
from shared.messaging.service import Service
from tests.consent.answering import EMAIL, HOUR, consent, states, submitted
from tests.support.applied import apply
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.plans import changed
from tests.support.records import MadeRecord
from tests.support.taking import processor_of, take
from tests.support.work import Work

_WORDING = '[[wordings]]\nid = "networking-2026"'
_NEWER = """[[wordings]]
id = "networking-2025"
purpose = "networking"
language = "en"
dated = 2025-01-07
text = "You may share what I chose with the other participants, for networking."

"""
WITH_THE_WORDING = changed((_WORDING, _NEWER + _WORDING))
NO = consent(given=False)
NOBODY_WAS_SHOWN = ConsentAnswer(purpose="networking", given=True, wording="networking-2025")


def contact(*answers: ConsentAnswer, facts: Facts) -> MadeRecord:
    data = ContactSubmitted(contact_number="c-1", email=EMAIL, consents=answers)
    record = facts.message(data, source=WEBSITE, at=NOON).record
    assert isinstance(record, MadeRecord)
    return replace(record, key=b"c-1")


async def test_a_no_does_not_wait_behind_a_yes_that_failed(
    work: Work, handlers: Handlers, service: Service
) -> None:
    await work.do(handlers.record_contacts, [submitted(at=NOON - HOUR)])
    facts, processor = Facts(), processor_of(service, now=NOON)
    failing, no = contact(NOBODY_WAS_SHOWN, facts=facts), contact(NO, facts=facts)
    await take(service, processor, [failing], offset=0)
    await take(service, processor, [no], offset=1)
    assert (await states(work))["marketing"] == "refused"
    assert not await work.rows("select from contact")
    assert await work.value("select count(*)::int from dead_letter") == 1


@pytest.mark.parametrize("beside", [NOBODY_WAS_SHOWN, consent("invoicing"), consent("marketing")])
async def test_a_no_counts_beside_a_yes_for_which_the_message_is_a_dead_letter(
    work: Work, handlers: Handlers, beside: ConsentAnswer
) -> None:
    await work.do(handlers.record_contacts, [submitted()])
    effect = await work.do(handlers.record_contacts, [submitted(NO, beside, at=NOON + HOUR)])
    assert len(effect.at_fault) == 1
    assert await states(work) == {"marketing": "refused"}
    assert not await work.rows("select from contact")


async def test_the_yes_is_recorded_once_the_plan_has_its_words_and_the_no_is_not_said_again(
    work: Work, service: Service, database: str, tmp_path: Path
) -> None:
    processor = processor_of(service, now=NOON)
    await take(service, processor, [contact(NO, NOBODY_WAS_SHOWN, facts=Facts())], offset=0)
    assert await states(work) == {"marketing": "refused"}
    await apply(database, tmp_path, WITH_THE_WORDING)
    redriven = await Redrive(service).run(await find_dead_letters(work.parts.pool))
    assert (redriven.handled, redriven.failed) == (1, [])
    assert await states(work) == {"marketing": "refused", "networking": "given"}
    assert await work.value("select count(*)::int from outbox where topic = 'consent'") == 2
