"""`steward consent check` as people and programs meet it."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from services.consent.commands import app
from services.consent.handlers import Handlers, heard
from services.consent.subscribers import subscriptions
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted
from shared.privacy.limits import record_limits
from shared.runtime.log_ends import LogEnds
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import NOWHERE, command
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.work import NO_KAFKA, Work

EMAIL = "aino.canary@example.org"


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, int]]:
    """Where the logs end that decide: nothing was said in any, if a test does not say so."""
    found: dict[str, dict[int, int]] = {}

    async def ends_of_what_decides(*_: object) -> LogEnds:
        return found

    monkeypatch.setattr(heard, "ends_of_what_decides", ends_of_what_decides)
    return found


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)


async def answer(work: Work, handlers: Handlers, purpose: str, *, given: bool) -> None:
    answers = (
        ConsentAnswer(purpose=purpose, given=given, wording=f"{purpose}-2026", language="en"),
    )
    data = ContactSubmitted(contact_number="c", email=EMAIL, consents=answers)
    await work.do(handlers.record_contacts, [Facts().message(data, source=WEBSITE)])


@pytest.mark.usefixtures("ends")
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


async def test_nobody_may_be_written_to_while_a_withdrawal_may_be_unread(
    work: Work,
    handlers: Handlers,
    settings: ServiceSettings,
    ends: dict[str, dict[int, int]],
) -> None:
    await answer(work, handlers, "marketing", given=True)
    ends["inbound.contacts"] = {3: 7}
    position = "insert into position values ('inbound.contacts', 3, $1)"
    await work.parts.pool.execute(position, 6)
    behind = await command(app, settings, "check", EMAIL, "marketing", "--json")
    assert behind.code == 1
    assert orjson.loads(behind.out) == {
        "may_be_used": False,
        "reason": "not_heard",
        "since": None,
    }
    told = await command(app, settings, "check", EMAIL, "marketing")
    assert (told.code, "has not read yet" in told.out) == (1, True)
    await work.parts.pool.execute("update position set next_offset = 7")
    assert (await command(app, settings, "check", EMAIL, "marketing")).code == 0


async def test_nobody_may_be_written_to_while_a_no_on_a_form_may_not_be_passed_on(
    work: Work, handlers: Handlers, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends_of_what_decides(*_: object) -> LogEnds | None:
        return None

    monkeypatch.setattr(heard, "ends_of_what_decides", ends_of_what_decides)
    await answer(work, handlers, "marketing", given=True)
    told = await command(app, settings, "check", EMAIL, "marketing")
    assert (told.code, "has not read yet" in told.out) == (1, True)


async def test_nobody_may_be_written_to_while_kafka_is_away(
    work: Work, handlers: Handlers, settings: ServiceSettings
) -> None:
    await answer(work, handlers, "marketing", given=True)
    with pytest.raises(ConnectionError, match="withdrawals"):
        await command(app, settings, "check", EMAIL, "marketing")


def test_all_that_the_service_hears_decides(work: Work) -> None:
    heard_topics = {one.topic for one in subscriptions(work.parts.privacy)}
    assert {name for name, _ in heard.DECIDE} == heard_topics


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
