"""Whom objections, restrictions and what is not heard yet leave out, and what an authority gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.contract.audit import DataDisclosedToAuthority
from shared.privacy.disclosure import DisclosureRequest, PersonToDisclose
from shared.privacy.errors import NotInPlanError
from shared.privacy.limits import Limit, keep_limits
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.runtime.log_ends import LogEnds
from tests.privacy.conftest import NOW, SpokenTransaction
from tests.privacy.disclosing import (
    EVENT,
    lifted,
    objected,
    person,
    reasons,
    restricted,
    to_caterer,
)


async def test_who_objected_to_the_purpose_and_whose_data_is_restricted_is_refused(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    one, two, other = [await person(privacy, tx) for _ in range(3)]
    await keep_limits(
        tx.connection, [objected(one), restricted(two), objected(other, "event-arrangement")]
    )
    disclosure = await privacy.disclose(tx, to_caterer(one, two, other))
    assert disclosure.refused == [(one.subject_id, "objected"), (two.subject_id, "restricted")]
    assert reasons(tx) == ["objected", "restricted"]
    assert [who for who, _ in disclosure.released] == [other.subject_id]


@pytest.mark.parametrize("together", [True, False])
async def test_a_restriction_ends_when_it_is_lifted_in_whatever_order_that_is_heard(
    privacy: Privacy, tx: SpokenTransaction, *, together: bool
) -> None:
    free, still = await person(privacy, tx), await person(privacy, tx)
    later = NOW + timedelta(days=1)
    facts: list[Limit] = [lifted(free, later), restricted(free), restricted(still), lifted(still)]
    for part in [facts] if together else [[fact] for fact in facts]:
        await keep_limits(tx.connection, part)
    disclosure = await privacy.disclose(tx, to_caterer(free, still))
    assert disclosure.refused == [(still.subject_id, "restricted")]


async def hears(tx: SpokenTransaction, topic: str, position: int) -> None:
    """The service has read one partition of a topic up to there."""
    await tx.connection.execute(
        "insert into position (topic, partition, next_offset) values ($1, 3, $2)"
        " on conflict (topic, partition) do update set next_offset = $2",
        topic,
        position,
    )


INBOUND = "inbound.registrations"


@pytest.mark.parametrize(
    ("log_ends", "reason"),
    [
        ({INBOUND: {3: 5}, "retention": {3: 7}, "consent": {3: 9}}, None),
        ({INBOUND: {3: 6}, "retention": {3: 7}, "consent": {3: 9}}, "projection-behind"),
        ({INBOUND: {3: 5}, "retention": {3: 8}, "consent": {3: 9}}, "projection-behind"),
        ({INBOUND: {3: 5}, "retention": {3: 7}, "consent": {3: 10}}, "projection-behind"),
        ({INBOUND: {3: 5}, "retention": {3: 7, 4: 1}, "consent": {}}, "projection-behind"),
        ({INBOUND: {3: 5}, "retention": {3: 7}}, "projection-behind"),
        ({"retention": {3: 7}, "consent": {3: 9}}, "projection-behind"),
        (None, "projection-behind"),
    ],
)
async def test_who_has_not_heard_all_that_may_decide_discloses_nothing(
    privacy: Privacy, tx: SpokenTransaction, log_ends: LogEnds | None, reason: str | None
) -> None:
    await hears(tx, INBOUND, 5)
    await hears(tx, "retention", 7)
    await hears(tx, "consent", 9)
    request = replace(to_caterer(await person(privacy, tx)), log_ends=log_ends)
    await privacy.disclose(tx, request)
    assert reasons(tx) == ([] if reason is None else [reason])


@pytest.mark.parametrize("end", [0, 1, 2**40])
async def test_who_stands_still_before_another_log_discloses_nothing_however_long_it_is(
    privacy: Privacy, tx: SpokenTransaction, end: int
) -> None:
    await hears(tx, "retention", -1)
    log_ends: LogEnds = {INBOUND: {}, "retention": {3: end}, "consent": {}}
    request = replace(to_caterer(await person(privacy, tx)), log_ends=log_ends)
    await privacy.disclose(tx, request)
    assert reasons(tx) == ["projection-behind"]


async def test_consents_that_are_not_heard_hold_up_only_what_rests_on_consent(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    await hears(tx, "consent", 9)
    request = replace(
        to_caterer(await person(privacy, tx)),
        purpose="catering",
        fields=("contact.name",),
        log_ends={INBOUND: {}, "retention": {}, "consent": {3: 10}},
    )
    assert len((await privacy.disclose(tx, request)).released) == 1


def to_police(*people: PersonToDisclose) -> DisclosureRequest:
    return DisclosureRequest(
        recipient="police",
        purpose="event-arrangement",
        fields=("contact.name", "contact.phone"),
        people=people,
        actor="cli:operator",
        event_id=EVENT,
        request_reference="5650/R/1234/26",
    )


async def test_an_authority_gets_by_law_what_it_asks_for_and_the_entry_names_both(
    privacy: Privacy, tx: SpokenTransaction, plan: Plan
) -> None:
    one = await person(privacy, tx, consented=False)
    await keep_limits(tx.connection, [restricted(one), objected(one, "event-arrangement")])
    ((_, content),) = (await privacy.disclose(tx, to_police(one))).released
    assert set(content.reveal()) == {"contact.name", "contact.phone"}
    ((entry, _, subject),) = tx.said
    assert isinstance(entry, DataDisclosedToAuthority)
    assert (subject, entry.subject_id) == (one.subject_id, one.subject_id)
    assert (entry.recipient, entry.law) == ("police", plan.authorities["police"].law)
    assert (entry.request_reference, entry.legal_basis) == ("5650/R/1234/26", "legal-obligation")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fields": ("diet.text",), "purpose": "dietary-needs"}, "field-not-of-authority"),
        ({"purpose": "networking"}, "field-not-of-purpose"),
    ],
)
async def test_an_authority_gets_nothing_beyond_what_the_plan_says(
    privacy: Privacy, tx: SpokenTransaction, change: dict[str, Any], reason: str
) -> None:
    request = replace(to_police(await person(privacy, tx)), **change)
    await privacy.disclose(tx, request)
    assert reasons(tx) == [reason]


@pytest.mark.parametrize("recipient", ["caterer", "customs"])
async def test_only_an_authority_of_the_plan_asks_by_law(
    privacy: Privacy, tx: SpokenTransaction, recipient: str
) -> None:
    request = replace(to_police(await person(privacy, tx)), recipient=recipient)
    with pytest.raises(NotInPlanError, match="authorities"):
        await privacy.disclose(tx, request)
