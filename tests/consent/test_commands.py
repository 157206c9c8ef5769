"""`steward consent check` as people and programs meet it."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from services.consent.commands import app
from services.consent.handlers import Handlers
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted
from shared.privacy.limits import record_limits
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import NOWHERE, command
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.work import NO_KAFKA, Work

EMAIL = "aino.canary@example.org"


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)


async def answer(work: Work, handlers: Handlers, purpose: str, *, given: bool) -> None:
    answers = (
        ConsentAnswer(purpose=purpose, given=given, wording=f"{purpose}-2026", language="en"),
    )
    data = ContactSubmitted(contact_number="c", email=EMAIL, consents=answers)
    await work.do(handlers.record_contacts, [Facts().message(data, source=WEBSITE)])


async def test_the_exit_code_says_whether_data_may_be_used(
    work: Work, handlers: Handlers, settings: ServiceSettings
) -> None:
    never = await command(app, settings, "check", EMAIL, "marketing")
    assert (never.code, never.out) == (1, "may not be used: never asked\n")
    await answer(work, handlers, "marketing", given=True)
    await answer(work, handlers, "networking", given=False)
    yes = await command(app, settings, "check", "-", "marketing", given=f" {EMAIL.upper()}\n")
    assert (yes.code, yes.out[:11]) == (0, "may be used")
    refused = await command(app, settings, "check", EMAIL, "networking")
    assert (refused.code, "refused on 2026-09-01" in refused.out) == (1, True)
    later = NOON + timedelta(days=1)
    withdrawal = WithdrawalRequested(contact_number="c", email=EMAIL)
    message = Facts().message(withdrawal, source=WEBSITE, at=later)
    await work.do(handlers.record_contacts, [message])
    withdrawn = await command(app, settings, "check", EMAIL, "marketing", "--json")
    assert withdrawn.code == 1
    assert orjson.loads(withdrawn.out) == {
        "may_be_used": False,
        "reason": "withdrawn",
        "since": "2026-09-02T12:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("limit", "reason", "told"),
    [
        ({"purpose": "marketing"}, "objected", "the person objected to it"),
        ({}, "restricted", "the person's data is restricted: it is stored, and no more"),
    ],
)
async def test_a_consent_does_not_help_against_an_objection_or_a_restriction(
    work: Work,
    handlers: Handlers,
    settings: ServiceSettings,
    limit: dict[str, str],
    reason: str,
    told: str,
) -> None:
    await answer(work, handlers, "marketing", given=True)
    subject = await work.value("select subject_id from consent_state")
    kind = ObjectionRecorded if limit else ProcessingRestricted
    fact = kind(subject_id=subject, at=NOON, **limit)
    await work.do(record_limits, [Facts().message(fact, source="/steward/retention")])
    done = await command(app, settings, "check", EMAIL, "marketing")
    assert (done.code, done.out) == (1, f"may not be used: {told}\n")
    done = await command(app, settings, "check", EMAIL, "marketing", "--json")
    assert orjson.loads(done.out) == {"may_be_used": False, "reason": reason, "since": None}


async def test_a_purpose_that_does_not_rest_on_consent_says_what_it_rests_on(
    settings: ServiceSettings,
) -> None:
    done = await command(app, settings, "check", EMAIL, "invoicing")
    assert done.code == 1
    assert "contract" in done.out


async def test_wrong_arguments_exit_with_2(settings: ServiceSettings) -> None:
    wrong: list[tuple[tuple[str, ...], str | None, ServiceSettings]] = [
        ((EMAIL, "astrology"), None, settings),
        (("no address", "marketing"), None, settings),
        (("-", "marketing"), "", NOWHERE),
        ((EMAIL,), None, NOWHERE),
    ]
    for arguments, given, used in wrong:
        done = await command(app, used, "check", *arguments, given=given)
        assert done.code == 2
        assert "canary" not in done.err


async def test_help_has_an_example() -> None:
    done = await command(app, NOWHERE, "check", "--help")
    assert (done.code, "Example" in done.out) == (0, True)
