"""Events on offer: what an announcement changes, and when an event takes no more requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from shared.contract.inbound import EventAnnounced
from shared.contract.registration import EventState, RejectionReason
from shared.contract.types import Contract, EventId, Money, PlanName

Status = Literal["open", "cancelled", "ended"]


class Charge(Contract):
    """What a place costs whoever gets it, without value-added tax; no fee: nothing."""

    fee: Money | None = None
    vat_class: PlanName | None = None


FREE: Final = Charge()


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it stands. `version` grows with each fact about it, `sequence` is the source's.

    `places_taken` counts registrations that hold a place, `waitlisted` those on the waiting list;
    `last_in_line` is the highest place in the line that was ever given, so that lines never mix.
    `cancelled_at` is when we were told that it is cancelled, where that was kept.
    """

    id: EventId
    source: str
    version: int
    sequence: int
    status: Status
    offer: EventAnnounced
    places_taken: int = 0
    waitlisted: int = 0
    last_in_line: int = 0
    cancelled_at: datetime | None = None

    @property
    def free(self) -> int | None:
        """Places left; None where the event has no limit. Never below zero."""
        if self.offer.capacity is None:
            return None
        return max(self.offer.capacity - self.places_taken, 0)

    @property
    def is_full_for_good(self) -> bool:
        """Whether a newcomer has nowhere to go: no place and no waiting list."""
        return self.free == 0 and not self.offer.waiting_list

    @property
    def charge(self) -> Charge:
        """What a place costs now."""
        fee, vat_class = self.offer.fee, self.offer.vat_class
        return FREE if fee is None or fee.minor_units <= 0 else Charge(fee=fee, vat_class=vat_class)

    def state(self) -> EventState:
        """What the readers of a fact need to know of the event."""
        offer = self.offer
        return EventState(
            event_id=self.id,
            version=self.version,
            title=offer.title,
            unit=offer.unit,
            starts_at=offer.starts_at,
            ends_at=offer.ends_at,
            time_zone=offer.time_zone,
            fee=offer.fee,
            vat_class=offer.vat_class,
            status=self.status,
            cancelled_at=self.cancelled_at,
        )


def state_for(event: Event, charge: Charge | None) -> EventState:
    """The state of an event as it concerns somebody whose place cost this; None: nobody knows, or
    there is no place.
    """
    if charge is None:
        return event.state()
    return event.state().model_copy(update={"fee": charge.fee, "vat_class": charge.vat_class})


def opened(offer: EventAnnounced, *, event_id: EventId, source: str) -> Event:
    """The event that a first announcement opens."""
    return Event(event_id, source, 1, offer.sequence, "open", offer)


def changed(event: Event, offer: EventAnnounced) -> Event:
    """The event after a further announcement; the same event where that says nothing new.

    An older or equal `sequence` is old news, and a cancelled event stays cancelled. An event that
    had ended is open again where its end was moved: whether that has passed too is found out anew.
    """
    if offer.sequence <= event.sequence or event.status == "cancelled":
        return event
    if _same_offer(event.offer, offer):
        return replace(event, sequence=offer.sequence, offer=offer)
    moved = offer.ends_at != event.offer.ends_at
    return replace(
        event,
        version=event.version + 1,
        sequence=offer.sequence,
        status="open" if moved else event.status,
        offer=offer,
    )


def _same_offer(one: EventAnnounced, other: EventAnnounced) -> bool:
    return one.model_copy(update={"sequence": other.sequence}) == other


def cancelled(event: Event, at: datetime) -> Event:
    """The event, cancelled; the same event where it was already."""
    if event.status == "cancelled":
        return event
    return replace(event, version=event.version + 1, status="cancelled", cancelled_at=at)


def ended(event: Event, now: datetime) -> Event:
    """The event, ended, where it was open and its end has passed; else the same event."""
    if event.status != "open" or event.offer.ends_at > now:
        return event
    return replace(event, version=event.version + 1, status="ended")


def is_over(event: Event, at: datetime) -> bool:
    """Whether the event's end has passed at a moment, whether or not that was said yet."""
    return at >= event.offer.ends_at


def refusal(event: Event, at: datetime) -> RejectionReason | None:
    """Why a registration made at `at` is declined, whatever places there are; None: it is not.

    `at` is the request's own time, so that a day that is handled again ends the same.
    """
    if event.status == "cancelled":
        return "event_cancelled"
    if is_over(event, at):
        return "event_ended"
    closes_at = event.offer.registration_closes_at
    if closes_at is not None and at > closes_at:
        return "registration_closed"
    return None


def change_refusal(event: Event, at: datetime) -> RejectionReason | None:
    """Why a change or a cancellation made at `at` is declined; both may come after closing."""
    if event.status == "cancelled":
        return "event_cancelled"
    return "event_ended" if is_over(event, at) else None


@dataclass(frozen=True, slots=True)
class Seated:
    """A place at the event."""


@dataclass(frozen=True, slots=True)
class InLine:
    """A place in the waiting list. `position` counts those who wait, `in_line` never repeats."""

    position: int
    in_line: int


@dataclass(frozen=True, slots=True)
class Full:
    """Neither."""


Seat = Seated | InLine | Full
SEATED = Seated()
FULL = Full()


def seat(event: Event, newcomers: int) -> tuple[Event, list[Seat]]:
    """Give places to newcomers in their order; the event afterwards, and one answer for each.

    Who waits goes first: nobody new gets a place while somebody waits.
    """
    taken, waiting, last = event.places_taken, event.waitlisted, event.last_in_line
    capacity, has_list = event.offer.capacity, event.offer.waiting_list
    seats: list[Seat] = []
    for _ in range(newcomers):
        if capacity is None or (taken < capacity and waiting == 0):
            taken += 1
            seats.append(SEATED)
        elif has_list:
            waiting += 1
            last += 1
            seats.append(InLine(position=waiting, in_line=last))
        else:
            seats.append(FULL)
    return replace(event, places_taken=taken, waitlisted=waiting, last_in_line=last), seats


def given_back(event: Event, *, places: int, in_line: int) -> Event:
    """The event after so many places, and so many places in the line, were given back."""
    return replace(
        event,
        places_taken=event.places_taken - places,
        waitlisted=event.waitlisted - in_line,
    )


def to_move_up(event: Event) -> int:
    """How many of the waiting list get a place now.

    Whether the event is over is for the request that makes the room to say, by its own time.
    """
    if event.status == "cancelled":
        return 0
    free = event.waitlisted if event.free is None else event.free
    return min(free, event.waitlisted)


def moved_up(event: Event, people: int) -> Event:
    """The event after the first `people` of its waiting list got a place."""
    return replace(
        event,
        places_taken=event.places_taken + people,
        waitlisted=event.waitlisted - people,
    )
