"""What commands do: list events, hand lists over, say facts again. Each step a transaction."""

from __future__ import annotations

import sys
from collections import Counter as Tally
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from services.registration import store
from services.registration.domain.events import Event
from services.registration.handlers.by_hand import STANDARD_OUTPUT, ByHand
from services.registration.handlers.delivering import deliveries_of
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.handlers.handover import (
    Asked,
    Leaving,
    NothingToDiscloseError,
    authority_parts,
    disclose,
    list_parts,
)
from services.registration.handlers.meant import person_meant
from services.registration.handlers.republish import republish_events, republish_registrations
from services.registration.settings import Settings
from shared.assembly import open_parts
from shared.contract.inbound import EventAnnounced
from shared.messaging.republishing import say_again
from shared.messaging.unit_of_work import Begin, Transaction
from shared.privacy.deliveries import Deliveries
from shared.privacy.disclosure import BEHIND, Disclosure, Way
from shared.privacy.errors import SeveralPeopleError
from shared.privacy.results import Result, told
from shared.privacy.subjects import Person
from shared.runtime.actor import actor
from shared.runtime.clock import utc_now
from shared.runtime.database import Connection, Pool


@dataclass(frozen=True, slots=True)
class Counter:
    """Where commands are served. `begin` gives transactions under the plan in force."""

    desk: Desk
    pool: Pool
    begin: Begin
    deliveries: Deliveries

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Counter]:
        async with open_parts(settings, service=SERVICE) as parts:
            deliveries = deliveries_of(parts, settings, actor=actor())
            yield cls(Desk(parts.privacy), parts.pool, parts.work, deliveries)

    def work(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction as of now."""
        return self.begin(now=utc_now())


async def list_events(counter: Counter, *, as_json: bool) -> str:
    """Every event with its counts: as JSON lines, or as a table for people."""
    async with counter.pool.acquire() as connection:
        known = [row.event for row in await store.all_events(connection)]
    if not as_json:
        return _table(known)
    facts: list[dict[str, object]] = [
        {
            "number": event.offer.event_number,
            "id": str(event.id),
            "status": event.status,
            "ends_at": event.offer.ends_at.isoformat(),
            "capacity": event.offer.capacity,
            "registered": event.places_taken,
            "waitlisted": event.waitlisted,
            "recipients": list(event.offer.recipients),
        }
        for event in known
    ]
    return "\n".join(orjson.dumps(fact).decode() for fact in facts)


def _table(events: Sequence[Event]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("number", "id", "status", "ends", "places", "taken", "waiting", "recipients")
    for event in events:
        offer = event.offer
        table.add_row(
            Text(offer.event_number),  # what upstream calls it may look like a style
            str(event.id),
            event.status,
            _ends(offer).isoformat(timespec="minutes"),
            "no limit" if offer.capacity is None else str(offer.capacity),
            str(event.places_taken),
            str(event.waitlisted),
            ", ".join(offer.recipients),
        )
    console = Console(width=None if sys.stdout.isatty() else 170)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def _ends(offer: EventAnnounced) -> datetime:
    """As it is where the event takes place: people know it by that."""
    try:
        return offer.ends_at.astimezone(ZoneInfo(offer.time_zone))
    except OverflowError:  # kept before such years were refused: no clock there shows that hour
        return offer.ends_at


@dataclass(frozen=True, slots=True)
class Wish:
    """Which list of which event somebody at the counter wants; `output` None: into the folder.

    `subject` tells which of those is meant who have the address.
    """

    event_name: str
    recipient: str
    output: Path | None = None
    email: str | None = None
    request_reference: str | None = None
    subject: UUID | None = None


class NotDeliveredError(Exception):
    """The recipient does not have the list; the text says why and what to do."""


async def hand_over(counter: Counter, wish: Wish, *, as_json: bool) -> str:
    """Disclose, commit, deliver as the service itself does, and record what came of it; the
    summary. Raises `NothingToDiscloseError` and `NotDeliveredError`.
    """
    asked = await _asked(counter, wish)
    way: Way = "folder" if wish.output is None else "hand"
    log_ends = await counter.deliveries.log_ends()
    deliveries, leaving = counter.deliveries.knowing(log_ends), Leaving(way, log_ends)
    async with counter.work() as tx:
        find = list_parts if asked.request_reference is None else authority_parts
        disclosures = await disclose(counter.desk, tx, asked, find(counter.desk, asked), leaving)
    if any(reason == BEHIND for one in disclosures for _, reason in one.refused):
        raise NotDeliveredError(
            "Nothing was disclosed, and that is recorded: not all is read and passed on yet that"
            " may decide about it (`steward status` shows which service is behind). Try again."
        )
    left = next((one for one in disclosures if one.released), None)
    if left is None:
        return _summary(asked, disclosures, None, as_json=as_json)
    by_hand = None if wish.output is None else ByHand(counter.desk, wish.output)
    result = await replace(deliveries, by_hand=by_hand).deliver(left.id)
    if result is None and by_hand is not None:
        raise NotDeliveredError(
            "Nothing was written here: somebody else has taken the list meanwhile, or given it up."
            f" The log says which of disclosure {left.id}."
        )
    return _summary(asked, _as_delivered(disclosures, result), result, as_json=as_json)


async def _asked(counter: Counter, wish: Wish) -> Asked:
    async with counter.pool.acquire() as connection:
        found = await store.events_named(connection, wish.event_name)
        if not found:
            raise NothingToDiscloseError(
                "No event has this number or id; `steward registration events` lists them."
            )
        person = await _person(counter, connection, wish)
    return Asked(found[0].event, wish.recipient, actor(), wish.request_reference, person)


async def _person(counter: Counter, connection: Connection, wish: Wish) -> Person | None:
    """Whom an authority asks about, which has to be one person; None: a list of everybody."""
    if wish.email is None:
        return None
    try:
        person = await person_meant(counter.desk, connection, wish.email, wish.subject)
    except SeveralPeopleError as error:
        raise NothingToDiscloseError(f"{error} (--subject ID).") from None
    if person is None:
        raise NothingToDiscloseError("Nobody is known by that address.")
    return person


def _as_delivered(disclosures: Sequence[Disclosure], result: Result | None) -> list[Disclosure]:
    """What was disclosed, with who was left out just before delivery. Raises NotDeliveredError."""
    if result is None:
        return list(disclosures)  # the service itself was first
    if result.state != "delivered":
        raise NotDeliveredError(told(result))
    judged = {one.id: one for one in result.delivery.disclosures}
    return [
        replace(
            one,
            released=judged[one.id].released,
            refused=[*one.refused, *judged[one.id].refused],
        )
        if one.id in judged
        else one
        for one in disclosures
    ]


def _summary(
    asked: Asked, disclosures: Sequence[Disclosure], result: Result | None, *, as_json: bool
) -> str:
    parts = [
        {
            "disclosure": str(disclosure.id),
            "recipient": disclosure.recipient,
            "purpose": disclosure.purpose,
            "people": len(disclosure.released),
            "refused": dict(sorted(Tally(reason for _, reason in disclosure.refused).items())),
        }
        for disclosure in disclosures
    ]
    if as_json:
        place = None if result is None else result.place
        whole = {"event": str(asked.event.id), "output": place, "disclosures": parts}
        return orjson.dumps(whole).decode()
    lines = []
    for part in parts:
        people = "1 person" if part["people"] == 1 else f"{part['people']} people"
        lines.append(f"{part['purpose']}: {people}, disclosure {part['disclosure']}")
        refused = part["refused"]
        if isinstance(refused, dict):
            lines += [f"  refused, {reason}: {count}" for reason, count in refused.items()]
    return "\n".join([*lines, *_where(asked, disclosures, result)])


def _where(asked: Asked, disclosures: Sequence[Disclosure], result: Result | None) -> Iterator[str]:
    """Where the list is, for people: nothing where it stands before them."""
    left = next((one.id for one in disclosures if one.released), None)
    if left is None:
        yield "Nobody is left on the list: nothing was written."
    elif result is None:
        yield (
            "The service was first: what it delivered is"
            f" STEWARD_OUTGOING_FOLDER/{asked.recipient}/{left}.csv."
        )
    elif result.place != str(STANDARD_OUTPUT):
        yield f"The list for {asked.recipient} is in {result.place}."


async def republish_all(counter: Counter) -> int:
    """Say every event and every registration again, a transaction at a time; how many facts."""
    async with counter.work() as tx:
        said = await republish_events(tx)
    return said + await say_again(counter.work, republish_registrations)
