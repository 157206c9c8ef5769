"""The answers of a registration are corrected: what is kept is opened, merged and sealed again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.registration import store
from services.registration.domain.consents import Consent
from services.registration.domain.forms import (
    Agreed,
    Content,
    Form,
    FormFault,
    Kept,
    merge,
    read_changes,
    refill,
)
from services.registration.handlers.addresses import (
    CONTACT,
    KnownBy,
    add_addresses,
    address_of,
)
from services.registration.handlers.desk import Desk, Request, accept
from services.registration.handlers.lookup import Found, agreed_to, look_up
from services.registration.handlers.waiting import condemn
from shared.contract.inbound import RegistrationChanged
from shared.contract.message import Fault
from shared.contract.registration import ParticipantUpdated
from shared.contract.types import Sealed, SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.values import ToOpen, ToSeal


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change of one registration, and what its categories come to hold."""

    found: Found[RegistrationChanged]
    form: Form
    agreed: Agreed
    kept: Kept
    merged: Content = field(default_factory=dict)
    personal: dict[str, Sealed] = field(default_factory=dict)

    def as_of(self, category: str) -> datetime:
        """When what the category holds came about. What rests on a yes came with it: once its key
        is destroyed, a correction makes no new one.
        """
        if self.form.rests_on_agreement(category):
            return self.found.registration.collected_at
        return self.found.request.said_at


async def change(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[RegistrationChanged]],
    held: Collection[bytes],
    known_by: Collection[KnownBy] = (),
) -> None:
    """Correct answers, no registration twice. `held` is for `look_up`; `known_by` are corrected
    addresses that lead to their people already.
    """
    edits: list[_Edit] = []
    faults: list[tuple[Request[RegistrationChanged], Fault]] = []
    named = await look_up(desk, tx, requests, held)
    people = [found.registration.subject_id for found in named]
    consents = await store.consents_of(tx.connection, people, list(desk.purposes))
    for found in named:
        edit = _read(desk, tx, found, consents)
        if isinstance(edit, FormFault):
            faults.append((found.request, Fault(edit.reason, edit.detail)))
        elif edit is not None:
            edits.append(edit)
    await condemn(desk, tx, faults)
    if not edits:
        return
    await _merge(desk, tx, edits)
    await _seal(desk, tx, edits)
    await add_addresses(desk, tx, [one for one in _corrected(edits) if one not in known_by])
    await store.change_registrations(
        tx.connection,
        [(edit.found.registration.id, edit.personal, edit.found.request.said_at) for edit in edits],
    )
    for edit in edits:
        _say(tx, edit)


def _read(
    desk: Desk,
    tx: Transaction,
    found: Found[RegistrationChanged],
    consents: Mapping[tuple[SubjectId, str], Consent],
) -> _Edit | FormFault | None:
    """What of the change is kept, or what is wrong with it; None where nothing is kept."""
    row = found.registration
    form = desk.form(found.event, row.source)
    agreed = agreed_to(desk, row, consents)
    kept = read_changes(form, found.request.data.answers, agreed)
    if isinstance(kept, FormFault):
        return kept
    tx.dropped(kept.dropped)
    if not kept.content:
        accept(tx, found.request)
        return None
    return _Edit(found, form, agreed, kept, personal=dict(row.personal))


async def _merge(desk: Desk, tx: Transaction, edits: Sequence[_Edit]) -> None:
    """Changes over what is kept. A category that this service may seal but not open (marketing)
    is filled again from the same inputs.
    """
    to_open: dict[str, list[tuple[_Edit, str]]] = {}
    for edit in edits:
        for category, changes in edit.kept.content.items():
            purpose = edit.kept.purposes[category]
            if category not in edit.personal:
                edit.merged[category] = merge({}, changes)
            elif desk.may_open(category, purpose):
                to_open.setdefault(purpose, []).append((edit, category))
    for purpose, items in to_open.items():
        opened = await desk.privacy.amend(
            tx.connection,
            purpose,
            [
                ToOpen(
                    edit.found.registration.subject_id,
                    category,
                    edit.personal[category],
                )
                for edit, category in items
            ],
        )
        for (edit, category), value in zip(items, opened, strict=True):
            content = {} if value is None else value.reveal()
            edit.merged[category] = merge(content, edit.kept.content[category])
    for edit in edits:
        for category in edit.kept.content.keys() - edit.merged.keys():
            edit.merged[category] = refill(edit.form, category, edit.merged, edit.agreed)


async def _seal(desk: Desk, tx: Transaction, edits: Sequence[_Edit]) -> None:
    """Nothing is left of a category that became empty, or whose key is destroyed."""
    for edit in edits:
        for category in edit.merged:
            edit.personal.pop(category, None)
    items = [
        (edit, category) for edit in edits for category, content in edit.merged.items() if content
    ]
    sealed = await desk.privacy.seal(
        tx.connection,
        [
            ToSeal(
                edit.found.registration.subject_id,
                category,
                desk.context(category, edit.found.event.id),
                edit.merged[category],
                edit.as_of(category),
            )
            for edit, category in items
        ],
        at=tx.now,
    )
    for (edit, category), value in zip(items, sealed, strict=True):
        if value is not None:
            edit.personal[category] = value


def _corrected(edits: Sequence[_Edit]) -> Iterator[KnownBy]:
    """The addresses that the corrections have made those by which people are known."""
    for edit in edits:
        changed = edit.kept.content.get(CONTACT, {}).keys()
        if changed.isdisjoint(("email", "phone")) or CONTACT not in edit.personal:
            continue
        address = address_of(edit.merged[CONTACT])
        if address is not None:
            yield edit.found.registration.subject_id, address


def _say(tx: Transaction, edit: _Edit) -> None:
    """Also of who is on the waiting list: they may never get a place, and are written to too."""
    row, request = edit.found.registration, edit.found.request
    tx.say(
        ParticipantUpdated(
            registration_id=row.id,
            subject_id=row.subject_id,
            event=edit.found.event.state(),
            language=row.language,
            source=row.source,
            personal=edit.personal,
            consents=row.consents,
            updated_at=request.said_at,
            collected_at=row.collected_at,
        ),
        key=row.subject_id,
        subject=row.subject_id,
        because=request.message,
    )
    accept(tx, request)
