"""Whoever is written to at an address can say no by it: a corrected address leads to its person.

An address may be another's, who is just being made known by it: then one waits for that. So it is
done before an event is held, as far as it can be known then; what is left is done with the
correction itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from pydantic import JsonValue

from services.registration import store
from services.registration.domain.events import change_refusal
from services.registration.domain.forms import Agreed, Kept, read_changes
from services.registration.handlers.desk import Desk, Request
from shared.contract.inbound import RegistrationChanged
from shared.contract.types import SubjectId
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
    desk: Desk, tx: Transaction, changes: Sequence[Request[RegistrationChanged]]
) -> frozenset[KnownBy]:
    """Let the e-mail addresses that registrations are about to be corrected to lead to their
    people; those that do. Nothing is locked yet, nothing is said.

    A telephone number counts where there is no e-mail, which only who opens the data knows.
    """
    asked = [request for request in changes if _may_hold_email(request.data.answers)]
    if not asked:
        return frozenset()
    rows = await store.registrations_by_reference(
        tx.connection, [request.reference for request in asked]
    )
    events = await store.events_by_id(tx.connection, {row.event_id for row in rows.values()})
    foreseen = []
    for request in asked:
        row = rows.get(request.reference)
        if row is None or row.status == "cancelled":
            continue
        event = events[row.event_id].event
        if change_refusal(event, request.at) is not None:
            continue
        kept = read_changes(desk.form(event, row.source), request.data.answers, Agreed())
        email = kept.content.get(CONTACT, {}).get("email") if isinstance(kept, Kept) else None
        if isinstance(email, str):
            foreseen.append((row.subject_id, Alias("email", email)))
    return await add_addresses(desk, tx, foreseen)


def _may_hold_email(answers: Mapping[str, JsonValue]) -> bool:
    """Which answer is one, only the event's form tells; most corrections have none at all."""
    return any(isinstance(value, str) and "@" in value for value in answers.values())


async def add_addresses(
    desk: Desk, tx: Transaction, known_by: Iterable[KnownBy]
) -> frozenset[KnownBy]:
    """Let each address stand for the person too; those that do now. Nobody can come by an address
    that is none, whatever the form let pass.
    """
    right = [one for one in dict.fromkeys(known_by) if _is_address(desk, one[1])]
    added = await desk.privacy.people.add(tx.connection, right)
    return frozenset(one for one, does in zip(right, added, strict=True) if does)


def _is_address(desk: Desk, alias: Alias) -> bool:
    try:
        written(alias, region=desk.plan.organisation.region)
    except AliasError:
        return False
    return True
