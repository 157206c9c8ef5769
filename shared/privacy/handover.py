"""What a disclosure releases: opened, proven, and left sealed for its delivery."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson
from pydantic import JsonValue

from shared.contract.types import DisclosureId
from shared.privacy.disclosure import (
    DisclosureRequest,
    Outcome,
    PersonToDisclose,
    Release,
    Scribe,
    Transaction,
    category_of,
    wanted_fields,
)
from shared.privacy.keyring import OpeningKey
from shared.privacy.opening import open_item
from shared.privacy.values import ToOpen
from shared.runtime.database import queries

TRY_LASTS: Final = timedelta(minutes=1)
"""So long whoever tries to deliver something has it to themselves."""

_sql = queries("queries.sql", __file__)


def release(
    request: DisclosureRequest,
    person: PersonToDisclose,
    keys: Mapping[bytes, OpeningKey],
    disclosure_id: UUID,
) -> Outcome:
    """Open what of this person may go, or say why there is nothing. SealError as `use()`."""
    fields = wanted_fields(request, person)
    content: dict[str, JsonValue] = {}
    used: list[bytes] = []
    for category in sorted({category_of(field) for field in fields} & person.sealed.keys()):
        opened = open_item(keys, ToOpen(person.subject_id, category, person.sealed[category]))
        if opened is None:
            return "key-destroyed"
        given = {
            field: opened.content[field.partition(".")[2]]
            for field in fields
            if category_of(field) == category
            and opened.content.get(field.partition(".")[2]) not in (None, "")
        }
        if given:
            content |= given
            used.append(opened.key)
    if not content:
        return "no-data"
    digest = content_digest(used, disclosure_id, person.subject_id, content)
    return Release(person, content, digest)


def content_digest(
    keys: Sequence[bytes],
    disclosure_id: UUID,
    subject_id: UUID,
    content: Mapping[str, JsonValue],
) -> str:
    """HMAC-SHA256, hex, of what left, under a salt made of every data key that it was opened with.

    `keys` in the order of their categories. The salt is gone with the first of the keys: the digest
    of a diet and a name must not let anyone who still has the name's key guess the diet.
    """
    salt = hmac.digest(b"steward disclosure digest", b"".join(keys), "sha256")
    written = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hmac.digest(salt, disclosure_id.bytes + subject_id.bytes + written, "sha256").hex()


async def leave(
    tx: Transaction, scribe: Scribe, outcomes: Sequence[Outcome], *, delivery_id: DisclosureId
) -> None:
    """Write the handover, with the values as sealed as they came. Nothing where nobody is in it.

    `delivery_id` is the first of the disclosures that leave together.
    """
    released = [outcome for outcome in outcomes if isinstance(outcome, Release)]
    if not released:
        return
    values = [
        (one.person, category, " ".join(fields))
        for one in released
        for category, fields in _by_category(one.fields).items()
    ]
    request = scribe.request
    await _sql.leave_handover(
        tx.connection,
        disclosure_id=scribe.disclosure_id,
        recipient=request.recipient,
        purpose=request.purpose,
        event_id=request.event_id,
        fields=sorted(set(request.fields)),
        people=len(released),
        actor=request.actor,
        plan_digest=scribe.plan.digest,
        request_reference=request.request_reference,
        delivery_id=delivery_id,
        way=request.way,
        # Who discloses delivers as soon as this is committed. Should that process die, others do.
        next_try_at=tx.now + TRY_LASTS,
        now=tx.now,
        subject_ids=[person.subject_id for person, _, _ in values],
        categories=[category for _, category, _ in values],
        value_fields=[fields for _, _, fields in values],
        sealed=[person.sealed[category] for person, category, _ in values],
        registration_ids=[person.registration_id for person, _, _ in values],
    )


def _by_category(fields: Sequence[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name in fields:
        grouped.setdefault(category_of(name), []).append(name)
    return grouped
