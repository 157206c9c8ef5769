"""The registration service from topic to topic, and its commands, on real Kafka and Postgres."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from services.registration.app import open_service
from services.registration.commands import app
from shared.contract.inbound import REGISTRATIONS
from tests.conftest import SettingsFactory, TopicFactory
from tests.registration.conftest import EVENT, FORMS, consent
from tests.support.commands import command
from tests.support.flow import Flow, all_metrics, assert_silent, everything_kept, flowing
from tests.support.records import MadeRecord, binary

CANARY = "aino.canary"
MESSAGES = "select sum(messages)::int from outcome_count where outcome = '{}'"

_numbers = count(1)


def message(kind: str, data: dict[str, object], key: str) -> MadeRecord:
    """Everything that upstream names says who it is about, as it should not."""
    made = binary(kind, data, source=FORMS, id=f"{CANARY}-m{next(_numbers)}")
    return replace(made, key=key.encode())


def submitted(number: int) -> MadeRecord:
    name = f"{CANARY}-{number}"
    answers = {"name": name, "email": f"{name}@example.org", "diet": name, CANARY: "x"}
    data: dict[str, object] = {
        "registration_number": name,
        "event_number": "E-1",
        "person_number": name,
        "answers": answers,
        "consents": [consent("dietary-needs"), consent("marketing")],
        CANARY: "surplus",
    }
    return message("RegistrationSubmitted", data, name)


def taken_back(number: int) -> MadeRecord:
    name = f"{CANARY}-{number}"
    return message("CancellationRequested", {"registration_number": name}, name)


async def _subjects(flow: Flow) -> list[UUID]:
    rows = await flow.service.pool.fetch("select subject_id from registration order by id")
    return [row["subject_id"] for row in rows]


async def test_people_register_before_the_event_is_announced_and_one_takes_it_back(
    service_settings: SettingsFactory,
    topic_factory: TopicFactory,
    database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = service_settings("registration", periodic_interval_s=0.1)
    people = [submitted(number) for number in range(3)]
    wrong = submitted(9)
    wrong = replace(wrong, value=(wrong.value or b"").replace(b"@example.org", b"@"))
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(REGISTRATIONS, [*people, people[0], wrong])
        await flow.until(MESSAGES.format("waiting"), 4)
        kept_waiting = await everything_kept(database, "registration")
        announced = {**EVENT, "capacity": 2, "waiting_list": True}
        await flow.send(REGISTRATIONS, [message("EventAnnounced", announced, "E-1")])
        await flow.until(MESSAGES.format("dead_letter"), 1)
        await flow.send(REGISTRATIONS, [taken_back(0)])
        await flow.until("select count(*)::int from outbox", 0)
        await flow.until("select count(*)::int from registration where status = 'registered'", 2)
        said = await flow.facts("registration", await _subjects(flow), 5)
        outcomes = await flow.outcomes()
    assert outcomes == {
        (REGISTRATIONS, "accepted"): 5,
        (REGISTRATIONS, "duplicate"): 1,
        (REGISTRATIONS, "dead_letter"): 1,
        (REGISTRATIONS, "waiting"): 0,
    }
    kinds = sorted(dict(record.headers)["ce_type"].decode() for record in said)
    assert kinds == [
        "ParticipantRegistered",
        "ParticipantRegistered",
        "ParticipantRegistered",
        "RegistrationCancelled",
        "RegistrationWaitlisted",
    ]
    output = capfd.readouterr()
    published = [part for record in said for part in (record.value or b"", repr(record.headers))]
    kept = await everything_kept(database, "registration")
    assert_silent(CANARY, output.out, output.err, all_metrics(), kept_waiting, kept, *published)


async def test_the_commands_list_events_and_hand_a_list_over(
    service_settings: SettingsFactory,
    topic_factory: TopicFactory,
    tmp_path: Path,
    all_is_heard: None,
) -> None:
    settings = service_settings("registration")
    sharing = submitted(1)
    body = orjson.loads(sharing.value or b"") | {"share_with_participants": ["networking.name"]}
    async with flowing(open_service, settings, topic_factory) as flow:
        records = [
            message("EventAnnounced", dict(EVENT), "E-1"),
            replace(sharing, value=orjson.dumps(body)),
        ]
        await flow.send(REGISTRATIONS, records)
        await flow.until("select count(*)::int from registration", 1)
    listed = await command(app, settings, "events", "--json")
    assert orjson.loads(listed.out)["registered"] == 1
    path = tmp_path / "list.csv"
    handed = await command(
        app, settings, "disclose", "E-1", "participants", "--output", str(path), "--json", "--yes"
    )
    (disclosure,) = orjson.loads(handed.out)["disclosures"]
    assert disclosure["people"] == 1
    handed_over = ["networking.name,disclosure", f"{CANARY}-1,{disclosure['disclosure']}"]
    assert path.read_text(encoding="utf-8").split() == handed_over
    piped = await command(
        app, settings, "disclose", "E-1", "participants", "--output", "-", "--yes"
    )
    assert [line.split(",")[0] for line in piped.out.split()] == ["networking.name", f"{CANARY}-1"]
    assert "1 person" in piped.err
    unknown = await command(app, settings, "disclose", "E-1", "hotel", "--yes")
    assert (unknown.code, "does not name hotel" in unknown.err) == (2, True)
    unasked = await command(app, settings, "disclose", "E-1", "participants")
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
