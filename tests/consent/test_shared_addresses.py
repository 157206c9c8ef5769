"""An address that stands for several people, or for one person with two subjects."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from itertools import permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.consent.domain import Answer, Held, latest, of_all
from services.consent.handlers import Handlers
from shared.contract.inbound import ConsentAnswer
from shared.contract.message import Message
from shared.contract.retention import ObjectionRecorded
from shared.contract.types import Sealed, SubjectId
from shared.privacy.limits import record_limits
from shared.privacy.office import PrivacyOffice
from shared.privacy.subjects import Alias
from shared.runtime.database import is_transient
from tests.conftest import SettingsFactory
from tests.consent.answering import EMAIL, HOUR, consent, participation, submitted, withdrawal
from tests.support.facts import NOON, Facts
from tests.support.messaging import until
from tests.support.waiting import somebody_waits, until_somebody_waits
from tests.support.work import Effect, Work, service_at_work

OFFICE, OTHER = Alias("email", EMAIL), Alias("email", "other.canary@example.org")


async def known(work: Work, *people: list[Alias]) -> list[SubjectId]:
    async with work.parts.pool.acquire() as connection:
        return await work.parts.privacy.people.identify(connection, people)


def number(value: str) -> Alias:
    return Alias("person_number", value, "short-courses")


@pytest.fixture
async def two(work: Work) -> list[SubjectId]:
    """Two people with one address; it leads to the first of them."""
    return await known(work, [number("1"), OFFICE], [number("2"), OFFICE])


async def link(service_settings: SettingsFactory, older: SubjectId, newer: SubjectId) -> None:
    """Whom the other address leads to proves to be the newer one."""
    async with (
        service_at_work(service_settings, "retention") as office,
        office.parts.work(now=NOON) as tx,
    ):
        privacy_office = PrivacyOffice(office.parts.privacy, "cli:tester")
        outcome = await privacy_office.link(tx, OTHER, newer, "same-person", of=older)
        assert outcome == "linked"


async def say_yes(work: Work, handlers: Handlers, subject: SubjectId, at: datetime = NOON) -> None:
    message = participation(
        subject,
        consents=(consent(), consent("networking")),
        personal={"marketing": Sealed(b"left")},
        registered_at=at,
    )
    await work.do(handlers.record_participants, [message])


async def marketing(work: Work) -> dict[SubjectId, str]:
    query = "select subject_id, state from consent_state where purpose = 'marketing'"
    return {SubjectId(row["subject_id"]): row["state"] for row in await work.rows(query)}


async def may(work: Work, handlers: Handlers, purpose: str = "marketing") -> Answer:
    async with work.parts.pool.acquire() as connection:
        return await handlers.check(connection, EMAIL, purpose)


def keys(effect: Effect) -> list[object]:
    return [fact.key for fact in effect.said if fact.key is not None]


async def test_a_withdrawal_is_of_everybody_whom_the_address_stands_for(
    work: Work, handlers: Handlers, two: list[SubjectId]
) -> None:
    for subject in two:
        await say_yes(work, handlers, subject)
    message = withdrawal("marketing", at=NOON + HOUR)
    effect = await work.do(handlers.record_contacts, [message])
    assert await marketing(work) == dict.fromkeys(two, "withdrawn")
    assert keys(effect) == two
    assert {fact.type for fact in effect.said} == {"ConsentWithdrawn", "ConsentRecorded"}
    # Networking still holds of both, but for that nobody's address is kept here.
    assert await work.value("select count(*) from contact") == 0
    again = await work.do(handlers.record_contacts, [message])
    assert (again.said, again.had) == ([], 1)


async def test_of_an_answer_the_no_is_everybodys_and_the_yes_is_of_whom_it_leads_to(
    work: Work, handlers: Handlers, two: list[SubjectId]
) -> None:
    answers = (consent(given=False), consent("networking"))
    effect = await work.do(handlers.record_contacts, [submitted(*answers)])
    assert await marketing(work) == dict.fromkeys(two, "refused")
    first, _ = two
    held = await work.rows("select subject_id from consent_state where purpose = 'networking'")
    assert [row["subject_id"] for row in held] == [first]
    assert sorted(map(str, keys(effect))) == sorted(map(str, [first, first, two[1]]))


async def test_a_withdrawal_is_of_both_subjects_of_one_person(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    older, newer = await known(work, [OTHER], [OFFICE])
    await say_yes(work, handlers, older)
    await link(service_settings, older, newer)
    assert (await may(work, handlers)).may_be_used, "what is said of the one is said of the other"
    await work.do(handlers.record_contacts, [withdrawal("marketing", at=NOON + HOUR)])
    assert await marketing(work) == dict.fromkeys((older, newer), "withdrawn")
    assert await may(work, handlers) == Answer(False, "withdrawn", NOON + HOUR)
    await say_yes(work, handlers, newer, NOON + 2 * HOUR)
    assert await may(work, handlers) == Answer(True, "given", NOON + 2 * HOUR)


def registers(
    subject: SubjectId, *answers: ConsentAnswer, marketing: bytes | None = None
) -> Message[Any]:
    personal = {} if marketing is None else {"marketing": Sealed(marketing)}
    later = NOON + HOUR
    return participation(subject, consents=answers, registered_at=later, personal=personal)


async def test_a_no_on_a_registration_is_of_both_subjects_of_one_person(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    older, newer, stranger = await known(work, [OTHER], [OFFICE], [number("3")])
    for subject in (older, stranger):
        await say_yes(work, handlers, subject)
    await link(service_settings, older, newer)
    message = registers(newer, consent(given=False), consent("networking"))
    effect = await work.do(handlers.record_participants, [message])
    assert await marketing(work) == {older: "refused", newer: "refused", stranger: "given"}
    assert sorted(map(str, keys(effect))) == sorted(map(str, [older, newer, newer]))
    kept = await work.rows("select subject_id from contact")
    assert [row["subject_id"] for row in kept] == [stranger]
    again = await work.do(handlers.record_participants, [message])
    assert (again.said, again.had) == ([], 1)


async def test_a_yes_on_a_registration_is_of_the_subject_that_registers(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    older, newer = await known(work, [OTHER], [OFFICE])
    await link(service_settings, older, newer)
    await work.do(handlers.record_participants, [registers(newer, consent())])
    assert await marketing(work) == {newer: "given"}
    await say_yes(work, handlers, older)
    no = registers(older, consent(given=False))
    await work.do(handlers.record_participants, [no])
    assert await marketing(work) == {newer: "refused", older: "refused"}, "by whichever of them"


async def test_of_a_batch_the_keyring_is_asked_once_and_where_nobody_says_no_never(
    work: Work, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = work.parts.privacy.people
    asked: list[set[SubjectId]] = []

    async def others(connection: object, subject_ids: Collection[SubjectId]) -> dict[Any, Any]:
        asked.append(set(subject_ids))
        return {}

    monkeypatch.setattr(people, "others", others)
    subjects = await known(work, [number("1")], [number("2")], [number("3")])
    yes = [registers(subject, consent()) for subject in subjects]
    noes = [registers(subject, consent(given=False)) for subject in subjects[:2]]
    for batch in (yes, noes + yes):
        async with work.parts.work(now=NOON) as tx:
            await handlers.prepare_participants(tx, batch)
            for message in batch:
                await handlers.record_participants(tx, [message])
    assert asked == [set(subjects[:2])]


async def test_a_no_that_is_of_a_newcomer_and_of_another_crosses_no_withdrawal_of_both(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    """The newcomer has nothing to lock yet, and comes first where both are recorded: who held the
    other already would be waited for, and wait.
    """
    older, newer = await known(work, [OTHER], [OFFICE])
    await link(service_settings, older, newer)
    newcomer, other = sorted((older, newer))
    await say_yes(work, handlers, other)
    begun = asyncio.Event()

    async def withdraw() -> None:
        await begun.wait()
        await work.do(handlers.record_contacts, [withdrawal("marketing", at=NOON + 2 * HOUR)])

    async def withdrawn_or_waiting() -> bool:
        return withdrawing.done() or await somebody_waits(work.value)

    withdrawing = asyncio.create_task(withdraw())
    async with work.parts.work(now=NOON) as tx:
        no = [registers(newcomer, consent(given=False))]
        await handlers.prepare_participants(tx, no)
        begun.set()
        await until(withdrawn_or_waiting)
        await handlers.record_participants(tx, no)
    await withdrawing
    assert await marketing(work) == dict.fromkeys((older, newer), "withdrawn")
    assert await work.value("select count(*) from consent_record where state = 'refused'") == 2


async def test_where_somebody_is_twice_in_a_batch_all_is_locked_before_anything_is_recorded(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    """It is recorded in two steps then; of one step the order is the same for everybody."""
    older, newer, stranger = await known(work, [OTHER], [OFFICE], [number("3")])
    for subject in (older, stranger):
        await say_yes(work, handlers, subject)
    await link(service_settings, older, newer)
    states = "select 1 from consent_state where subject_id = $1 for update skip locked"
    once = [registers(newer, consent(given=False)), registers(stranger, consent("networking"))]
    async with work.parts.work(now=NOON) as tx:
        await handlers.prepare_participants(tx, once)
        for subject in (older, stranger):
            assert await work.rows(states, subject) != []
    async with work.parts.work(now=NOON) as tx:
        await handlers.prepare_participants(tx, [*once, registers(newer, consent())])
        for subject in (older, stranger):
            assert await work.rows(states, subject) == []


async def test_a_batch_of_several_steps_gives_way_to_the_withdrawal_that_it_crosses(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    """It holds the other's row and wants the newcomer's, which is the withdrawal's by then."""
    older, newer = await known(work, [OTHER], [OFFICE])
    await link(service_settings, older, newer)
    newcomer, other = sorted((older, newer))
    await say_yes(work, handlers, other)
    twice = [registers(newcomer, consent(given=False)), registers(newcomer, consent("networking"))]
    begun = asyncio.Event()

    async def withdraw() -> None:
        await begun.wait()
        await work.do(handlers.record_contacts, [withdrawal("marketing", at=NOON + 2 * HOUR)])

    async def record() -> None:
        async with work.parts.work(now=NOON) as tx:
            await handlers.prepare_participants(tx, twice)
            begun.set()
            await until_somebody_waits(work.value)
            for message in twice:
                await handlers.record_participants(tx, [message])

    withdrawing = asyncio.create_task(withdraw())
    with pytest.raises(asyncpg.LockNotAvailableError) as crossed:
        await record()
    assert is_transient(crossed.value)
    await withdrawing
    await work.do(handlers.record_participants, twice)
    assert await marketing(work) == dict.fromkeys((older, newer), "withdrawn")


