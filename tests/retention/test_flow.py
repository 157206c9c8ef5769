"""The retention service from topics to its schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.retention.app import open_service
from shared.contract import consent, registration
from shared.contract.types import RegistrationId, Sealed, SubjectId
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.facts import NOON, Facts, event_state
from tests.support.flow import all_metrics, assert_silent, everything_kept, flowing

CANARY = "aino.canary"


async def test_what_is_kept_is_scheduled_and_moves_with_its_event(
    service_settings: SettingsFactory,
    topic_factory: TopicFactory,
    database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    facts = Facts()
    event, subject = event_state(title={"en": CANARY}), SubjectId(uuid4())
    moved = event.model_copy(update={"version": 2, "ends_at": event.ends_at + timedelta(days=31)})
    participant: dict[str, Any] = {
        "registration_id": RegistrationId(uuid4()),
        "subject_id": subject,
        "event": event,
        "language": "fi",
        "source": "short-courses",
        "personal": {"diet": Sealed(CANARY.encode()[::-1])},
        "registered_at": NOON,
    }
    registered = registration.ParticipantRegistered.model_validate(participant)
    withdrawn = consent.ConsentWithdrawn(
        subject_id=subject, purpose="marketing", at=NOON, plan_digest="00"
    )
    records = [
        facts.message(registration.EventChanged(event=moved), key=event.event_id).record,
        facts.message(registered, key=subject).record,
    ]
    # What is due is not looked for: these dates are past on some days, and ahead on others.
    settings = service_settings("retention", periodic_interval_s=3600)
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(registration.TOPIC, records)
        await flow.send(consent.TOPIC, [facts.message(withdrawn, key=subject).record])
        await flow.until("select sum(messages)::int from outcome_count", 3)
        rows = await flow.service.pool.fetch(
            "select part, due_on::text from schedule_item order by part"
        )
    assert [tuple(row) for row in rows] == [
        ("diet", "2026-11-16"),
        ("marketing/marketing", "2026-09-02"),
        ("registration", "2026-11-16"),
    ]
    output = capfd.readouterr()
    kept = await everything_kept(database, "retention")
    assert_silent(CANARY, output.out, output.err, all_metrics(), kept)
