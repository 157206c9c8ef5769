"""A no takes back what was agreed to until then: what rests on that is kept no more."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.registration.handlers.consents import keep_consents
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.subscribers import subscriptions
from shared.contract.consent import (
    ConsentExpired,
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
)
from shared.contract.registration import ParticipantRegistered, ParticipantUpdated
from shared.contract.types import SubjectId
from shared.privacy.subjects import Alias
from tests.conftest import SettingsFactory
from tests.registration.conftest import NOW, Front, consent
from tests.support.applied import apply
from tests.support.facts import Facts
from tests.support.plans import WITHOUT_DIETS
from tests.support.records import MadeRecord
from tests.support.work import service_at_work


async def take_back(
    front: Front, subject_id: SubjectId, *purposes: str, at: datetime = NOW
) -> None:
    """The consent service says that the person does not consent any more."""
    facts = Facts()
    gone = [
        ConsentWithdrawn(subject_id=subject_id, purpose=purpose, at=at, plan_digest="0")
        for purpose in purposes
    ]
    async with front.transaction() as tx:
        await keep_consents(tx, [facts.message(fact) for fact in gone])


def agreeing(front: Front) -> MadeRecord:
    """Somebody who agrees to all that the event asks for."""
    return front.submitted(
        1,
        answers={"diet": "nuts"},
        consents=[consent("dietary-needs")],
        share_with_participants=["networking.name"],
    )


async def known_before(front: Front) -> SubjectId:
    """The same person, whom an earlier event has made known."""
    async with front.transaction() as tx:
        people = front.desk.privacy.people
        (known,) = await people.identify(tx.connection, [[Alias("email", "p1@example.org")]])
    return known


@pytest.mark.parametrize("purpose", ["dietary-needs", "networking"])
async def test_of_who_says_no_while_waiting_for_the_event_nothing_is_kept_that_rests_on_a_yes(
    front: Front, purpose: str
) -> None:
    known = await known_before(front)
    await front.take(agreeing(front), front.submitted(2, answers={"name": "B"}))
    await take_back(front, known, purpose, at=NOW + timedelta(hours=3))
    await front.take(front.event())
    first, second = await front.said(ParticipantRegistered)
    left = {"dietary-needs": "networking", "networking": "diet"}[purpose]
    assert set(first.personal) == {"contact", left}
    assert set(second.personal) == {"contact"}
    assert await front.outcomes() == {"accepted": 3}


async def test_what_a_no_keeps_out_is_counted_by_name(front: Front) -> None:
    def counted() -> float:
        return (
            REGISTRY.get_sample_value("steward_surplus_fields_total", {"field": "diet.text"}) or 0
        )

    known = await known_before(front)
    await take_back(front, known, "dietary-needs")
    before = counted()
    await front.take(agreeing(front))
    await front.take(front.event())
    assert counted() == before + 1


async def test_a_no_from_before_takes_nothing_from_who_waits_for_the_event(front: Front) -> None:
    known = await known_before(front)
    await take_back(front, known, "dietary-needs", "networking", at=NOW - timedelta(days=90))
    await front.take(agreeing(front))
    await front.take(front.event())
    (registered,) = await front.said(ParticipantRegistered)
    assert set(registered.personal) == {"contact", "diet", "networking"}


async def test_a_change_keeps_nothing_that_rests_on_a_consent_that_was_withdrawn(
    front: Front,
) -> None:
    await front.take(front.event(), agreeing(front))
    (before,) = await front.said(ParticipantRegistered)
    await take_back(front, before.subject_id, "dietary-needs", "networking")
    await front.take(front.changed(1, {"diet": "no fish", "name": "B"}))
    (updated,) = await front.said(ParticipantUpdated)
    assert updated.personal["contact"] != before.personal["contact"]
    for category in ("diet", "networking"):
        assert updated.personal[category] == before.personal[category]
    await front.take(front.changed(1, {"diet": "no fish"}))
    assert await front.facts() == []


async def test_a_no_from_before_the_registration_takes_nothing_of_it_back(front: Front) -> None:
    """What the form says is the later word; that it is heard from elsewhere is not waited for."""
    known = await known_before(front)
    before = NOW - timedelta(days=90)
    await take_back(front, known, "dietary-needs", "networking", at=before)
    await front.take(agreeing(front), front.changed(1, {"diet": "no fish", "name": "B"}))
    await front.take(front.event())
    updated = (await front.said(ParticipantUpdated))[0]
    opened = {
        category: await front.opened(known, category, updated.personal[category])
        for category in ("diet", "networking")
    }
    assert opened["diet"] == {"text": "no fish"}
    assert opened["networking"]["name"] == "B"


async def test_what_rests_on_a_consent_that_was_withdrawn_can_be_taken_away(front: Front) -> None:
    yes = [consent("dietary-needs")]
    await front.take(front.event(), front.submitted(1, answers={"diet": "nuts"}, consents=yes))
    (before,) = await front.said(ParticipantRegistered)
    await take_back(front, before.subject_id, "dietary-needs")
    await front.take(front.changed(1, {"diet": ""}))
    (updated,) = await front.said(ParticipantUpdated)
    assert set(updated.personal) == {"contact"}


def test_only_consents_to_what_the_service_opens_data_for_concern_it(front: Front) -> None:
    consents = {one.topic: one for one in subscriptions(front.desk)}["consent"]
    assert consents.concerns is not None
    facts = Facts()
    heard = {
        purpose
        for purpose in ("dietary-needs", "networking", "marketing")
        if consents.concerns(
            facts.message(
                ConsentWithdrawn(
                    subject_id=SubjectId(uuid4()), purpose=purpose, at=NOW, plan_digest="0"
                )
            )
        )
    }
    assert heard == {"dietary-needs", "networking"}


def test_no_answer_that_ends_a_consent_waits_behind_what_has_failed(front: Front) -> None:
    """Else the earlier yes would count, and nobody could tell that a no is unheard."""
    consents = {one.topic: one for one in subscriptions(front.desk)}["consent"]
    assert consents.never_waits == consents.handlers.keys() - {ConsentGiven}


async def test_a_no_concerns_it_where_any_plan_let_it_open_data_for_the_purpose(
    service_settings: SettingsFactory, database: str, tmp_path: Path
) -> None:
    """A yes does not: should the earlier plan come back, what is not known is no consent."""
    async with service_at_work(service_settings, SERVICE) as work:
        consents = {one.topic: one for one in subscriptions(Desk(work.parts.privacy))}["consent"]
        await apply(database, tmp_path, WITHOUT_DIETS)
        async with work.parts.work(now=NOW):
            pass
    assert consents.concerns is not None
    head = {"subject_id": SubjectId(uuid4()), "at": NOW, "plan_digest": "0"}
    shown = {"wording": "w", "language": "en", "collected_by": "contact", "source": "website"}
    heard = {
        (kind.__name__.removeprefix("Consent"), purpose)
        for purpose in ("dietary-needs", "networking", "marketing")
        for kind, more in (
            (ConsentGiven, shown),
            (ConsentRefused, shown),
            (ConsentWithdrawn, {}),
            (ConsentExpired, {}),
        )
        if consents.concerns(
            Facts().message(kind.model_validate({**head, **more, "purpose": purpose}))
        )
    }
    noes = {"Refused", "Withdrawn", "Expired"}
    assert {said for said, purpose in heard if purpose == "dietary-needs"} == noes
    assert {said for said, purpose in heard if purpose == "networking"} == {*noes, "Given"}
    assert {said for said, purpose in heard if purpose == "marketing"} == set()


async def test_a_no_is_told_whatever_the_words_that_were_shown(front: Front) -> None:
    """Else an earlier yes would hold. Of the words no more is kept than a keyed digest."""
    known = consent("networking", given=False)
    swedish = {**consent("marketing", given=False), "language": "sv"}
    older = {**consent("dietary-needs", given=False), "wording": "aino.canary@example.org"}
    await front.take(front.event(), front.submitted(1, consents=[known, swedish, older]))
    (said,) = await front.said(ParticipantRegistered)
    answers = [(one.purpose, one.given, one.language) for one in said.consents]
    assert answers == [
        ("networking", False, "en"),
        ("marketing", False, "sv"),
        ("dietary-needs", False, "en"),
    ]
    first, second, third = (one.wording for one in said.consents)
    digest_of = front.desk.privacy.reference
    assert first == "networking-2026"
    assert second == digest_of(b"wording\0marketing-2026").hex()
    assert third == digest_of(b"wording\0aino.canary@example.org").hex()
    (row,) = await front.rows("select consents::text as consents from registration.registration")
    assert "canary" not in row["consents"]


@pytest.mark.parametrize(
    "otherwise", [{"language": "sv"}, {"wording": "dietary-needs-2025"}, {"language": "en"}]
)
@pytest.mark.parametrize("no_comes_first", [True, False])
async def test_of_a_purpose_answered_twice_the_no_counts(
    front: Front, otherwise: dict[str, str], no_comes_first: bool
) -> None:
    """As in the consent service, which records it: also when the answer is corrected."""
    answers = [consent("dietary-needs"), consent("dietary-needs", given=False) | otherwise]
    both = answers[::-1] if no_comes_first else answers
    await front.take(front.event(), front.submitted(1, answers={"diet": "nuts"}, consents=both))
    (registered,) = await front.said(ParticipantRegistered)
    assert [one.given for one in registered.consents] == [one["given"] for one in both]
    assert set(registered.personal) == {"contact"}
    await front.take(front.changed(1, {"diet": "no fish"}))
    assert await front.facts() == []


async def test_who_says_no_to_being_seen_is_not_seen_by_opting_for_it_on_the_same_form(
    front: Front,
) -> None:
    """Nobody would be shown it: a no of the same moment is a later no (ADR 72)."""
    no = [consent("networking", given=False)]
    shared = ["networking.name"]
    await front.take(front.event(), front.submitted(1, consents=no, share_with_participants=shared))
    (registered,) = await front.said(ParticipantRegistered)
    assert set(registered.personal) == {"contact"}
    await front.take(front.changed(1, {"name": "B"}))
    (updated,) = await front.said(ParticipantUpdated)
    assert set(updated.personal) == {"contact"}


async def test_answers_that_are_left_out_are_counted(front: Front) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("steward_surplus_fields_total", {"field": "consents"}) or 0

    nowhere = [
        {**consent("marketing"), "wording": "marketing-1999"},
        {**consent("invoicing", given=False), "wording": "marketing-2026"},
        consent("aino-canary", given=False),
    ]
    before = counted()
    await front.take(front.event(), front.submitted(1, consents=[*nowhere, consent("networking")]))
    (said,) = await front.said(ParticipantRegistered)
    assert [one.purpose for one in said.consents] == ["networking"]
    assert counted() == before + len(nowhere)
