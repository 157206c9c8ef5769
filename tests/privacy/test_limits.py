"""Who objected is not used for that, and what is restricted is stored and no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.contract.audit import UseRefused
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted, RestrictionLifted
from shared.contract.types import SubjectId
from shared.privacy.errors import NotGrantedError
from shared.privacy.limits import Limit, keep_limits
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from tests.privacy.conftest import NOW, Connect, SpokenTransaction

ARRANGING, CATERING = "event-arrangement", "catering"


async def sealed(privacy: Privacy, tx: SpokenTransaction, who: SubjectId) -> list[ToOpen]:
    """Two categories of one person."""
    contents = {"contact": {"name": "Aino Esimerkki"}, "stay": {"nights": "2"}}
    items = [ToSeal(who, category, "event:1", content) for category, content in contents.items()]
    values = await privacy.seal(tx.connection, items, at=NOW)
    return [
        ToOpen(who, item.category, value)
        for item, value in zip(items, values, strict=True)
        if value is not None
    ]


def refusals(tx: SpokenTransaction) -> list[tuple[SubjectId, str, tuple[str, ...], str]]:
    return [
        (entry.subject_id, entry.purpose, entry.categories, entry.reason)
        for entry, _, _ in tx.said
        if isinstance(entry, UseRefused)
    ]


@pytest.mark.parametrize(
    ("limit", "reason"), [(ObjectionRecorded, "objected"), (ProcessingRestricted, "restricted")]
)
async def test_data_of_who_is_limited_is_not_used_and_the_log_says_so_once_of_each(
    privacy: Privacy, tx: SpokenTransaction, limit: type[Limit], reason: str
) -> None:
    limited, free = SubjectId(uuid4()), SubjectId(uuid4())
    purpose = {"purpose": ARRANGING} if limit is ObjectionRecorded else {}
    await keep_limits(tx.connection, [limit(subject_id=limited, at=NOW, **purpose)])
    items = [*await sealed(privacy, tx, limited), *await sealed(privacy, tx, free)]
    opened = await privacy.use(tx.connection, ARRANGING, items, tx=tx)
    assert [one is None for one in opened] == [True, True, False, False]
    assert [one.reveal() for one in opened if one] == [{"name": "Aino Esimerkki"}, {"nights": "2"}]
    assert refusals(tx) == [(limited, ARRANGING, ("contact", "stay"), reason)]
    assert tx.said[0][2] == limited, "it is found by who it is about"


async def test_an_objection_ends_one_purpose_and_a_restriction_each_until_it_is_lifted(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    who = SubjectId(uuid4())
    contact, _ = await sealed(privacy, tx, who)

    async def used(purpose: str) -> bool:
        (opened,) = await privacy.use(tx.connection, purpose, [contact], tx=tx)
        return opened is not None

    await keep_limits(tx.connection, [ObjectionRecorded(subject_id=who, purpose=CATERING, at=NOW)])
    assert [await used(CATERING), await used(ARRANGING)] == [False, True]
    await keep_limits(tx.connection, [ProcessingRestricted(subject_id=who, at=NOW)])
    assert [await used(CATERING), await used(ARRANGING)] == [False, False]
    later = NOW + timedelta(days=1)
    await keep_limits(tx.connection, [RestrictionLifted(subject_id=who, at=later)])
    assert [await used(CATERING), await used(ARRANGING)] == [False, True]


async def test_storing_goes_on_and_is_no_entry(privacy: Privacy, tx: SpokenTransaction) -> None:
    who = SubjectId(uuid4())
    await keep_limits(
        tx.connection,
        [
            ProcessingRestricted(subject_id=who, at=NOW),
            ObjectionRecorded(subject_id=who, purpose=ARRANGING, at=NOW),
        ],
    )
    items = await sealed(privacy, tx, who)
    opened = await privacy.amend(tx.connection, ARRANGING, items)
    assert [one and one.reveal() for one in opened] == [{"name": "Aino Esimerkki"}, {"nights": "2"}]
    assert tx.said == []
    with pytest.raises(NotGrantedError):
        await privacy.amend(tx.connection, "marketing", items)


async def test_what_a_law_demands_is_done_all_the_same(
    connect: Connect, privacy_of: Callable[[str], Privacy], plan: Plan
) -> None:
    who, privacy = SubjectId(uuid4()), privacy_of("finance")
    tx = SpokenTransaction(await connect("finance"))
    assert plan.purposes["accounting"].legal_basis == "legal_obligation"
    await keep_limits(tx.connection, [ProcessingRestricted(subject_id=who, at=NOW)])
    item = ToSeal(who, "accounting", "year:2026", {"name": "Aino Esimerkki"})
    (value,) = await privacy.seal(tx.connection, [item], at=NOW)
    assert value is not None
    (opened,) = await privacy.use(
        tx.connection, "accounting", [ToOpen(who, "accounting", value)], tx=tx
    )
    assert opened is not None
    assert tx.said == []


async def test_nothing_is_used_where_nobody_can_say_what_was_refused(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    who = SubjectId(uuid4())
    await keep_limits(tx.connection, [ProcessingRestricted(subject_id=who, at=NOW)])
    with pytest.raises(NotGrantedError, match="no transaction to record"):
        await privacy.use(tx.connection, ARRANGING, await sealed(privacy, tx, who))
