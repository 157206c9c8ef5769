"""What a person gave for an event, for a member of staff who needs to know it for a purpose."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from services.registration import store
from services.registration.domain.events import Event
from services.registration.handlers.desk import SERVICE, Desk
from shared.messaging.unit_of_work import Transaction
from shared.privacy.subjects import Person
from shared.privacy.values import ToOpen


def readable(desk: Desk) -> dict[str, frozenset[str]]:
    """Purposes that staff may read data for, with its categories: what a duty reads and this
    service opens. Not what rests on consent: whether one stands, `disclose()` asks.
    """
    plan = desk.plan
    duties = {category for duty in plan.duties.values() for category in duty.reads}
    granted = plan.services[SERVICE].grants
    return {
        purpose: frozenset(categories) & duties
        for purpose, categories in granted.items()
        if not plan.purposes[purpose].needs_consent and duties.intersection(categories)
    }


async def read_answers(
    desk: Desk, tx: Transaction, event: Event, person: Person, purpose: str, actor: str
) -> dict[str, JsonValue] | None:
    """Field names to values, in clear. Commit before they are shown: the log has them first.

    None where the person has no registration for the event.
    """
    rows = await store.registrations_of(tx.connection, event.id, person)
    # Who cancelled and came again is there twice: what stands counts, else what was last.
    standing = [row for row in rows if row.status != "cancelled"]
    items = [
        ToOpen(row.subject_id, category, row.personal[category], row.collected_at)
        for row in standing or rows[-1:]
        for category in sorted(readable(desk)[purpose] & row.personal.keys())
    ]
    opened = await desk.privacy.show(tx, purpose, items, actor=actor)
    shown: dict[str, JsonValue] = {}
    for item, value in zip(items, opened, strict=True):
        content: Mapping[str, JsonValue] = {} if value is None else value.reveal()
        shown |= {f"{item.category}.{name}": answer for name, answer in content.items()}
    return shown if rows else None
