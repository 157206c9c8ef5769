"""`steward registration show`: a member of staff reads what somebody gave, and the log says so."""

from __future__ import annotations

import orjson
import pytest

from services.registration import store
from services.registration.commands import app
from services.registration.handlers.reading import read_answers
from shared.contract.audit import DataAccessed, UseRefused
from shared.contract.registration import ParticipantRegistered
from shared.contract.retention import ProcessingRestricted
from shared.privacy.errors import NotGrantedError
from shared.privacy.limits import keep_limits
from shared.privacy.values import ToOpen
from shared.runtime.actor import actor
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.registration.conftest import Front
from tests.support.commands import NOWHERE, command

PERSON = ("show", "E-1", "-", "event-arrangement")
EMAIL = "person1@example.org"


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("registration", kafka_bootstrap_servers="127.0.0.1:1")


async def registered(front: Front) -> ParticipantRegistered:
    answers = {"name": "Aino", "email": EMAIL}
    await front.take(front.event(), front.submitted(1, answers=answers))
    (fact,) = await front.said(ParticipantRegistered)
    return fact


async def test_what_is_read_is_an_entry_with_who_what_and_what_for(
    front: Front, settings: ServiceSettings
) -> None:
    person = await registered(front)
    done = await command(app, settings, *PERSON, "--json", given=f"{EMAIL}\n")
    assert done.code == 0
    assert orjson.loads(done.out) == {"contact.name": "Aino", "contact.email": EMAIL}
    (entry,) = await front.facts()
    assert isinstance(entry, DataAccessed)
    assert (entry.subject_id, entry.actor, entry.by) == (person.subject_id, actor(), "staff")
    assert (entry.purpose, entry.categories) == ("event-arrangement", ("contact",))
    assert entry.fields == ("contact.email", "contact.name")


async def test_what_somebody_typed_does_not_steer_a_terminal(
    front: Front, settings: ServiceSettings
) -> None:
    answers = {"name": "Aino\x1b[2J", "email": EMAIL}
    await front.take(front.event(), front.submitted(1, answers=answers))
    table = await command(app, settings, *PERSON, given=EMAIL)
    assert [line.split() for line in table.out.splitlines()] == [
        ["contact.name", "Aino\N{REPLACEMENT CHARACTER}[2J"],
        ["contact.email", EMAIL],
    ]


async def test_nothing_is_read_and_no_reading_said_of_restricted_data(
    front: Front, settings: ServiceSettings
) -> None:
    person = await registered(front)
    async with front.transaction() as tx:
        restricted = ProcessingRestricted(subject_id=person.subject_id, at=front.now)
        await keep_limits(tx.connection, [restricted])
    done = await command(app, settings, *PERSON, "--json", given=EMAIL)
    assert (done.code, done.out) == (0, "{}\n")
    (entry,) = await front.facts()
    assert isinstance(entry, UseRefused)


async def test_of_who_cancelled_and_came_again_what_stands_is_shown_else_what_was_last(
    front: Front, settings: ServiceSettings
) -> None:
    with_phone = {"name": "Aino", "email": EMAIL, "phone": "+358401234567"}
    await front.take(front.event(), front.submitted(1, answers=with_phone))
    await front.take(front.taken_back(1))
    await front.take(front.submitted(2, answers={"name": "Aino K.", "email": EMAIL}))
    await front.facts()
    done = await command(app, settings, *PERSON, "--json", given=EMAIL)
    assert orjson.loads(done.out) == {"contact.name": "Aino K.", "contact.email": EMAIL}
    (entry,) = await front.said(DataAccessed)
    assert entry.fields == ("contact.email", "contact.name")
    await front.take(front.taken_back(2))
    assert await command(app, settings, *PERSON, "--json", given=EMAIL) == done


async def test_of_two_subjects_that_are_one_person_the_registration_that_stands_is_shown(
    front: Front,
) -> None:
    given = ({"name": "Aino", "email": EMAIL}, {"name": "Aino", "email": "old@example.org"})
    await front.take(
        front.event(), *(front.submitted(number, answers=given[number]) for number in (0, 1))
    )
    person = tuple(fact.subject_id for fact in await front.said(ParticipantRegistered))
    await front.take(front.taken_back(1))
    async with front.transaction() as tx:
        (found,) = await store.events_named(tx.connection, "E-1")
        shown = await read_answers(
            front.desk, tx, found.event, person, "event-arrangement", "cli:somebody"
        )
    assert shown == {"contact.name": "Aino", "contact.email": EMAIL}


async def test_of_several_who_have_an_address_none_is_shown_before_one_is_named(
    front: Front, settings: ServiceSettings
) -> None:
    people = [
        front.submitted(number, answers={"name": name, "email": EMAIL}, person_number=f"n{number}")
        for number, name in ((1, "Aino"), (2, "Eero"))
    ]
    await front.take(front.event(), *people)
    subjects = [fact.subject_id for fact in await front.said(ParticipantRegistered)]
    refused = await command(app, settings, *PERSON, given=EMAIL)
    assert (refused.code, refused.out) == (2, "")
    assert all(str(subject) in refused.err for subject in subjects)
    assert EMAIL not in refused.err
    assert await front.facts() == []
    named = (*PERSON, "--json", "--subject", str(subjects[1]))
    done = await command(app, settings, *named, given=EMAIL)
    assert orjson.loads(done.out)["contact.name"] == "Eero"
    (entry,) = await front.facts()
    assert isinstance(entry, DataAccessed)
    assert entry.subject_id == subjects[1]


async def test_of_whom_nothing_is_known_there_is_no_entry(
    front: Front, settings: ServiceSettings
) -> None:
    await registered(front)
    done = await command(app, settings, *PERSON, given="nobody@example.org")
    assert (done.code, "nobody of this address" in done.err) == (1, True)
    assert await front.facts() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("E-1", EMAIL, "marketing"), "for: event-arrangement"),
        (("E-1", EMAIL, "dietary-needs"), "for: event-arrangement"),
        (("E-9", EMAIL, "event-arrangement"), "no event"),
        (("E-1", "canary", "event-arrangement"), "no e-mail address"),
    ],
)
async def test_wrong_arguments_read_nothing(
    front: Front, settings: ServiceSettings, arguments: tuple[str, ...], told: str
) -> None:
    await front.take(front.event())
    await front.facts()
    done = await command(app, settings, "show", *arguments)
    assert done.code == 2
    assert told in " ".join(done.err.replace("│", " ").split())
    assert await front.facts() == []


async def test_what_no_duty_reads_is_shown_to_nobody(front: Front) -> None:
    person = await registered(front)
    sealed = next(iter(person.personal.values()))
    item = ToOpen(person.subject_id, "networking", sealed)
    async with front.transaction() as tx:
        with pytest.raises(NotGrantedError, match="no duty of the plan reads the category"):
            await front.desk.privacy.show(tx, "networking", [item], actor="cli:somebody")


async def test_help_has_an_example() -> None:
    done = await command(app, NOWHERE, "show", "--help")
    assert (done.code, "Example" in done.out) == (0, True)
