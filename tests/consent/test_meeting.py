"""Batches of the consent service that meet the same people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

from services.consent.handlers import SAID_AT_ONCE, Handlers
from services.consent.subscribers import subscriptions
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.message import Message
from shared.contract.types import SubjectId
from shared.messaging.consumer import AT_ONCE
from shared.messaging.processing import Processor, Tools
from shared.messaging.subscription import Handler
from shared.messaging.unit_of_work import Speaker, Transaction
from shared.privacy.subjects import Alias
from shared.runtime.ids import new_id
from tests.consent.answering import participation
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.messaging import until
from tests.support.people import whom_it_leads_to
from tests.support.waiting import somebody_waits, until_somebody_waits
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
            await handlers.record_contacts(tx, batch[:1])
            await between()
            await handlers.record_contacts(tx, batch[1:])

    async def let_the_other_begin() -> None:
        begun.set()
        await until_somebody_waits(work.value)

    async def go_on() -> None:
        pass

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


async def test_a_withdrawal_and_an_answer_do_not_hold_what_registrations_wait_for(
    work: Work, handlers: Handlers
) -> None:
    """Registrations of both hold what is known of the one and go on to the other, as what they are
    sorted by tells; whoever holds the other already must not wait for the one.
    """
    facts = Facts()
    await work.do(handlers.record_contacts, [_contact(facts, email) for email in (AINO, EERO)])
    known = await work.rows("select subject_id from consent_state order by subject_id")
    ahead, behind = [SubjectId(row["subject_id"]) for row in known]
    async with work.parts.pool.acquire() as connection:
        (aino,) = await whom_it_leads_to(
            work.parts.privacy.people, connection, [Alias("email", AINO)]
        )
    first, second = (AINO, EERO) if aino == ahead else (EERO, AINO)
    batch: list[Message[Any]] = [_withdrawal(facts, second), _contact(facts, first)]

    async def say() -> None:
        handled_by = subscriptions(handlers._privacy)[0].handlers
        groups: dict[Handler, list[Message[Any]]] = {}
        for message in batch:
            groups.setdefault(handled_by[type(message.data)], []).append(message)
        async with work.parts.work(now=NOON) as tx:
            await handlers.prepare(tx, batch)
            for handler, messages in groups.items():
                await handler(tx, messages)

    async with work.parts.work(now=NOON) as tx:
        await handlers.record_participants(tx, [participation(ahead)])
        saying = asyncio.create_task(say())
        await until_somebody_waits(work.value)
        await handlers.record_participants(tx, [participation(behind)])
    await saying
    assert await work.value("select count(*) from consent_record where state = 'withdrawn'") == 3


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
            await handlers.record_contacts(tx, [_withdrawal(facts, AINO)])
            withdrawn.set()
            await begun.wait()
            await until(again_or_waiting)

    async def again_or_waiting() -> bool:
        return again.done() or await somebody_waits(work.value)

    withdrawing = asyncio.create_task(withdraw())
    await withdrawn.wait()
    again = asyncio.create_task(work.do(handlers.record_contacts, contact))
    begun.set()
    await asyncio.gather(withdrawing, again)
    assert await work.value("select count(*) from contact") == 0
    assert await work.value("select state from consent_state") == "withdrawn"


async def test_who_is_first_to_withdraw_does_not_wait_until_statements_are_known(
    work: Work, handlers: Handlers
) -> None:
    """On each connection of a process that has rehearsed, as on any that had a withdrawal."""
    settings = work.settings
    service = work.parts.service(settings, subscriptions(handlers._privacy))
    speaker = Speaker("consent", new_id, ("consent", "audit"))
    await Processor(service, speaker, Tools()).rehearse(AT_ONCE)
    known = "select count(*)::int from pg_prepared_statements where statement not like '%prepared%'"
    async with AsyncExitStack() as stack:
        for _ in range(AT_ONCE):
            connection = await stack.enter_async_context(work.parts.pool.acquire())
            before = await connection.fetchval(known)
            async with connection.transaction():
                tx = Transaction(connection, now=NOON, speaker=speaker)
                await handlers.record_contacts(tx, [_withdrawal(Facts(), AINO)])
                await tx.close()
            assert len(tx.said) == 6, "it is a withdrawal"
            assert await connection.fetchval(known) == before


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