async def test_a_no_that_is_of_another_too_since_then_hides_no_correction(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    """A registration is told again as it stands, after its person proved to be two subjects."""
    older, newer = await known(work, [OTHER], [OFFICE])
    answers = (consent(), consent("networking", given=False))
    told = registers(newer, *answers, marketing=b"typo")
    await work.do(handlers.record_participants, [told])
    await link(service_settings, older, newer)
    right = told.data.model_copy(update={"personal": {"marketing": Sealed(b"right")}})
    await work.do(
        handlers.record_participants, [Facts().message(right, received_at=NOON + 10 * HOUR)]
    )
    assert await work.value("select sealed from contact") == b"right"
    query = "select state from consent_state where subject_id = $1"
    assert await work.value(query, older) == "refused"


async def test_data_may_be_used_where_it_may_of_everybody_whom_the_address_stands_for(
    work: Work, handlers: Handlers, two: list[SubjectId]
) -> None:
    first, second = two
    await say_yes(work, handlers, first)
    assert await may(work, handlers) == Answer(False, "never_asked")
    await say_yes(work, handlers, second)
    assert await may(work, handlers) == Answer(True, "given", NOON)
    objected = ObjectionRecorded(subject_id=second, purpose="networking", at=NOON)
    await work.do(record_limits, [Facts().message(objected, source="/steward/retention")])
    assert await may(work, handlers, "networking") == Answer(False, "objected")
    assert (await may(work, handlers)).may_be_used


async def test_of_one_batch_everybody_of_each_address_is_found(
    work: Work, handlers: Handlers, two: list[SubjectId]
) -> None:
    facts = Facts()
    effect = await work.do(
        handlers.record_contacts,
        [
            submitted(facts=facts),
            withdrawal("marketing", email="nobody.yet@example.org", facts=facts),
            withdrawal("marketing", at=NOON + HOUR, facts=facts),
            withdrawal("marketing", at=NOON + 2 * HOUR, email=EMAIL.upper(), facts=facts),
        ],
    )
    assert (effect.at_fault, effect.had) == ([], 0)
    states = await marketing(work)
    assert len(states) == 3
    assert [states[one] for one in two] == ["withdrawn"] * 2
    recorded = "select count(*)::int from consent_record where subject_id = $1"
    assert [await work.value(recorded, one) for one in two] == [3, 2]


def test_of_one_person_the_latest_counts_and_of_one_moment_the_heavier() -> None:
    one, other, third = (SubjectId(UUID(int=n)) for n in range(3))
    said: list[Held] = [("given", NOON), ("withdrawn", NOON), ("refused", NOON - HOUR)]
    for order in permutations(said):
        held = dict(zip((one, other, third), order, strict=True))
        assert latest(held, (one, other, third)) == ("withdrawn", NOON)
    assert latest({}, (one,)) is None


def test_of_several_answers_a_no_counts() -> None:
    yes, no = Answer(True, "given", NOON), Answer(False, "refused", NOON)
    assert of_all([yes, no]) == of_all([no, yes]) == no
    assert of_all([yes]) == yes
