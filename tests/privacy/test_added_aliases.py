"""Somebody who is known says of another address that it is theirs: they are known by it too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import asyncpg
import pytest

from shared.contract.types import SubjectId
from shared.privacy.errors import AliasError
from shared.privacy.office import PrivacyOffice, Scope
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias, Person
from shared.privacy.values import ToSeal
from tests.privacy.conftest import NOW, Connect, SpokenTransaction, WithPeppers
from tests.support.people import whom_it_leads_to
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OLD, NEW, OTHER = (Alias("email", f"{name}@example.org") for name in ("old", "new", "other"))


@pytest.fixture
async def tx(connect: Connect) -> SpokenTransaction:
    return SpokenTransaction(await connect("retention"))


async def known(privacy: Privacy, intake: Connection, *aliases: Alias) -> list[SubjectId]:
    return await privacy.people.identify(intake, [[alias] for alias in aliases])


async def whom(privacy: Privacy, intake: Connection, alias: Alias) -> Sequence[Person]:
    (found,) = await privacy.people.everybody(intake, [alias])
    return found


async def test_an_address_that_nobody_had_leads_to_the_person_from_then_on(
    privacy: Privacy, intake: Connection
) -> None:
    (who,) = await known(privacy, intake, OLD)
    for _ in range(2):
        assert await privacy.people.add(intake, [(who, NEW)]) == [True]
        assert await whom(privacy, intake, NEW) == ((who,),)
    assert await known(privacy, intake, NEW, OLD) == [who, who]


async def test_an_address_that_somebody_has_leads_there_and_is_the_persons_too(
    privacy: Privacy, intake: Connection
) -> None:
    who, other = await known(privacy, intake, OLD, OTHER)
    assert await privacy.people.add(intake, [(who, OTHER)]) == [True]
    assert await whom(privacy, intake, OTHER) == ((other,), (who,))
    assert await whom_it_leads_to(privacy.people, intake, [OTHER]) == [other]


async def test_of_several_who_come_with_one_address_nobody_is_left_out(
    privacy: Privacy, intake: Connection
) -> None:
    people = await known(privacy, intake, OLD, OTHER)
    assert await privacy.people.add(intake, [(who, NEW) for who in people]) == [True, True]
    assert sorted(await whom(privacy, intake, NEW)) == sorted((who,) for who in people)
    assert await privacy.people.add(intake, []) == []


async def test_of_two_subjects_that_are_one_person_the_address_leads_to_whom_all_others_do(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    older, newer = await known(privacy, intake, OLD, OTHER)
    assert await office.link(tx, OLD, newer, "same-person", of=older) == "linked"
    assert await privacy.people.add(intake, [(older, NEW)]) == [True]
    assert await whom(privacy, intake, NEW) == ((newer, older),)
    assert await privacy.people.add(intake, [(older, OTHER)]) == [True]
    assert await whom(privacy, intake, OTHER) == ((newer, older),)


async def test_nobody_is_found_by_an_address_of_the_erased_and_who_comes_back_is(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    who, other = await known(privacy, intake, OLD, OTHER)
    await office.destroy(tx, Scope((who,)), NOW)
    assert await privacy.people.add(intake, [(who, NEW), (other, NEW)]) == [False, True]
    assert await whom(privacy, intake, NEW) == ((other,),)
    back = ToSeal(who, "contact", "event:a", {}, at=NOW.replace(year=NOW.year + 1))
    await privacy.seal(intake, [back], at=NOW)
    assert await privacy.people.add(intake, [(who, NEW)]) == [True]
    assert await whom(privacy, intake, NEW) == ((other,), (who,))


async def test_an_address_that_led_to_somebody_who_is_erased_is_the_persons_too(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    who, other = await known(privacy, intake, OLD, OTHER)
    await office.destroy(tx, Scope((other,)), NOW)
    assert await privacy.people.add(intake, [(who, OTHER)]) == [True]
    assert await whom(privacy, intake, OTHER) == ((who,),)


async def test_what_is_known_under_an_older_pepper_is_not_taken_for_new(
    with_peppers: WithPeppers, intake: Connection
) -> None:
    old, new = b"o" * 32, b"n" * 32
    who, other, third = await known(with_peppers(old), intake, OLD, OTHER, NEW)
    assert await with_peppers(old).people.add(intake, [(third, OTHER)]) == [True]
    between = with_peppers(new, old)
    assert await between.people.add(intake, [(who, OTHER)]) == [True]
    found = await whom(with_peppers(new), intake, OTHER)
    assert found[0] == (other,)
    assert sorted(found[1:]) == sorted([(who,), (third,)])


async def test_who_comes_with_an_address_while_another_is_made_known_by_it_shares_it(
    privacy: Privacy, intake: Connection, connect: Connect, administrator: Connection
) -> None:
    (who,) = await known(privacy, intake, OLD)
    beside = await connect("registration")
    async with beside.transaction():
        (other,) = await known(privacy, beside, NEW)
        adding = asyncio.create_task(privacy.people.add(intake, [(who, NEW)]))
        await until_somebody_waits(administrator.fetchval)
    assert await adding == [True]
    assert await whom(privacy, intake, NEW) == ((other,), (who,))


async def test_what_is_no_address_is_refused_without_saying_what_it_was(
    privacy: Privacy, intake: Connection
) -> None:
    (who,) = await known(privacy, intake, OLD)
    with pytest.raises(AliasError) as error:
        await privacy.people.add(intake, [(who, Alias("email", "canary-no-address"))])
    assert "canary" not in str(error.value)


async def test_a_service_that_only_finds_adds_nothing(
    privacy: Privacy, intake: Connection, connect: Connect
) -> None:
    (who,) = await known(privacy, intake, OLD)
    audit = await connect("audit")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await privacy.people.add(audit, [(who, NEW)])
