"""People whose data is disclosed in tests, and who asks for it."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from shared.contract.audit import DisclosureRefused
from shared.contract.retention import ObjectionRecorded, ProcessingRestricted, RestrictionLifted
from shared.contract.types import EventId, SubjectId
from shared.privacy.disclosure import DisclosureRequest, PersonToDisclose
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToSeal
from shared.runtime.log_ends import LogEnds
from tests.privacy.conftest import NOW, SpokenTransaction

EVENT = EventId(uuid4())
CONTEXT = f"event:{EVENT}"
HEARD: LogEnds = {"inbound.registrations": {}, "retention": {}, "consent": {}}
"""Nothing was said to these topics that this service could have missed."""

CONTACT = {"name": "Äijä Canary", "email": "canary@example.org", "phone": "+358401234567"}


async def person(
    privacy: Privacy, tx: SpokenTransaction, *, consented: bool | None = True, **categories: object
) -> PersonToDisclose:
    """Somebody with contact data and a diet, or what is given."""
    who = SubjectId(uuid4())
    given = categories or {"contact": CONTACT, "diet": {"text": "no nuts (canary)"}}
    items = [
        ToSeal(who, category, CONTEXT, dict(content))
        for category, content in given.items()
        if isinstance(content, dict)
    ]
    sealed = await privacy.seal(tx.connection, items, at=NOW)
    values = {item.category: value for item, value in zip(items, sealed, strict=True) if value}
    return PersonToDisclose(who, values, consented=consented)


def to_caterer(*people: PersonToDisclose) -> DisclosureRequest:
    return DisclosureRequest(
        recipient="caterer",
        purpose="dietary-needs",
        fields=("contact.name", "diet.text"),
        people=people,
        actor="cli:operator",
        event_id=EVENT,
        event_recipients=frozenset({"caterer"}),
        log_ends=HEARD,
    )


def reasons(tx: SpokenTransaction) -> list[str]:
    return [entry.reason for entry, _, _ in tx.said if isinstance(entry, DisclosureRefused)]


def objected(person: PersonToDisclose, purpose: str = "dietary-needs") -> ObjectionRecorded:
    return ObjectionRecorded(subject_id=person.subject_id, purpose=purpose, at=NOW)


def restricted(person: PersonToDisclose, at: datetime = NOW) -> ProcessingRestricted:
    return ProcessingRestricted(subject_id=person.subject_id, at=at)


def lifted(person: PersonToDisclose, at: datetime = NOW) -> RestrictionLifted:
    return RestrictionLifted(subject_id=person.subject_id, at=at)
