"""Consents and withdrawals on a real Postgres."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.consent import store
from services.consent.domain import Collected, State, Statement
from services.consent.handlers import Handlers
from services.consent.subscribers import subscriptions
from shared.contract import inbound
from shared.contract.inbound import ConsentAnswer, ContactSubmitted
from shared.contract.message import Message
from shared.contract.registry import REGISTRY
from shared.contract.types import Sealed, SubjectId
from shared.messaging.subscription import Handler
from shared.privacy.limits import LIMITS
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen
from shared.runtime.ids import new_id
from shared.runtime.secrets import SecretsFolder
from tests.consent.answering import EMAIL, HOUR, NAME, consent, states, submitted, withdrawal
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.people import whom_it_leads_to
from tests.support.work import Work


def test_every_type_of_its_topics_is_handled_or_ignored_on_purpose(handlers: Handlers) -> None:
    for subscription in subscriptions(handlers._privacy):
        of_topic = {known.model for known in REGISTRY if known.topic == subscription.topic}
        assert set(subscription.handlers) | subscription.ignored == of_topic
    contacts, _, limits = subscriptions(handlers._privacy)
    assert contacts.never_waits == {inbound.WithdrawalRequested}
    assert limits.never_waits == set(LIMITS)


async def test_a_consent_is_recorded_and_said_once(work: Work, handlers: Handlers) -> None:
    message = submitted()
    first = await work.do(handlers.record_contacts, [message])
    again = await work.do(handlers.record_contacts, [message])
    fact, entry = first.said
    assert (entry.type, entry.data["state"]) == ("ConsentRecorded", "given")
    assert (fact.type, fact.data["purpose"], fact.data["source"]) == (
        "ConsentGiven",
        "marketing",
        "website",
    )
    assert fact.key is not None
    assert str(fact.key) == fact.data["subject_id"]
    assert again.said == []
    assert await work.value("select count(*) from consent_record") == 1
    assert await states(work) == {"marketing": "given"}


async def test_the_log_gets_a_keyed_digest_that_proves_the_record_and_nothing_personal(
    work: Work, handlers: Handlers
) -> None:
    """As whoever has a copy of the record proves it, when the record itself is erased."""
    given = await work.do(handlers.record_contacts, [submitted()])
    withdrawn = await work.do(handlers.record_contacts, [withdrawal("marketing", at=NOON + HOUR)])
    rows = await work.rows("select * from consent_record order by at")
    entries = [given.said[1], withdrawn.said[1]]
    for row, entry in zip(rows, entries, strict=True):
        copy = {
            **{name: row[name] for name in ("purpose", "state", "wording", "language")},
            **{name: row[name] for name in ("collected_by", "source", "plan_digest", "at")},
            **{name: str(row[name]) for name in ("id", "subject_id")},
            "origin": row["origin"].hex(),
        }
        written = orjson.dumps(copy, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
        key = SecretsFolder(work.settings.secrets).reference_key()
        digest = hmac.digest(key, b"consent record\0" + written, "sha256")
        assert entry.data["record_digest"] == digest.hex()
        assert (entry.data["state"], entry.data["purpose"]) == (row["state"], "marketing")
    assert "canary" not in str(entries).lower()


async def test_whom_to_write_to_is_kept_sealed_of_those_who_said_yes(
    work: Work, handlers: Handlers
) -> None:
    facts = Facts()
    no = submitted(consent(given=False), email="other.canary@example.org", facts=facts)
    await work.do(handlers.record_contacts, [submitted(facts=facts), no])
    (row,) = await work.rows("select subject_id, category, sealed from contact")
    assert b"canary" not in row["sealed"].lower()
    async with work.parts.pool.acquire() as connection, connection.transaction():
        item = ToOpen(SubjectId(row["subject_id"]), row["category"], Sealed(row["sealed"]))
        (opened,) = await work.parts.privacy.use(connection, "marketing", [item])
    assert opened is not None
    assert opened.reveal() == {"name": NAME, "email": EMAIL}


async def test_whom_to_write_to_is_gone_once_nothing_allows_it_in_every_order(
    work: Work, handlers: Handlers
) -> None:
    for number, order in enumerate(permutations(range(3))):
        email = f"person{number}@example.org"
        steps: list[tuple[Handler, Message[Any]]] = [
            (handlers.record_contacts, submitted(at=NOON, email=email)),
            (handlers.record_contacts, submitted(at=NOON + HOUR, email=email)),
            (handlers.record_contacts, withdrawal(at=NOON + 2 * HOUR, email=email)),
        ]
        for step in order:
            await work.do(steps[step][0], [steps[step][1]])
        assert await work.value("select count(*) from contact") == 0, order


async def test_every_order_of_a_yes_a_withdrawal_and_a_new_yes_ends_the_same(
    work: Work, handlers: Handlers
) -> None:
    for number, order in enumerate(permutations(range(3))):
        email = f"person{number}@example.org"
        steps: list[tuple[Handler, Message[Any]]] = [
            (handlers.record_contacts, submitted(at=NOON, email=email)),
            (handlers.record_contacts, withdrawal("marketing", at=NOON + HOUR, email=email)),
            (handlers.record_contacts, submitted(at=NOON + 2 * HOUR, email=email)),
        ]
        for step in order:
            handler, message = steps[step]
            await work.do(handler, [message])
        (held,) = await work.rows(
            "select state, at from consent_state where subject_id = $1",
            await subject_of(work, email),
        )
        assert tuple(held) == ("given", NOON + 2 * HOUR)


async def subject_of(work: Work, email: str) -> SubjectId:
    async with work.parts.pool.acquire() as connection:
        (subject_id,) = await whom_it_leads_to(
            work.parts.privacy.people, connection, [Alias("email", email)]
        )
    assert subject_id is not None
    return subject_id


async def test_a_yes_that_comes_after_a_later_withdrawal_keeps_nothing_to_write_to(
    work: Work, handlers: Handlers
) -> None:
    await work.do(handlers.record_contacts, [withdrawal(at=NOON + HOUR)])
    await work.do(handlers.record_contacts, [submitted(at=NOON)])
    assert (await states(work))["marketing"] == "withdrawn"
    assert await work.value("select count(*) from contact") == 0
    assert await work.value("select count(*) from consent_record where state = 'given'") == 1


async def test_of_one_moment_the_withdrawal_wins_in_either_order(
    work: Work, handlers: Handlers
) -> None:
    await work.do(handlers.record_contacts, [submitted(), submitted(consent("networking"))])
    await work.do(handlers.record_contacts, [withdrawal("marketing")])
    await work.do(handlers.record_contacts, [withdrawal("marketing", email="b@example.org")])
    await work.do(handlers.record_contacts, [submitted(email="b@example.org")])
    held = await work.rows("select state from consent_state where purpose = 'marketing'")
    assert [row["state"] for row in held] == ["withdrawn", "withdrawn"]


async def test_of_one_batch_the_latest_counts_and_of_one_moment_the_heavier(work: Work) -> None:
    some: list[tuple[State, datetime]] = [
        ("given", NOON),
        ("given", NOON + HOUR),
        ("withdrawn", NOON + HOUR),
        ("refused", NOON + HOUR),
    ]
    for order in permutations(some):
        subject = SubjectId(uuid4())
        said = [statement(subject, state, at, uuid4().bytes) for state, at in order]
        assert await recorded(work, said) == 4
        (held,) = await work.rows("select * from consent_state where subject_id = $1", subject)
        (record,) = await work.rows(
            "select state, at from consent_record where id = $1", held["record_id"]
        )
        assert (held["state"], held["at"]) == ("withdrawn", NOON + HOUR)
        assert tuple(record) == ("withdrawn", NOON + HOUR)


async def test_one_origin_says_the_same_thing_once_and_what_came_first(work: Work) -> None:
    subject = SubjectId(uuid4())
    said = [
        statement(subject, "refused", NOON, b"a"),
        statement(subject, "given", NOON + HOUR, b"a"),
        statement(subject, "given", NOON - HOUR, b"b"),
    ]
    assert await recorded(work, said) == 2
    assert await recorded(work, said) == 0
    rows = await work.rows("select state from consent_record order by origin")
    assert [row["state"] for row in rows] == ["refused", "given"]
    assert await states(work) == {"marketing": "refused"}


def statement(subject: SubjectId, state: State, at: datetime, origin: bytes) -> Statement:
    wording, language = (None, None) if state == "withdrawn" else ("d1", "fi")
    collected = Collected("contact", "website", origin, at)
    return Statement(subject, "marketing", state, collected, wording, language)


async def recorded(work: Work, said: Sequence[Statement]) -> int:
    """How many of these statements are recorded."""
    told = {new_id(): one for one in said}
    async with work.parts.pool.acquire() as connection:
        known = await store.record(connection, told, plan_digest="p", recorded_at=NOON)
    return len(told.keys() - known)


async def test_a_withdrawal_that_names_nothing_takes_back_all_that_rests_on_consent(
    work: Work, handlers: Handlers
) -> None:
    effect = await work.do(handlers.record_contacts, [withdrawal()])
    assert await states(work) == dict.fromkeys(
        ("marketing", "networking", "dietary-needs"), "withdrawn"
    )
    assert {fact.type for fact in effect.said} == {"ConsentWithdrawn", "ConsentRecorded"}


async def test_a_withdrawal_of_what_does_not_rest_on_consent_is_a_dead_letter(
    work: Work, handlers: Handlers
) -> None:
    messages = [withdrawal("invoicing"), withdrawal("marketing", "invoicing")]
    effect = await work.do(handlers.record_contacts, messages)
    assert effect.at_fault == ["purpose_unknown"]
    assert await states(work) == {"marketing": "withdrawn"}


async def test_unknown_wordings_are_dead_letters_and_the_others_stay(
    work: Work, handlers: Handlers
) -> None:
    foreign = ConsentAnswer(purpose="marketing", given=True, wording=EMAIL)
    messages = [submitted(foreign), submitted(consent("networking"))]
    effect = await work.do(handlers.record_contacts, messages)
    assert effect.at_fault == ["wording_unknown"]
    assert await states(work) == {"networking": "given"}


async def test_an_address_that_only_the_keyring_finds_wrong_is_a_dead_letter_that_says_so(
    work: Work, handlers: Handlers
) -> None:
    wrong, right = "x@-", "right@example.org"
    effect = await work.do(
        handlers.record_contacts, [submitted(email=wrong), submitted(email=right)]
    )
    assert effect.at_fault == ["field_invalid"]
    effect = await work.do(
        handlers.record_contacts,
        [
            withdrawal("marketing", email=wrong),
            withdrawal("marketing", email=right, at=NOON + HOUR),
        ],
    )
    assert effect.at_fault == ["field_invalid"]
    assert await states(work) == {"marketing": "withdrawn"}


async def test_a_thousand_people_at_once(work: Work, handlers: Handlers) -> None:
    facts = Facts()
    messages = [submitted(email=f"p{n % 700}@example.org", facts=facts) for n in range(1000)]
    effect = await work.do(handlers.record_contacts, messages)
    assert len(effect.said) == 2 * 1000
    assert await work.value("select count(*) from consent_state") == 700
    assert await work.value("select count(*) from contact") == 700


async def test_not_even_a_superuser_changes_a_record(
    work: Work, handlers: Handlers, administrator: asyncpg.Connection[asyncpg.Record]
) -> None:
    await work.do(handlers.record_contacts, [submitted()])
    for statement in (
        "update consent_record set state = 'given'",
        "delete from consent_record",
        "truncate consent_record cascade",
    ):
        with pytest.raises(asyncpg.PostgresError, match="append only"):
            await administrator.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
            await work.rows(statement)
        assert "append only" not in str(refused.value)


async def test_nothing_personal_stands_in_tables_or_facts(
    work: Work, handlers: Handlers, administrator: asyncpg.Connection[asyncpg.Record]
) -> None:
    data = ContactSubmitted(
        contact_number="canary-number", email=EMAIL, name=NAME, consents=(consent(),)
    )
    await work.do(handlers.record_contacts, [Facts().message(data, source=WEBSITE)])
    for table in ("consent_record", "consent_state", "contact", "outbox"):
        text = await administrator.fetchval(
            f"select string_agg(t::text, '') from consent.{table} as t"  # noqa: S608 - our own names
        )
        assert text is not None
        assert "canary" not in text.lower(), table
        assert b"canary".hex() not in text, table


async def test_asking_makes_no_difference_between_unknown_and_never_asked(
    work: Work, handlers: Handlers
) -> None:
    await work.do(handlers.record_contacts, [submitted(consent("networking"))])
    async with work.parts.pool.acquire() as connection:
        known = await handlers.check(connection, EMAIL, "marketing")
        unknown = await handlers.check(connection, "nobody@example.org", "marketing")
        given = await handlers.check(connection, EMAIL.upper(), "networking")
    assert known == unknown
    assert given.may_be_used
