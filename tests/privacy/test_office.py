"""Who is known by what: linked, unlinked, retired and forgotten."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from shared.contract.audit import (
    AliasesForgotten,
    KeysDestroyed,
    SubjectLinked,
    SubjectUnlinked,
)
from shared.contract.types import SubjectId
from shared.privacy.errors import NotInPlanError
from shared.privacy.office import RETIRED_AFTER, LinkReason, PrivacyOffice, Scope
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from tests.privacy.conftest import NOW, Connect, SpokenTransaction, WithPeppers
from tests.support.people import whom_it_leads_to
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PrivacyOf = Callable[[str], Privacy]

OLD, NEW, OTHER = (Alias("email", f"{name}@example.org") for name in ("old", "new", "other"))
HELSINKI = ZoneInfo("Europe/Helsinki")
REASONS: tuple[LinkReason, ...] = ("changed-address", "shared-address", "same-person")


@pytest.fixture
async def tx(connect: Connect) -> SpokenTransaction:
    return SpokenTransaction(await connect("retention"))


async def subject(privacy: Privacy, intake: Connection, alias: Alias) -> SubjectId:
    (found,) = await privacy.people.identify(intake, [[alias]])
    return found


@pytest.mark.parametrize("reason", REASONS)
async def test_an_address_that_nobody_had_leads_to_the_person(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    reason: LinkReason,
) -> None:
    who = await subject(privacy, intake, OLD)
    assert await office.link(tx, NEW, who, reason) == "linked"
    assert await subject(privacy, intake, NEW) == await subject(privacy, intake, OLD) == who
    ((entry, key, about),) = tx.said
    assert entry == SubjectLinked(
        at=NOW,
        actor="cli:tester",
        plan_digest=privacy.plan.digest,
        service="retention",
        subject_id=who,
        kind="email",
        reason=reason,
        led_to=None,
    )
    assert (key, about) == (None, who)
    assert await office.link(tx, NEW, who, reason) == "known"
    assert len(tx.said) == 1


async def test_an_address_that_is_anothers_is_not_taken_for_a_changed_one(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    who, other = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    assert await office.link(tx, NEW, who, "changed-address") == "taken"
    assert await subject(privacy, intake, NEW) == other
    assert tx.said == []


async def test_whose_address_it_is_does_not_become_the_same_person_unless_they_are_named(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    who, other = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    assert await office.link(tx, NEW, who, "same-person") == "taken"
    assert await office.everybody(tx.connection, NEW) == ((other,),)
    assert tx.said == []


async def test_two_subjects_that_prove_to_be_one_person_are_covered_together(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    connect: Connect,
    privacy_of: PrivacyOf,
) -> None:
    who, other = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await office.link(tx, OTHER, other, "changed-address")
    sealed = await privacy.seal(
        intake, [ToSeal(one, "contact", "event:a", {}) for one in (who, other)], at=NOW
    )
    assert await office.link(tx, NEW, who, "same-person", of=other) == "linked"
    entry, _, _ = tx.said[-1]
    assert isinstance(entry, SubjectLinked)
    assert entry.led_to == other
    for alias in (OLD, NEW, OTHER):
        assert await office.everybody(tx.connection, alias) == ((who, other),)
    audit = await connect("audit")
    assert await privacy_of("audit").people.everybody_ever(audit, OTHER) == ((who, other),)
    assert await privacy_of("audit").people.same_people(audit, who) == (who, other)
    assert await privacy.people.everybody(intake, [NEW]) == [((who, other),)]
    stranger = SubjectId(uuid4())
    asked = [other, stranger, who]
    assert await privacy.people.others(intake, asked) == {who: [other], other: [who]}
    (people,) = await office.everybody(tx.connection, OLD)
    assert await office.destroy(tx, Scope(people), NOW) == {"contact": 2}
    assert [about for entry, _, about in tx.said if isinstance(entry, KeysDestroyed)] == [*people]
    items = [
        ToOpen(one, "contact", value)
        for one, value in zip((who, other), sealed, strict=True)
        if value is not None
    ]
    assert await privacy.use(intake, "event-arrangement", items) == [None, None]


async def test_each_subject_of_a_person_has_an_entry_with_the_keys_of_its_own(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    many, one, none = [await subject(privacy, intake, alias) for alias in (OLD, NEW, OTHER)]
    items = [ToSeal(many, "contact", event, {}) for event in ("event:a", "event:b")]
    items += [ToSeal(many, "diet", "event:a", {}), ToSeal(one, "contact", "event:a", {})]
    await privacy.seal(intake, items, at=NOW)
    gone = await office.destroy(tx, Scope((many, one, none)), NOW)
    assert gone == {"contact": 3, "diet": 1}
    entries = [entry for entry, _, _ in tx.said if isinstance(entry, KeysDestroyed)]
    assert [(entry.subject_id, entry.keys, entry.categories) for entry in entries] == [
        (many, 3, ("contact", "diet")),
        (one, 1, ("contact",)),
        (none, 0, ()),
    ]


async def test_of_three_that_are_one_person_all_are_remembered(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    first, second, third = [await subject(privacy, intake, one) for one in (OLD, NEW, OTHER)]
    await office.link(tx, NEW, first, "same-person", of=second)
    await office.link(tx, NEW, third, "same-person", of=first)
    for alias in (OLD, NEW, OTHER):
        (person,) = await office.everybody(tx.connection, alias)
        assert set(person) == {first, second, third}
        assert person[0] == third


async def test_a_shared_address_goes_on_leading_to_the_first_and_passes_to_the_next(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    first, second = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    assert await office.link(tx, OLD, second, "shared-address") == "linked"
    assert await office.link(tx, OLD, second, "shared-address") == "known"
    assert await subject(privacy, intake, OLD) == first
    known = await office.known_by(tx.connection, second)
    assert sorted((one.kind, one.shared) for one in known) == [("email", False), ("email", True)]
    assert await privacy.people.everybody(intake, [OLD, NEW]) == [
        ((first,), (second,)),
        ((second,),),
    ]
    assert await office.unlink(tx, OLD, first, "address-given-up")
    assert await subject(privacy, intake, OLD) == second
    assert [one.shared for one in await office.known_by(tx.connection, second)] == [
        False,
        False,
    ]
    assert await office.known_by(tx.connection, first) == []


async def test_who_shares_an_address_can_give_it_up(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    first, second = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await office.link(tx, OLD, second, "shared-address")
    assert await office.unlink(tx, OLD, second, "address-given-up")
    assert len(await office.known_by(tx.connection, second)) == 1
    assert await subject(privacy, intake, OLD) == first


async def test_whoever_comes_with_an_address_that_leads_nowhere_is_somebody_new(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, office: PrivacyOffice
) -> None:
    who = await subject(privacy, intake, OLD)
    assert await office.unlink(tx, OLD, who, "entered-by-mistake")
    assert not await office.unlink(tx, OLD, who, "entered-by-mistake")
    assert [type(entry) for entry, _, _ in tx.said] == [SubjectUnlinked]
    assert await office.everybody(tx.connection, OLD) == ()
    assert await subject(privacy, intake, OLD) != who


async def test_an_intake_at_the_same_moment_agrees_with_a_link(
    privacy: Privacy,
    connect: Connect,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    intake, other = await connect("registration"), await connect("registration")
    who = await subject(privacy, intake, OLD)
    async with tx.connection.transaction():
        await office.link(tx, NEW, who, "changed-address")
        coming = asyncio.create_task(subject(privacy, other, NEW))
        await until_somebody_waits(administrator.fetchval)
    assert await coming == who


async def test_what_was_known_under_an_older_pepper_is_linked_under_the_newest(
    privacy: Privacy, intake: Connection, tx: SpokenTransaction, with_peppers: WithPeppers
) -> None:
    older, both = with_peppers(b"o" * 32), with_peppers(b"n" * 32, b"o" * 32)
    who, other = await subject(older, intake, OLD), await subject(older, intake, NEW)
    office = PrivacyOffice(both, "cli:tester")
    assert await office.link(tx, NEW, who, "same-person", of=other) == "linked"
    assert await subject(with_peppers(b"n" * 32), intake, NEW) == who
    assert await office.everybody(tx.connection, OLD) == ((who, other),)
    assert await office.unlink(tx, NEW, who, "address-given-up")
    for peppers in ((b"n" * 32,), (b"o" * 32,)):
        assert await whom_it_leads_to(with_peppers(*peppers).people, intake, [NEW]) == [None]
    assert await both.people.everybody(intake, [OLD, NEW]) == [((who, other),), ()]


async def erased(office: PrivacyOffice, tx: SpokenTransaction, who: SubjectId) -> None:
    await office.destroy(tx, Scope((who,)), NOW)


async def test_the_erased_are_found_by_the_audit_service_alone(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    connect: Connect,
    privacy_of: PrivacyOf,
) -> None:
    who = await subject(privacy, intake, OLD)
    await erased(office, tx, who)
    for service in ("registration", "consent", "retention"):
        assert await whom_it_leads_to(
            privacy_of(service).people, await connect(service), [OLD]
        ) == [None]
    audit = await connect("audit")
    assert await privacy_of("audit").people.everybody_ever(audit, OLD) == ((who,),)
    for service in ("registration", "retention"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await privacy_of(service).people.everybody_ever(await connect(service), OLD)
    # A fact from before that comes late still belongs to the subject that was erased, and adds
    # nothing; a fact of somebody who comes back makes a person of the subject again.
    assert await subject(privacy, intake, OLD) == who
    late, new = (ToSeal(who, "contact", "event:a", {}, at=NOW + timedelta(days=n)) for n in (0, 1))
    assert await privacy.seal(intake, [late], at=NOW) == [None]
    assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [None]
    assert await privacy.seal(intake, [new], at=NOW) != [None]
    assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [who]


async def retire(
    office: PrivacyOffice, tx: SpokenTransaction, administrator: Connection, moment: datetime
) -> int:
    """As if the erasures had been then."""
    await administrator.execute(
        "update keyring.subject set erased_at = $1 where erased_at is not null", moment
    )
    return await office.retire(tx.connection, NOW)


async def test_when_no_older_fact_can_come_whoever_comes_with_the_address_is_somebody_new(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
    connect: Connect,
    privacy_of: PrivacyOf,
) -> None:
    who, sharer = await subject(privacy, intake, OLD), await subject(privacy, intake, NEW)
    await office.link(tx, OTHER, who, "changed-address")
    await office.link(tx, OTHER, sharer, "shared-address")
    audit = await connect("audit")
    assert await privacy_of("audit").people.everybody_ever(audit, OTHER) == ((who,), (sharer,))
    await erased(office, tx, who)
    assert await privacy.people.everybody(intake, [OTHER, OLD]) == [((sharer,),), ()]
    assert await retire(office, tx, administrator, NOW - RETIRED_AFTER) == 0
    before = NOW - RETIRED_AFTER - timedelta(seconds=1)
    assert await retire(office, tx, administrator, before) == 2
    assert await office.retire(tx.connection, NOW) == 0
    assert await whom_it_leads_to(privacy.people, intake, [OTHER]) == [sharer]
    again = await subject(privacy, intake, OLD)
    assert again != who
    assert await privacy_of("audit").people.everybody_ever(audit, OLD) == ((again,), (who,))
    assert await privacy_of("audit").people.everybody_ever(audit, OTHER) == ((sharer,), (who,))


async def test_after_the_period_nothing_leads_from_an_address_to_old_entries(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
    connect: Connect,
    privacy_of: PrivacyOf,
) -> None:
    who = await subject(privacy, intake, OLD)
    (stays,) = await privacy.people.identify(
        intake, [[NEW, Alias("person_number", "7", "website")]]
    )
    digests = [bytes(digest) for digest in privacy.people.digests_of(OLD)]
    await erased(office, tx, who)
    longest = datetime(
        2023, 3, 2, tzinfo=HELSINKI
    )  # P3Y before NOW, by the organisation's calendar
    await retire(office, tx, administrator, longest)
    assert await office.forget(tx) == 0, "it ends with the last hour of its last day"
    assert await traces(administrator, digests), "else the search would prove nothing"
    tomorrow = SpokenTransaction(tx.connection, NOW + timedelta(days=1))
    assert await office.forget(tomorrow) == 1
    ((entry, _, _),) = tomorrow.said
    assert isinstance(entry, AliasesForgotten)
    assert (entry.aliases, entry.erased_before) == (1, longest + timedelta(days=1))
    audit = await connect("audit")
    assert await privacy_of("audit").people.everybody_ever(audit, OLD) == ()
    assert await privacy_of("audit").people.everybody_ever(audit, NEW) == ((stays,),)
    assert await whom_it_leads_to(privacy.people, intake, [OLD]) == [None]
    assert await traces(administrator, digests) == []
    assert await subject(privacy, intake, OLD) != who


async def traces(administrator: Connection, digests: list[bytes]) -> list[str]:
    """The tables of the system that hold an e-mail address or a digest of the alias, anyhow."""
    found = []
    for table in await administrator.fetch(
        "select format('%I.%I', table_schema, table_name) as name from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_schema !~ '^(pg_|information_schema)'"
    ):
        rows = await administrator.fetch(f"select t::text as row from {table['name']} t")  # noqa: S608
        text = "\n".join(row["row"] for row in rows)
        written = [
            OLD.value,
            *(d.hex() for d in digests),
            *(b64encode(d).decode() for d in digests),
        ]
        if any(one in text for one in written):
            found.append(table["name"])
    return found


async def test_a_class_that_the_plan_does_not_have_is_refused(office: PrivacyOffice) -> None:
    with pytest.raises(NotInPlanError, match="event-data"):
        office.check(Scope(retention_class="nonsense"))
    with pytest.raises(NotInPlanError):
        office.check(Scope(retention_class="ledger"))
