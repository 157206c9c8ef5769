"""Whoever is written to at an address can say no by it: a corrected address leads to its person.

An address may be another's, who is just being made known by it: then one waits for that. So it is
done before an event is held, as far as it can be known then; what is left is done with the
correction itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from services.registration import store
from services.registration.domain.events import change_refusal
from services.registration.domain.forms import Kept, read_changes
from services.registration.handlers.desk import OF_EVENT, Desk, Request
from services.registration.handlers.lookup import agreed_to
from shared.contract.inbound import CancellationRequested, RegistrationChanged
from shared.contract.message import Message
from shared.contract.types import SubjectId
from shared.messaging.places import key_of
from shared.messaging.unit_of_work import Transaction
from shared.privacy.errors import AliasError
from shared.privacy.subjects import Alias, written

KnownBy: TypeAlias = tuple[SubjectId, Alias]
"""Somebody, and an address or telephone number that stands for them."""

CONTACT: Final = "contact"


def address_of(contact: Mapping[str, JsonValue]) -> Alias | None:
    """By what somebody with these contact data is known: the e-mail, else the telephone number."""
    email, phone = contact.get("email"), contact.get("phone")
    if isinstance(email, str):
        return Alias("email", email)
    return Alias("phone", phone) if isinstance(phone, str) else None


async def add_foreseen(
    desk: Desk, tx: Transaction, messages: Sequence[Message[Any]]
) -> frozenset[KnownBy]:
    """Let the e-mail addresses that registrations are about to be corrected to in a batch lead to
    their people; those that do. Nothing is locked yet, nothing is said.

    An address goes on leading to somebody, so a correction is read as it will be under the lock,
    and one that the batch may come to decline or park is left for that. A telephone number counts
    where there is no e-mail, which only who opens the data knows.
    """
    asked = _alone(desk, messages)
    if not asked:
        return frozenset()
    rows = await store.registrations_by_reference(
        tx.connection, [request.reference for request in asked]
    )
    events = await store.events_by_id(tx.connection, {row.event_id for row in rows.values()})
    people = [row.subject_id for row in rows.values()]
    consents = await store.consents_of(tx.connection, people, list(desk.purposes))
    changing = _changing(desk, messages)
    foreseen = []
    for request in asked:
        row = rows.get(request.reference)
        if row is None or row.status == "cancelled":
            continue
        known = events[row.event_id]
        if known.reference in changing or change_refusal(known.event, request.at) is not None:
            continue
        form = desk.form(known.event, row.source)
        kept = read_changes(form, request.data.answers, agreed_to(desk, row, consents))
        email = kept.content.get(CONTACT, {}).get("email") if isinstance(kept, Kept) else None
        if isinstance(email, str):
            foreseen.append((row.subject_id, Alias("email", email)))
    return await add_addresses(desk, tx, foreseen)


def _alone(desk: Desk, messages: Sequence[Message[Any]]) -> list[Request[RegistrationChanged]]:
    """The corrections that may hold an e-mail address and have nothing in the batch that could keep
    them from being done: no message of their key, behind which they would be parked, and nobody who
    takes the registration back, which is handled first.
    """
    changes = [
        message
        for message in messages
        if type(message.data) is RegistrationChanged and _may_hold_email(message.data.answers)
    ]
    if not changes:
        return []
    of_key = Counter(key_of(one.record) for one in messages)
    of_key[None] = 1  # they have no order to keep, and nothing is parked behind them
    taken_back = {
        desk.request(one).reference for one in messages if type(one.data) is CancellationRequested
    }
    return [
        request
        for request in desk.requests(changes)
        if of_key[key_of(request.message.record)] == 1 and request.reference not in taken_back
    ]


def _changing(desk: Desk, messages: Sequence[Message[Any]]) -> set[bytes]:
    """The references of the events that the batch announces or cancels."""
    return {
        desk.event_reference(message.data.event_number)
        for message in messages
        if type(message.data) in OF_EVENT
    }


def _may_hold_email(answers: Mapping[str, JsonValue]) -> bool:
    """Which answer is one, only the event's form tells; most corrections have none at all."""
    return any(isinstance(value, str) and "@" in value for value in answers.values())


async def add_addresses(
    desk: Desk, tx: Transaction, known_by: Iterable[KnownBy]
) -> frozenset[KnownBy]:
    """Let each address stand for the person too; those that do now. Nobody can come by an address
    that is none, whatever the form let pass.
    """
    right = [one for one in dict.fromkeys(known_by) if is_alias(desk, one[1])]
    added = await desk.privacy.people.add(tx.connection, right)
    return frozenset(one for one, does in zip(right, added, strict=True) if does)


def is_alias(desk: Desk, alias: Alias) -> bool:
    """Whether anybody can be known by it."""
    try:
        written(alias, region=desk.plan.organisation.region)
    except AliasError:
        return False
    return True
