"""A new purpose or recipient never touches data collected before it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from shared.contract.audit import DisclosureRefused, UseRefused
from shared.contract.types import EventId, SubjectId
from shared.privacy.beginnings import Beginnings, beginnings_of
from shared.privacy.disclosure import DisclosureRequest, PersonToDisclose
from shared.privacy.errors import NotGrantedError
from shared.privacy.in_force import Derived, InForce
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.secrets import SecretsFolder
from tests.privacy.conftest import NOW, SpokenTransaction
from tests.privacy.disclosing import HEARD

BEFORE, AFTER = NOW - timedelta(seconds=1), NOW
Open = Callable[[Beginnings], Privacy]


@pytest.fixture
def with_beginnings(plan: Plan, secrets_folder: SecretsFolder) -> Open:
    """Registration's door, where something begins."""
    return lambda begins: Privacy.open(
        InForce(plan, beginnings=begins),
        secrets_folder,
        service="registration",
        wrappers=KeyWrappers.of(secrets_folder.key_encryption_keys().values()),
    )


def dated(plan: Plan, since: date | None, ground: str | None = None) -> Plan:
    """The plan whose caterer and whose purpose `catering` are dated so."""
    over = {"since": since, "covers_earlier_data": ground}
    catering = plan.purposes["catering"].model_copy(update=over)
    caterer = plan.recipients["caterer"].model_copy(update=over)
    return plan.model_copy(
        update={
            "purposes": {**plan.purposes, "catering": catering},
            "recipients": {**plan.recipients, "caterer": caterer},
        }
    )


APPLIED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "stored", "begins"),
    [
        (None, None, None),
        (None, APPLIED, APPLIED),
        (date(2026, 3, 5), None, datetime(2026, 3, 4, 22, tzinfo=UTC)),  # midnight in Helsinki
        (date(2026, 3, 5), APPLIED, datetime(2026, 3, 4, 22, tzinfo=UTC)),
        (date(2020, 1, 1), APPLIED, APPLIED),
    ],
    ids=["the first plan's", "a later plan's", "dated", "put off", "not put back"],
)
def test_a_name_begins_with_its_plan_and_its_date_can_put_that_off(
    plan: Plan, since: date | None, stored: datetime | None, begins: datetime | None
) -> None:
    found = beginnings_of(
        dated(plan, since), {("purpose", "catering"): stored, ("recipient", "caterer"): stored}
    )
    assert found.purposes.get("catering") == begins
    assert found.recipients.get("caterer") == begins


def test_a_ground_for_earlier_data_lifts_the_limit(plan: Plan) -> None:
    grounded = dated(plan, date(2026, 3, 5), "article 6(4): a compatible purpose")
    assert beginnings_of(grounded, {("purpose", "catering"): APPLIED}) == Beginnings()


async def somebody(
    privacy: Privacy, tx: SpokenTransaction, collected_at: datetime | None
) -> PersonToDisclose:
    who = SubjectId(uuid4())
    item = ToSeal(who, "contact", "event:1", {"name": "Aino Esimerkki"})
    (sealed,) = await privacy.seal(tx.connection, [item], at=NOW)
    assert sealed is not None
    return PersonToDisclose(who, {"contact": sealed}, collected_at=collected_at)


@pytest.mark.parametrize(
    ("begins", "reason"),
    [
        (Beginnings(purposes={"catering": NOW}), "collected-before-purpose"),
        (Beginnings(recipients={"caterer": NOW}), "collected-before-recipient"),
    ],
)
async def test_data_that_is_older_is_not_disclosed_and_the_log_says_why(
    with_beginnings: Open, tx: SpokenTransaction, begins: Beginnings, reason: str
) -> None:
    privacy = with_beginnings(begins)
    older, newer, unknown = [
        await somebody(privacy, tx, collected_at) for collected_at in (BEFORE, AFTER, None)
    ]
    disclosure = await privacy.disclose(tx, _to_caterer(older, newer, unknown))
    assert [who for who, _ in disclosure.released] == [newer.subject_id]
    assert disclosure.refused == [(older.subject_id, reason), (unknown.subject_id, reason)]
    said = [entry for entry, _, _ in tx.said if isinstance(entry, DisclosureRefused)]
    assert [entry.reason for entry in said] == [reason, reason]


def _to_caterer(*people: PersonToDisclose) -> DisclosureRequest:
    return DisclosureRequest(
        recipient="caterer",
        purpose="catering",
        fields=("contact.name",),
        people=people,
        actor="cli:test",
        event_id=EventId(uuid4()),
        event_recipients=frozenset({"caterer"}),
        log_ends=HEARD,
    )


async def test_data_that_is_older_is_not_used_and_the_log_says_so_of_each_person(
    with_beginnings: Open, tx: SpokenTransaction
) -> None:
    privacy = with_beginnings(Beginnings(purposes={"catering": NOW}))
    people = [await somebody(privacy, tx, collected_at) for collected_at in (BEFORE, AFTER)]
    items = [
        ToOpen(one.subject_id, "contact", one.sealed["contact"], one.collected_at) for one in people
    ]
    first, second = await privacy.use(tx.connection, "catering", items, tx=tx)
    assert first is None
    assert second is not None
    ((entry, key, subject),) = tx.said
    assert isinstance(entry, UseRefused)
    assert (entry.reason, entry.categories) == ("collected-before-purpose", ("contact",))
    assert (key, subject) == (None, people[0].subject_id)
    with pytest.raises(NotGrantedError, match="no transaction to record"):
        await privacy.use(tx.connection, "catering", items)
    assert None not in await privacy.use(tx.connection, "event-arrangement", items)


def test_what_follows_from_the_plan_is_worked_out_once_for_each_plan(plan: Plan) -> None:
    in_force = InForce(plan)
    asked: list[Plan] = []

    def work_out(one: Plan) -> int:
        asked.append(one)
        return len(asked)

    derived = Derived(in_force, work_out)
    assert (derived(), derived()) == (1, 1)
    in_force.plan = dated(plan, None)
    assert (derived(), derived()) == (2, 2)
