"""Who is erased, and who is not: they came back while that was under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, get_args
from uuid import UUID

import asyncpg
import pytest

from shared.contract.audit import SubjectLinked
from shared.contract.topics import INBOUND_KEPT
from shared.contract.types import EventId, SubjectId
from shared.privacy.office import RETIRED_AFTER, LinkReason, PrivacyOffice, Scope
from shared.privacy.privacy import Privacy
from shared.privacy.records import KEPT
from shared.privacy.subjects import Alias, Person
from shared.privacy.values import ToSeal
from tests.privacy.conftest import NOW, Connect, SpokenTransaction
from tests.support.people import whom_it_leads_to
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EVENT = EventId(UUID("6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11"))
OLD, NEW = (Alias("email", f"{name}@example.org") for name in ("old", "new"))


@pytest.fixture
async def tx(connect: Connect) -> SpokenTransaction:
    return SpokenTransaction(await connect("retention"))


async def subject(privacy: Privacy, intake: Connection, alias: Alias) -> SubjectId:
    (found,) = await privacy.people.identify(intake, [[alias]])
    return found


async def erased(office: PrivacyOffice, tx: SpokenTransaction, who: SubjectId) -> None:
    await office.destroy(tx, Scope((who,)), NOW)


def contact(who: SubjectId, days: int = 0) -> ToSeal:
    """What the person says so many days after NOW."""
    return ToSeal(who, "contact", f"event:{EVENT}", {}, at=NOW + timedelta(days=days))


@pytest.mark.parametrize("before", ["announced", "destroyed"])
async def test_who_comes_back_before_an_erasure_is_at_its_end_is_not_erased(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice, before: str
) -> None:
    who = await subject(privacy, intake, OLD)
    await office.announce(tx, Scope((who,)), NOW)
    if before == "destroyed":
        await erased(office, tx, who)
        assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [None]
    assert await privacy.seal(intake, [contact(who, days=1)], at=NOW) != [None]
    await erased(office, tx, who)
    assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [who]
    assert await office.everybody(tx.connection, OLD) == ((who,),)
    assert await office.destroy(tx, Scope((who,)), NOW + timedelta(days=1)) == {"contact": 1}
    assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [None]


async def each_waits_for_the_other(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
    *,
    person: Person,
    comes_back: SubjectId,
) -> None:
    """An erasure begins while somebody comes back, and somebody comes back while it goes on."""
    scope, later = Scope(person), NOW + timedelta(days=1)
    await office.announce(tx, scope, NOW)
    async with intake.transaction():
        assert await privacy.seal(intake, [contact(comes_back, days=1)], at=NOW) != [None]
        erasing = asyncio.create_task(office.destroy(tx, scope, NOW))
        await until_somebody_waits(administrator.fetchval)
    await erasing
    assert await office.everybody(tx.connection, OLD) == (person,)
    await office.announce(tx, scope, later)
    async with tx.connection.transaction():
        await office.destroy(tx, scope, later)
        sealing = asyncio.create_task(privacy.seal(intake, [contact(comes_back, days=2)], at=NOW))
        await until_somebody_waits(administrator.fetchval)
    assert await sealing != [None]
    assert await office.everybody(tx.connection, OLD) == (person,)


async def test_an_erasure_waits_for_who_is_coming_back_and_they_for_it(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    who = await subject(privacy, intake, OLD)
    await each_waits_for_the_other(
        privacy, intake, tx, office, administrator, person=(who,), comes_back=who
    )


async def one_person(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> Person:
    """Of two subjects: the addresses of the second lead to the first."""
    first, second = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    assert await office.link(tx, NEW, first, "same-person", of=second) == "linked"
    return first, second


@pytest.mark.parametrize("whose", [0, 1])
async def test_a_person_of_whom_one_subject_is_alive_is_not_erased(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice, whose: int
) -> None:
    person = await one_person(privacy, intake, tx, office)
    await privacy.seal(intake, [contact(one) for one in person], at=NOW)
    assert await office.destroy(tx, Scope(person), NOW) == {"contact": 2}
    assert await whom_it_leads_to(privacy.people, intake, [OLD, NEW]) == [None, None]
    # A registration of either changes, as it may where a source knows the subject by its number.
    assert await privacy.seal(intake, [contact(person[whose], days=1)], at=NOW) != [None]
    assert await whom_it_leads_to(privacy.people, intake, [OLD, NEW]) == [person[0], person[0]]
    assert await office.everybody(tx.connection, OLD) == (person,)
    await office.destroy(tx, Scope(person), NOW)
    assert await office.everybody(tx.connection, OLD) == (person,)
    assert await office.destroy(tx, Scope(person), NOW + timedelta(days=1)) == {"contact": 1}
    assert await office.everybody(tx.connection, OLD) == ()


async def test_an_erasure_waits_for_another_subject_of_the_person_that_is_coming_back(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    person = await one_person(privacy, intake, tx, office)
    await each_waits_for_the_other(
        privacy, intake, tx, office, administrator, person=person, comes_back=person[1]
    )


async def test_an_erasure_of_one_subject_alone_erases_no_person(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    first, second = await one_person(privacy, intake, tx, office)
    await erased(office, tx, first)
    assert await office.everybody(tx.connection, OLD) == ((first, second),)
    # Nothing keeps data out that comes for the other one.
    assert await privacy.seal(intake, [contact(second)], at=NOW) != [None]
    assert await office.everybody(tx.connection, OLD) == ((first, second),)


@pytest.mark.parametrize("reason", get_args(LinkReason))
async def test_nobody_is_linked_with_who_is_erased(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    reason: LinkReason,
) -> None:
    gone, lives = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await erased(office, tx, gone)
    said = len(tx.said)
    for alias in (NEW, OLD, Alias("email", "never-seen@example.org")):
        assert await office.link(tx, alias, gone, reason) == "erased"
    assert await whom_it_leads_to(privacy.people, intake, [NEW]) == [lives]
    assert len(tx.said) == said
    # The address that nobody had is still free.
    assert await subject(privacy, intake, Alias("email", "never-seen@example.org")) != gone


async def test_who_is_erased_does_not_become_somebody_who_is_not(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    gone, lives = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await erased(office, tx, gone)
    assert await office.link(tx, OLD, lives, "same-person", of=gone) == "erased"
    # A fact from before the erasure that comes late still meets its end.
    assert await subject(privacy, intake, OLD) == gone
    assert await privacy.seal(intake, [contact(gone)], at=NOW) == [None]


@dataclass(frozen=True)
class Books:
    """The finance service, which seals what a law has kept."""

    privacy: Privacy
    connection: Connection

    async def name(self, buyer: SubjectId, *, days: int = 0) -> None:
        """In an invoice of so many days after NOW."""
        at = NOW + timedelta(days=days)
        item = ToSeal(buyer, "accounting", "financial_year:2026", {}, at=at)
        assert await self.privacy.seal(self.connection, [item], at=at) != [None]

    async def expire(self, office: PrivacyOffice, tx: SpokenTransaction) -> None:
        await office.destroy(tx, Scope(retention_class="voucher"), NOW + timedelta(days=1))
        await office.retire(tx.connection, NOW)


@pytest.fixture
async def books(privacy_of: Callable[[str], Privacy], connect: Connect) -> Books:
    return Books(privacy_of("finance"), await connect("finance"))


async def erased_but_for_law(
    office: PrivacyOffice, tx: SpokenTransaction, *person: SubjectId
) -> None:
    scope = await office.but_for_kept_by_law(tx.connection, Scope(person))
    await office.destroy(tx, scope, NOW)


async def long_ago(administrator: Connection, *erased: SubjectId) -> None:
    """As if they had been erased then."""
    await administrator.execute(
        "update keyring.subject set erased_at = $1 where subject_id = any ($2)",
        NOW - RETIRED_AFTER - timedelta(seconds=1),
        erased,
    )


async def followed(administrator: Connection) -> bool:
    """Whether anybody is looked at because of an erasure."""
    found: bool = await administrator.fetchval(
        "select exists (select from keyring.subject"
        " where num_nonnulls(erased_at, erasure_up_to) > 0)"
    )
    return found


async def test_who_is_erased_but_for_what_a_law_has_kept_is_erased_where_that_is_nothing(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    person = await one_person(privacy, intake, tx, office)
    await privacy.seal(intake, [contact(one) for one in person], at=NOW)
    await erased_but_for_law(office, tx, *person)
    assert await office.everybody(tx.connection, OLD) == ()


async def test_of_whom_a_law_has_something_kept_is_erased_by_itself_once_that_is_gone(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    books: Books,
    administrator: Connection,
) -> None:
    first, second = person = await one_person(privacy, intake, tx, office)
    await books.name(second)
    await erased_but_for_law(office, tx, *person)
    await office.retire(tx.connection, NOW)
    assert await office.everybody(tx.connection, OLD) == (person,)
    await books.expire(office, tx)
    assert await office.everybody(tx.connection, OLD) == ()
    assert await subject(privacy, intake, OLD) == first
    await long_ago(administrator, *person)
    assert await office.retire(tx.connection, NOW) == 2
    assert await office.retire(tx.connection, NOW) == 0
    assert await subject(privacy, intake, OLD) not in person
    assert not await followed(administrator)


async def test_nobody_is_looked_at_without_end_who_gave_up_the_last_address(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    person = await one_person(privacy, intake, tx, office)
    await erased_but_for_law(office, tx, *person)
    for alias in (OLD, NEW):
        assert await office.unlink(tx, alias, person[0], "address-given-up")
    await office.retire(tx.connection, NOW)
    assert await followed(administrator)
    await long_ago(administrator, *person)
    assert await office.retire(tx.connection, NOW) == 0
    assert not await followed(administrator)


@pytest.mark.parametrize("whose", [0, 1])
async def test_nobody_is_retired_by_halves(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
    whose: int,
) -> None:
    person = await one_person(privacy, intake, tx, office)
    await office.destroy(tx, Scope(person), NOW)
    await long_ago(administrator, person[whose])
    assert await office.retire(tx.connection, NOW) == 0
    assert await office.everybody(tx.connection, OLD) == ()
    await long_ago(administrator, *person)
    assert await office.retire(tx.connection, NOW) == 2
    assert not await followed(administrator)


@pytest.mark.parametrize("leads_to", [0, 1])
async def test_who_becomes_one_person_with_whom_a_law_has_something_kept_is_erased_with_them(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    books: Books,
    leads_to: int,
) -> None:
    both = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await books.name(both[0])
    await privacy.seal(intake, [contact(both[1])], at=NOW)
    await office.destroy(tx, Scope(event_id=EVENT), NOW)
    await erased_but_for_law(office, tx, both[0])
    to, becomes = both[leads_to], both[1 - leads_to]
    alias = (NEW, OLD)[leads_to]
    assert await office.link(tx, alias, to, "same-person", of=becomes) == "to be erased"
    assert isinstance(tx.said[-1][0], SubjectLinked)
    await office.retire(tx.connection, NOW)
    assert await office.everybody(tx.connection, OLD) == ((to, becomes),)
    await books.expire(office, tx)
    assert await office.everybody(tx.connection, OLD) == ()
    assert await office.everybody(tx.connection, NEW) == ()


async def test_who_lives_is_not_erased_because_they_are_one_person_with_whom_a_law_has_kept(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    books: Books,
) -> None:
    gone, lives = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await books.name(gone)
    await privacy.seal(intake, [contact(lives)], at=NOW)
    await erased_but_for_law(office, tx, gone)
    assert await office.link(tx, NEW, gone, "same-person", of=lives) == "to be erased"
    await books.expire(office, tx)
    assert await office.everybody(tx.connection, OLD) == ((gone, lives),)
    # Whoever runs it again, as is told, has both erased.
    await erased_but_for_law(office, tx, gone, lives)
    assert await office.everybody(tx.connection, OLD) == ()


async def test_who_is_named_by_an_invoice_that_was_on_its_way_is_erased_after_it(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    books: Books,
) -> None:
    who = await subject(privacy, intake, OLD)
    await erased_but_for_law(office, tx, who)
    assert await office.everybody(tx.connection, OLD) == ()
    await books.name(who, days=-1)
    await office.retire(tx.connection, NOW)
    assert await office.everybody(tx.connection, OLD) == ((who,),)
    await books.expire(office, tx)
    assert await office.everybody(tx.connection, OLD) == ()


async def test_who_comes_back_while_a_law_has_something_kept_is_not_to_be_erased_any_more(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    books: Books,
) -> None:
    who = await subject(privacy, intake, OLD)
    await books.name(who)
    await privacy.seal(intake, [contact(who)], at=NOW)
    await erased_but_for_law(office, tx, who)
    assert await privacy.seal(intake, [contact(who, days=1)], at=NOW) != [None]
    a_day_later = NOW + timedelta(days=1)
    await office.destroy(tx, Scope(event_id=EVENT), a_day_later)
    await books.expire(office, tx)
    assert await office.count_keys(tx.connection, Scope((who,))) == {}
    assert await office.everybody(tx.connection, OLD) == ((who,),)


def test_no_fact_from_before_an_erasure_comes_when_its_aliases_are_retired() -> None:
    taken_after, waits, opens = INBOUND_KEPT, KEPT, KEPT  # it waits sealed like a dead letter
    the_rest_of_a_day = timedelta(days=1)
    assert taken_after + waits + opens + the_rest_of_a_day <= RETIRED_AFTER
