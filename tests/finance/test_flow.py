"""The finance service from topic to topic."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.finance.app import open_service
from shared.contract import registration
from shared.contract.types import RegistrationId, SubjectId
from shared.privacy.values import ToSeal
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.facts import NOON, Facts, event_state
from tests.support.flow import all_metrics, assert_silent, everything_kept, flowing
from tests.support.work import Work

CANARY = "aino.canary"


async def test_a_fee_becomes_an_invoice_and_a_cancellation_a_credit_note(
    service_settings: SettingsFactory,
    registration_at_work: Work,
    topic_factory: TopicFactory,
    database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    billing = ToSeal(subject, "billing", f"event:{event.event_id}", {"name": CANARY})
    parts = registration_at_work.parts
    async with parts.pool.acquire() as connection, connection.transaction():
        (sealed,) = await parts.privacy.seal(connection, [billing], at=NOON)
    common: dict[str, Any] = {
        "registration_id": RegistrationId(uuid4()),
        "subject_id": subject,
        "event": event,
    }
    registered = registration.ParticipantRegistered.model_validate(
        {
            **common,
            "language": "fi",
            "source": "short-courses",
            "personal": {"billing": sealed},
            "registered_at": NOON,
        }
    )
    cancelled = registration.RegistrationCancelled.model_validate(
        {**common, "cancelled_at": NOON, "by": "person"}
    )
    facts = Facts()
    records = [facts.message(data, key=subject).record for data in (registered, cancelled)]
    settings = service_settings("finance")
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(registration.TOPIC, [*records, records[0]])
        await flow.until("select sum(messages)::int from outcome_count", 3)
        said = await flow.facts("finance", [subject], 2)
    invoice, note = (orjson.loads(record.value or b"") for record in said)
    assert (invoice["kind"], note["kind"]) == ("invoice", "credit_note")
    assert note["credits"] == invoice["invoice_id"]
    because = [dict(record.headers)["ce_causationid"] for record in said]
    assert because == [dict(record.headers)["ce_id"] for record in records]
    output = capfd.readouterr()
    published = [part for record in said for part in (record.value or b"", repr(record.headers))]
    kept = await everything_kept(database, "finance")
    assert_silent(CANARY, output.out, output.err, all_metrics(), kept, *published)
