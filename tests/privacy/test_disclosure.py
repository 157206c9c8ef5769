"""What `disclose()` lets out, and what it writes down about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.audit import DataDisclosed, DataTransmitted, DisclosureRefused
from shared.contract.types import SubjectId
from shared.privacy import keyring
from shared.privacy.disclosure import DisclosureRequest, PersonToDisclose
from shared.privacy.errors import NotGrantedError, NotInPlanError
from shared.privacy.handover import content_digest
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.sealing import KeyWrapper
from shared.privacy.values import ToSeal
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.secrets import SecretsFolder
from tests.privacy.conftest import NOW, Connect, SpokenTransaction
from tests.privacy.disclosing import CONTACT, CONTEXT, EVENT, HEARD, person, reasons, to_caterer

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PrivacyOf = Callable[[str], Privacy]


async def test_the_recipient_gets_the_fields_asked_for_and_nothing_else(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    disclosure = await privacy.disclose(tx, to_caterer(await person(privacy, tx)))
    ((_, content),) = disclosure.released
    assert content.reveal() == {"contact.name": "Äijä Canary", "diet.text": "no nuts (canary)"}


async def test_each_person_has_exactly_one_entry_whether_released_or_refused(
    privacy: Privacy, tx: SpokenTransaction, plan: Plan
) -> None:
    released = await person(privacy, tx)
    refused = replace(await person(privacy, tx), refusal="objected")
    disclosure = await privacy.disclose(tx, to_caterer(released, refused))
    (first, key, subject), (second, _, _) = tx.said
    assert key is None
    assert subject == released.subject_id
    assert isinstance(first, DataDisclosed)
    assert first.model_dump(exclude={"content_digest"}) == {
        "at": NOW,
        "actor": "cli:operator",
        "plan_digest": plan.digest,
        "service": "registration",
        "disclosure_id": disclosure.id,
        "subject_id": released.subject_id,
        "recipient": "caterer",
        "purpose": "dietary-needs",
        "legal_basis": "explicit-consent",
        "categories": ("contact", "diet"),
        "fields": ("contact.name", "diet.text"),
        "event_id": EVENT,
    }
    assert isinstance(second, DisclosureRefused)
    assert (second.subject_id, second.reason) == (refused.subject_id, "objected")
    assert disclosure.refused == [(refused.subject_id, "objected")]


async def test_a_processor_is_sent_data_and_not_disclosed_it(
    privacy: Privacy, tx: SpokenTransaction, plan: Plan, secrets_folder: SecretsFolder
) -> None:
    caterer = plan.recipients["caterer"].model_copy(update={"role": "processor"})
    changed = plan.model_copy(update={"recipients": {**plan.recipients, "caterer": caterer}})
    as_processor = Privacy.open(
        changed,
        secrets_folder,
        service="registration",
        wrappers=KeyWrappers.of(secrets_folder.key_encryption_keys().values()),
    )
    await as_processor.disclose(tx, to_caterer(await person(privacy, tx)))
    assert [type(entry) for entry, _, _ in tx.said] == [DataTransmitted]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"purpose": "transport"}, "purpose-not-of-recipient"),
        ({"fields": ("contact.email",)}, "field-not-of-recipient"),
        ({"purpose": "catering", "fields": ("diet.text",)}, "field-not-of-purpose"),
        ({"event_recipients": frozenset({"hotel"})}, "recipient-not-designated"),
        ({"event_id": None}, "recipient-not-designated"),
    ],
)
async def test_what_plan_or_event_do_not_allow_is_refused_for_everyone(
    privacy: Privacy, tx: SpokenTransaction, change: dict[str, object], reason: str
) -> None:
    people = [await person(privacy, tx), await person(privacy, tx)]
    request = replace(to_caterer(*people), **change)  # type: ignore[arg-type]  # fields of many types
    disclosure = await privacy.disclose(tx, request)
    assert disclosure.released == []
    assert reasons(tx) == [reason, reason]


@pytest.mark.parametrize("consented", [False, None])
async def test_without_a_consent_that_stands_nothing_goes_on_a_purpose_that_rests_on_it(
    privacy: Privacy, tx: SpokenTransaction, consented: bool | None
) -> None:
    await privacy.disclose(tx, to_caterer(await person(privacy, tx, consented=consented)))
    assert reasons(tx) == ["consent-missing"]


async def test_a_purpose_that_rests_on_contract_asks_for_no_consent(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    request = replace(
        to_caterer(await person(privacy, tx, consented=None)),
        purpose="catering",
        fields=("contact.name",),
    )
    assert len((await privacy.disclose(tx, request)).released) == 1


async def test_of_a_person_no_more_goes_than_is_said_to_have_been_released(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    shares = {"name": "A", "email": "a@example.org"}
    some = replace(
        await person(privacy, tx, networking=shares),
        fields=frozenset({"networking.name", "contact.email"}),
    )
    none = replace(await person(privacy, tx, networking=shares), fields=frozenset())
    request = DisclosureRequest(
        recipient="participants",
        purpose="networking",
        fields=("networking.name", "networking.email"),
        people=(some, none),
        actor="cli:operator",
        event_id=EVENT,
        event_recipients=frozenset({"participants"}),
        log_ends=HEARD,
    )
    disclosure = await privacy.disclose(tx, request)
    assert [content.reveal() for _, content in disclosure.released] == [{"networking.name": "A"}]
    assert reasons(tx) == ["no-data"]
    assert [e.fields for e, _, _ in tx.said if isinstance(e, DataDisclosed)] == [
        ("networking.name",)
    ]


async def test_who_has_nothing_to_give_and_whose_key_is_destroyed_is_refused(
    privacy: Privacy, tx: SpokenTransaction, connect: Connect
) -> None:
    gone = await person(privacy, tx)
    empty = await person(privacy, tx, contact={"email": "a@example.org", "name": ""})
    retention = await connect("retention")
    await keyring.destroy_keys(retention, [(gone.subject_id, "diet", None)], cut_off=NOW)
    await privacy.disclose(tx, to_caterer(gone, empty))
    assert reasons(tx) == ["key-destroyed", "no-data"]


@pytest.mark.parametrize(
    "change",
    [{"recipient": "canary"}, {"purpose": "canary"}, {"fields": ("canary.x",)}, {"fields": ()}],
)
async def test_names_that_the_plan_lacks_are_an_error_that_does_not_repeat_them(
    privacy: Privacy, tx: SpokenTransaction, change: dict[str, object]
) -> None:
    request = replace(to_caterer(), **change)  # type: ignore[arg-type]  # fields of many types
    with pytest.raises(NotInPlanError) as error:
        await privacy.disclose(tx, request)
    assert "canary" not in str(error.value)
    assert tx.said == []


async def test_a_person_asked_for_twice_is_a_mistake(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    one = await person(privacy, tx)
    with pytest.raises(ValueError, match="once"):
        await privacy.disclose(tx, to_caterer(one, one))


async def test_a_service_that_may_not_open_the_categories_discloses_nothing(
    privacy: Privacy, privacy_of: PrivacyOf, tx: SpokenTransaction, connect: Connect
) -> None:
    one = await person(privacy, tx)
    finance = SpokenTransaction(await connect("finance"))
    with pytest.raises(NotGrantedError):
        await privacy_of("finance").disclose(finance, to_caterer(one))
    assert finance.said == []


async def test_the_handover_is_sealed(
    privacy: Privacy, tx: SpokenTransaction, administrator: Connection
) -> None:
    people = [await person(privacy, tx), await person(privacy, tx)]
    await privacy.disclose(tx, to_caterer(*people))
    values = await administrator.fetch("select * from registration.handover_value")
    assert len(values) == 4
    assert all(b"canary" not in row["sealed"].lower() for row in values)


async def test_what_is_disclosed_together_leaves_together(
    privacy: Privacy, tx: SpokenTransaction, administrator: Connection
) -> None:
    one = await person(privacy, tx)
    second = replace(to_caterer(one), purpose="catering", fields=("contact.name",))
    first, _ = await privacy.disclose_together(tx, [to_caterer(one), second])
    left = await administrator.fetch("select delivery_id from registration.handover")
    assert [row["delivery_id"] for row in left] == [first.id, first.id]


async def test_where_nobody_is_released_nothing_waits_for_delivery(
    privacy: Privacy, tx: SpokenTransaction, administrator: Connection
) -> None:
    refused = replace(await person(privacy, tx), refusal="restricted")
    await privacy.disclose(tx, to_caterer(refused))
    assert await administrator.fetchval("select count(*) from registration.handover") == 0


async def test_what_left_can_be_proven_as_long_as_all_its_keys_live(
    plan: Plan, tx: SpokenTransaction, administrator: Connection
) -> None:
    wrapper = KeyWrapper(b"k" * 32)
    privacy = Privacy(
        plan,
        service="registration",
        wrappers=KeyWrappers.of([b"k" * 32]),
        peppers=[bytes(32)],
        reference_key=bytes(32),
    )
    one = await person(privacy, tx)
    disclosure = await privacy.disclose(tx, to_caterer(one))
    rows = await administrator.fetch(
        "select key_id, wrapped from keyring.data_key order by category"
    )
    keys = [wrapper.unwrap(row["key_id"].bytes, row["wrapped"]) for row in rows]
    ((_, content),) = disclosure.released
    entry = tx.said[0][0]
    assert isinstance(entry, DataDisclosed)
    proof = content_digest(keys, disclosure.id, one.subject_id, content.reveal())
    assert entry.content_digest == proof
    guessed = content_digest(keys[:1], disclosure.id, one.subject_id, content.reveal())
    assert entry.content_digest != guessed


async def test_five_thousand_people_are_one_call(
    privacy: Privacy, tx: SpokenTransaction, administrator: Connection
) -> None:
    subjects = [SubjectId(uuid4()) for _ in range(5_000)]
    contacts = await privacy.seal(
        tx.connection, [ToSeal(who, "contact", CONTEXT, dict(CONTACT)) for who in subjects], at=NOW
    )
    diets = await privacy.seal(
        tx.connection, [ToSeal(who, "diet", CONTEXT, {"text": "x"}) for who in subjects], at=NOW
    )
    people = [
        PersonToDisclose(who, {"contact": contact, "diet": diet}, consented=True)
        for who, contact, diet in zip(subjects, contacts, diets, strict=True)
        if contact and diet
    ]
    calls = CountedConnection(tx.connection)
    disclosure = await privacy.disclose(SpokenTransaction(calls, said=tx.said), to_caterer(*people))  # type: ignore[arg-type]  # counts calls
    assert [subject for subject, _ in disclosure.released] == subjects
    assert len(tx.said) == 5_000
    assert calls.statements == 4
    assert (
        await administrator.fetchval("select count(*) from registration.handover_value") == 10_000
    )


class CountedConnection:
    """Passes everything on and counts statements."""

    def __init__(self, connection: object) -> None:
        self._connection = connection
        self.statements = 0

    def __getattr__(self, name: str) -> object:
        if name in {"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor"}:
            self.statements += 1
        return getattr(self._connection, name)


async def test_nothing_of_a_person_is_in_entries_or_representations(
    privacy: Privacy, tx: SpokenTransaction
) -> None:
    disclosure = await privacy.disclose(tx, to_caterer(await person(privacy, tx)))
    written: Sequence[str] = [
        repr(disclosure),
        str(disclosure),
        json.dumps([entry.model_dump_json() for entry, _, _ in tx.said]),
    ]
    assert all("canary" not in text.lower() for text in written)
