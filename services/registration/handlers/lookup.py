"""Registrations that changes and cancellations name, what was agreed to in them, and what happens
to those that are unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.registration import store
from services.registration.domain.consents import Consent, taken_back
from services.registration.domain.events import Event, change_refusal
from services.registration.domain.forms import Agreed
from services.registration.handlers.desk import About, Desk, Request, accept, decline
from services.registration.handlers.waiting import Waits, keep_waiting
from shared.contract.inbound import CancellationRequested, RegistrationChanged
from shared.contract.types import EventId, SubjectId
from shared.messaging.unit_of_work import Transaction

F = TypeVar("F", RegistrationChanged, CancellationRequested)


@dataclass(frozen=True, slots=True)
class Found(Generic[F]):
    """A request, the registration that it names, and the event of that."""

    request: Request[F]
    registration: store.Registration
    event: Event


def agreed_to(
    desk: Desk, row: store.Registration, consents: Mapping[tuple[SubjectId, str], Consent]
) -> Agreed:
    """What the person agreed to in the registration; and what of that was taken back since, by what
    they have said of each purpose that this service opens data for.
    """
    gone = taken_back(consents, row.subject_id, desk.purposes, row.collected_at)
    return Agreed.of(row.consents, row.share_fields, gone)


async def look_up(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[F]],
    held: Collection[bytes],
) -> list[Found[F]]:
    """The requests that can be done. The others are declined here, or wait here.

    `held` are the events that are locked, by their references.
    """
    rows, events = await _known(tx, requests)
    # A registration may have come in another partition since it was looked which events to hold, or
    # be for another event than the one it waited for first. Whoever gives a place back without
    # holding the event would write over what is counted there.
    while more := {e.reference for e in events.values()}.difference(held):
        tx.begin_again()
        await store.lock_events(tx.connection, more)
        held = more.union(held)
        rows, events = await _known(tx, requests)
    unknown = [request for request in requests if request.reference not in rows]
    if unknown:
        await _await_registration(desk, tx, unknown)
    return [
        found
        for request in requests
        if request.reference in rows
        and (found := _judge(tx, request, rows[request.reference], events)) is not None
    ]


async def _known(
    tx: Transaction, requests: Sequence[Request[F]]
) -> tuple[Mapping[bytes, store.Registration], Mapping[EventId, store.KnownEvent]]:
    """The registrations that are named, as far as there are any, and their events."""
    references = [request.reference for request in requests]
    rows = await store.registrations_by_reference(tx.connection, references)
    events = await store.events_by_id(tx.connection, {row.event_id for row in rows.values()})
    return rows, events


def _judge(
    tx: Transaction,
    request: Request[F],
    row: store.Registration,
    events: Mapping[EventId, store.KnownEvent],
) -> Found[F] | None:
    found = Found(request, row, events[row.event_id].event)
    is_cancellation = isinstance(request.data, CancellationRequested)
    if is_cancellation and row.cancelled_by == "person":
        accept(tx, request)  # taken back before: nothing more happens
        return None
    reason = change_refusal(found.event, request.at)
    if reason is None and row.status == "cancelled":
        reason = "registration_cancelled"
    if reason is None:
        return found
    decline(tx, request, reason, About(row.event_id, row.id, row.subject_id))
    return None


async def _await_registration(desk: Desk, tx: Transaction, requests: Sequence[Request[F]]) -> None:
    """A registration that itself waits for its event takes its followers along; one that was
    declined has none; any other may still come.
    """
    references = [request.reference for request in requests]
    whereabouts = await store.whereabouts(tx.connection, references)
    waiting = []
    for request in requests:
        if request.reference not in whereabouts:
            waiting.append(Waits(request, registration=request.reference))
        elif (event := whereabouts[request.reference]) is not None:
            waiting.append(Waits(request, event=event))
        else:
            decline(tx, request, "registration_unknown", About())
    await keep_waiting(desk, tx, waiting)
