"""One method for each type of request: what a batch of its messages leads to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from services.registration import store
from services.registration.handlers.addresses import add_foreseen
from services.registration.handlers.backlog import work_off
from services.registration.handlers.desk import Desk
from services.registration.handlers.events import cancel_events, offer_events
from services.registration.handlers.followups import follow_up
from services.registration.handlers.ready import MadeReady, make_all_ready
from services.registration.handlers.submit import submit
from shared.contract.inbound import (
    CancellationRequested,
    EventAnnounced,
    EventCancellationRequested,
    RegistrationChanged,
    RegistrationSubmitted,
)
from shared.contract.message import Message
from shared.messaging.unit_of_work import Transaction

_FOLLOW_UPS: Final = frozenset({RegistrationChanged, CancellationRequested})


class Handlers:
    """The use cases, with the plan and the doors to personal data that they need."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def prepare(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Before a batch: do what needs no lock; then hold every event that it is about, known or
        not.
        """
        submitted = [one for one in messages if type(one.data) is RegistrationSubmitted]
        announced = [one for one in messages if type(one.data) is EventAnnounced]
        taken_back = [one for one in messages if type(one.data) is CancellationRequested]
        known_by = await add_foreseen(self._desk, tx, messages)
        made = await make_all_ready(
            self._desk,
            tx,
            self._desk.requests(submitted),
            self._desk.requests(announced),
            self._desk.requests(taken_back),
        )
        held = await self._lock_events(tx, messages)
        tx.made_ready = replace(made, known_by=known_by, held=held)

    async def _lock_events(
        self, tx: Transaction, messages: Sequence[Message[Any]]
    ) -> Collection[bytes]:
        references: set[bytes] = set()
        registrations = []
        for message in messages:
            if type(message.data) in _FOLLOW_UPS:
                registrations.append(self._desk.request(message).reference)
            else:
                references.add(self._desk.event_reference(message.data.event_number))
        references |= await store.events_of_registrations(tx.connection, registrations)
        await store.lock_events(tx.connection, references)
        return references

    async def announce(self, tx: Transaction, messages: Sequence[Message[EventAnnounced]]) -> None:
        """Open and change events, and handle what waited for those that are new."""
        made: MadeReady = tx.made_ready
        opened = await offer_events(self._desk, tx, self._desk.requests(messages), made.event_ids)
        await work_off(self._desk, tx, opened, made)

    async def submit(
        self, tx: Transaction, messages: Sequence[Message[RegistrationSubmitted]]
    ) -> None:
        """Register people."""
        made: MadeReady = tx.made_ready
        requests = [made.request(self._desk, message) for message in messages]
        await submit(self._desk, tx, requests, made)

    async def change(
        self, tx: Transaction, messages: Sequence[Message[RegistrationChanged]]
    ) -> None:
        """Correct the answers of registrations."""
        made: MadeReady = tx.made_ready
        await follow_up(self._desk, tx, self._desk.requests(messages), made.held, made.known_by)

    async def take_back(
        self, tx: Transaction, messages: Sequence[Message[CancellationRequested]]
    ) -> None:
        """Cancel registrations for the people who made them."""
        made: MadeReady = tx.made_ready
        await follow_up(self._desk, tx, self._desk.requests(messages), made.held)

    async def cancel_events(
        self, tx: Transaction, messages: Sequence[Message[EventCancellationRequested]]
    ) -> None:
        """Cancel events, with all their registrations."""
        await cancel_events(self._desk, tx, self._desk.requests(messages))
