"""The consent service from topic to topic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from services.cli.plan.applying import apply_plan, plan_in_force
from services.consent.app import open_service
from shared.contract import inbound, registration
from shared.contract.inbound import ConsentAnswer, ContactSubmitted, WithdrawalRequested
from shared.contract.types import SubjectId
from shared.local.administrator import connected
from shared.privacy.plan import load_plan, load_with_text
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory, TopicFactory
from tests.consent.answering import participation
from tests.support.facts import WEBSITE, Facts
from tests.support.flow import all_metrics, assert_silent, everything_kept, flowing, process_of
from tests.support.plans import PLAN, TEXT, changed, written
from tests.support.records import MadeRecord

CANARY = "aino.canary"


def marketing(wording: str = "marketing-2026") -> ConsentAnswer:
    return ConsentAnswer(purpose="marketing", given=True, wording=wording, language="fi")


def contact(facts: Facts, *answers: ConsentAnswer) -> MadeRecord:
    data = ContactSubmitted(
        contact_number=f"{CANARY}-1",
        email=f"{CANARY}@example.org",
        name=CANARY,
        consents=answers,
    )
    record = facts.message(data, source=WEBSITE).record
    assert isinstance(record, MadeRecord)
    return record


async def test_what_people_say_becomes_facts_and_says_nothing_personal(
    service_settings: SettingsFactory,
    topic_factory: TopicFactory,
    database: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    facts = Facts()
    yes = contact(facts, marketing())
    nobody_was_shown = contact(facts, marketing(CANARY))
    no_longer = facts.message(
        WithdrawalRequested(contact_number=f"{CANARY}-1", email=f"{CANARY}@EXAMPLE.org"),
        source=WEBSITE,
    ).record
    subject = SubjectId(uuid4())
    registered = participation(subject, consents=(marketing(),)).record
    broken = MadeRecord(f'{{"email": "{CANARY}@'.encode(), yes.headers)
    settings = service_settings("consent")
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(inbound.CONTACTS, [yes, yes, broken, nobody_was_shown, no_longer])
        # What our services say may come twice: known by what it is about, not by the inbox.
        await flow.send(registration.TOPIC, [registered, registered])
        await flow.until("select sum(messages)::int from outcome_count", 7)
        assert await flow.outcomes() == {
            (inbound.CONTACTS, "accepted"): 2,
            (inbound.CONTACTS, "duplicate"): 1,
            (inbound.CONTACTS, "dead_letter"): 2,
            (registration.TOPIC, "accepted"): 1,
            (registration.TOPIC, "duplicate"): 1,
        }
        held = await flow.service.pool.fetch(
            "select subject_id, state from consent_state where purpose = 'marketing'"
        )
        states = {row["subject_id"]: row["state"] for row in held}
        other: UUID = next(known for known in states if known != subject)
        assert states == {subject: "given", other: "withdrawn"}
        said = await flow.facts("consent", states, 5)
    kinds = sorted(dict(record.headers)["ce_type"].decode() for record in said)
    assert kinds == ["ConsentGiven"] * 2 + ["ConsentWithdrawn"] * 3
    assert {orjson.loads(record.value or b"")["subject_id"] for record in said} == {
        str(known) for known in states
    }
    output = capfd.readouterr()
    published = [part for record in said for part in (record.value or b"", repr(record.headers))]
    kept = await everything_kept(database, "consent")
    assert_silent(CANARY, output.out, output.err, all_metrics(), kept, *published)


async def test_a_changed_plan_is_used_from_the_next_batch_on_without_a_restart(
    service_settings: SettingsFactory, topic_factory: TopicFactory, tmp_path: Path
) -> None:
    """Who may send what is judged before a batch's transaction begins: that counts too."""
    facts = Facts()
    settings = service_settings("consent")
    quiet = written(tmp_path, changed(('types = ["ContactSubmitted", ', "types = [")), "quiet.toml")
    again = written(tmp_path, f"{TEXT}\n# Again, by another digest.\n", "again.toml")
    count = "select sum(messages)::int from outcome_count where outcome = '{}'"
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(inbound.CONTACTS, [contact(facts, marketing())])
        await flow.until(count.format("accepted"), 1)
        await _apply(settings, quiet)
        await flow.send(inbound.CONTACTS, [contact(facts, marketing())])
        await flow.until(count.format("dead_letter"), 1)
        await _apply(settings, again)
        await flow.send(inbound.CONTACTS, [contact(facts, marketing())])
        await flow.until(count.format("accepted"), 2)
        digests = await flow.service.pool.fetch("select distinct plan_digest from consent_record")
        reasons = await flow.service.pool.fetch("select reason from dead_letter")
        await flow.until("select min(number)::int from plan_follower", 3)
    assert [row["reason"] for row in reasons] == ["type_not_allowed"]
    assert {row["plan_digest"] for row in digests} == {load_plan(f).digest for f in (PLAN, again)}


async def test_of_two_processes_one_hears_what_people_wait_for_and_the_other_publishes_it(
    service_settings: SettingsFactory, topic_factory: TopicFactory
) -> None:
    facts, participant = Facts(), participation(SubjectId(uuid4()))
    settings = service_settings("consent", hears="urgent")
    async with flowing(open_service, settings, topic_factory) as flow:
        await flow.send(registration.TOPIC, [participant.record])
        await flow.send(inbound.CONTACTS, [contact(facts, marketing())])
        await flow.until("select sum(messages)::int from outcome_count", 1)
        assert await flow.outcomes() == {(inbound.CONTACTS, "accepted"): 1}
        assert await flow.service.pool.fetchval("select count(*) from outbox") == 2
        # It follows the plan in force, whatever it hears.
        await flow.until("select count(*)::int from plan_follower", 1)
        subject = await flow.service.pool.fetchval("select subject_id from consent_state")
        rest = replace(flow.service, settings=settings.model_copy(update={"hears": "rest"}))
        async with process_of(rest):
            await flow.until("select sum(messages)::int from outcome_count", 2)
            (said,) = await flow.facts("consent", [subject], 1)
            await flow.send(inbound.CONTACTS, [contact(facts, marketing())])
            await flow.until("select sum(messages)::int from outcome_count", 3)
            assert await flow.outcomes() == {
                (inbound.CONTACTS, "accepted"): 2,
                (registration.TOPIC, "accepted"): 1,
            }
    assert dict(said.headers)["ce_type"] == b"ConsentGiven"


async def _apply(settings: ServiceSettings, file: Path) -> None:
    async with connected(settings) as administrator:
        before = await plan_in_force(administrator)
        assert before is not None
        wanted = load_with_text(file)
        await apply_plan(administrator, wanted, instead_of=before.digest, actor="cli:test")
