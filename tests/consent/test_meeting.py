"""Batches of the consent service that meet the same people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

from services.consent.handlers import SAID_AT_ONCE, Handlers
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.message import Message
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.messaging import until
from tests.support.work import Work

AINO, EERO = "aino@example.org", "eero@example.org"


async def test_two_batches_with_the_same_people_take_turns(work: Work, handlers: Handlers) -> None:
    """The one has a withdrawal of hers and an answer of his, the other one's are the other way
    round: handler by handler each would know one of them, and wait for the other.
    """
    facts, begun = Facts(), asyncio.Event()

    async def work_through(
        batch: Sequence[Message[Any]], between: Callable[[], Awaitable[None]]
    ) -> None:
        async with work.parts.work(now=NOON) as tx:
            await handlers.prepare(tx, batch)
            await handlers.record_withdrawals(tx, batch[:1])
            await between()
            await handlers.record_contacts(tx, batch[1:])

    async def let_the_other_begin() -> None:
        begun.set()
        await until(somebody_waits)

    async def go_on() -> None:
        pass

    async def somebody_waits() -> bool:
        query = "select count(*) from pg_stat_activity where datname = current_database()"
        return bool(await work.value(f"{query} and wait_event_type = 'Lock'"))

    first = [_withdrawal(facts, AINO), _contact(facts, EERO)]
    second = [_withdrawal(facts, EERO), _contact(facts, AINO)]
    ahead = asyncio.create_task(work_through(first, let_the_other_begin))
    await begun.wait()
    await asyncio.gather(ahead, work_through(second, go_on))
    counts = (
        "select state, count(distinct subject_id)::int as people from consent_record group by 1"
    )
    people = {row["state"]: row["people"] for row in await work.rows(counts)}
    assert people == {"withdrawn": 2, "given": 2}


async def test_what_is_told_again_while_a_withdrawal_commits_brings_back_nobody_to_write_to(
    work: Work, handlers: Handlers
) -> None:
    """What is recorded already locks nothing, so that a withdrawal beside it would not be seen."""
    facts = Facts()
    contact = [_contact(facts, AINO)]
    await work.do(handlers.record_contacts, contact)
    withdrawn, begun = asyncio.Event(), asyncio.Event()

    async def withdraw() -> None:
        async with work.parts.work(now=NOON) as tx:
            await handlers.record_withdrawals(tx, [_withdrawal(facts, AINO)])
            withdrawn.set()
            await begun.wait()
            await until(again_or_waiting)

    async def again_or_waiting() -> bool:
        query = "select count(*) from pg_stat_activity where datname = current_database()"
        return again.done() or bool(await work.value(f"{query} and wait_event_type = 'Lock'"))

    withdrawing = asyncio.create_task(withdraw())
    await withdrawn.wait()
    again = asyncio.create_task(work.do(handlers.record_contacts, contact))
    begun.set()
    await asyncio.gather(withdrawing, again)
    assert await work.value("select count(*) from contact") == 0
    assert await work.value("select state from consent_state") == "withdrawn"


def _contact(facts: Facts, email: str) -> Message[ContactSubmitted]:
    answer = ConsentAnswer(purpose="marketing", given=True, wording="marketing-2026", language="fi")
    data = ContactSubmitted(contact_number="c-1", email=email, consents=(answer,))
    return facts.message(data, source=WEBSITE, at=NOON, received_at=NOON)


def _withdrawal(facts: Facts, email: str) -> Message[WithdrawalRequested]:
    data = WithdrawalRequested(contact_number="c-1", email=email)
    return facts.message(data, source=WEBSITE, at=NOON, received_at=NOON)


async def test_who_waits_for_a_withdrawal_has_turns_while_a_crowd_is_recorded(
    work: Work, handlers: Handlers
) -> None:
    facts = Facts()
    crowd = [_contact(facts, f"person{number}@example.org") for number in range(120)]
    seen = [0]

    async def look() -> None:
        while True:
            seen.append(len(tx.said))
            await asyncio.sleep(0)

    async with work.parts.work(now=NOON) as tx:
        looking = asyncio.create_task(look())
        await handlers.record_contacts(tx, crowd)
        looking.cancel()
    seen.append(len(tx.said))
    most = max(later - before for before, later in pairwise(seen))
    assert len(tx.said) == 2 * len(crowd), "a fact and an entry for each"
    assert most <= 2 * SAID_AT_ONCE
