"""The list of an event's people that a recipient may have, through the door for disclosures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.registration import store
from services.registration.domain.consents import Consent
from services.registration.domain.events import Event
from services.registration.domain.forms import FieldRule
from services.registration.domain.lists import Part, each_field_once, parts
from services.registration.handlers.desk import Desk
from shared.messaging.unit_of_work import Transaction
from shared.privacy import disclosure as privacy
from shared.privacy.disclosure import Disclosure, DisclosureRequest, PersonToDisclose, Way
from shared.privacy.handovers import Handover
from shared.privacy.subjects import Person
from shared.runtime.database import Connection
from shared.runtime.log_ends import LogEnds


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for which list of which event; `actor` as `shared.runtime.actor` has it.

    An authority asks for one person's data, by the number of its request.
    """

    event: Event
    recipient: str
    actor: str
    request_reference: str | None = None
    person: Person | None = None


class NothingToDiscloseError(Exception):
    """There is no such list; the text says why and what to do."""


def list_parts(desk: Desk, asked: Asked) -> list[Part]:
    """What the list is made of. Raises `NothingToDiscloseError` where nobody may have it."""
    plan, offer = desk.plan, asked.event.offer
    recipient = plan.recipients.get(asked.recipient)
    if recipient is None:
        names = ", ".join(sorted(plan.recipients))
        raise NothingToDiscloseError(f"The plan has no such recipient. It has: {names}.")
    if recipient.designated_by_event and asked.recipient not in offer.recipients:
        names = ", ".join(offer.recipients) or "none"
        raise NothingToDiscloseError(
            f"The event does not name {asked.recipient} as a recipient. It names: {names}."
        )
    purposes = {purpose: plan.purposes[purpose].categories for purpose in recipient.purposes}
    found = parts(purposes, recipient.fields, _rules(desk, asked.event))
    if not found:
        raise NothingToDiscloseError(
            f"The form of this event collects nothing that is for {asked.recipient}."
        )
    return found


def authority_parts(desk: Desk, asked: Asked) -> list[Part]:
    """What an authority of the plan may have of one person at the event, by the purpose that it was
    collected for. Raises `NothingToDiscloseError` where it may have nothing.
    """
    plan = desk.plan
    authority = plan.authorities.get(asked.recipient)
    if authority is None:
        names = ", ".join(sorted(plan.authorities)) or "none"
        raise NothingToDiscloseError(f"The plan has no such authority. It has: {names}.")
    rules = _rules(desk, asked.event)
    purposes = {rule.purpose: plan.purposes[rule.purpose].categories for rule in rules}
    fields = [name for name in plan.fields if name.partition(".")[0] in authority.categories]
    found = each_field_once(parts(purposes, fields, rules))
    if not found:
        raise NothingToDiscloseError(
            f"The form of this event collects nothing that {asked.recipient} may ask for."
        )
    return found


def _rules(desk: Desk, event: Event) -> list[FieldRule]:
    return [
        rule
        for source in desk.plan.sources
        for rules in desk.form(event, source).rules.values()
        for rule in rules
    ]


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a list leaves, and where the logs of what decides about it ended before."""

    way: Way
    log_ends: LogEnds


async def disclose(
    desk: Desk, tx: Transaction, asked: Asked, wanted: Sequence[Part], leaving: Leaving
) -> list[Disclosure]:
    """One disclosure for each purpose, with its audit entries, that leave together or not at all:
    to be committed before delivery. Raises `NothingToDiscloseError` where the one person has never
    registered.
    """
    people = await _people(tx.connection, asked)
    requests = []
    for part in wanted:
        concerned = [person for person in people if part.own & person.personal.keys()]
        request = await _request(desk, tx.connection, asked, part, concerned)
        requests.append(replace(request, way=leaving.way, log_ends=leaving.log_ends))
    return await desk.privacy.disclose_together(tx, requests)


async def _people(connection: Connection, asked: Asked) -> Sequence[store.Participant]:
    """Who has a place; of the one person whatever is kept, also of who waits or has cancelled."""
    if asked.person is None:
        return await store.people_of_event(connection, asked.event.id)
    rows = await store.registrations_of(connection, asked.event.id, asked.person)
    if not rows:
        raise NothingToDiscloseError("That person has never registered for this event.")
    # Who cancelled and came again is there twice: what stands counts, else what was last.
    latest = {
        row.subject_id: row for row in sorted(rows, key=lambda row: row.status != "cancelled")
    }
    return [
        store.Participant(
            row.id, row.subject_id, row.personal, frozenset(row.share_fields), row.collected_at
        )
        for row in latest.values()
    ]


async def ask_again(desk: Desk, tx: privacy.Transaction, handover: Handover) -> DisclosureRequest:
    """What would be asked for of the event's people now, instead of what was released then."""
    found = await store.events_named(tx.connection, str(handover.event_id))
    if not found:
        return replace(handover.request({}), people=())
    event = found[0].event
    people = await store.people_of_event(tx.connection, event.id)
    part = Part(handover.purpose, handover.fields, frozenset())
    asked = Asked(event, handover.recipient, handover.actor)
    return await _request(desk, tx.connection, asked, part, people)


async def _request(
    desk: Desk,
    connection: Connection,
    asked: Asked,
    part: Part,
    people: Sequence[store.Participant],
) -> DisclosureRequest:
    return DisclosureRequest(
        recipient=asked.recipient,
        purpose=part.purpose,
        fields=part.fields,
        people=await _to_disclose(desk, connection, asked, part, people),
        actor=asked.actor,
        event_id=asked.event.id,
        event_recipients=frozenset(asked.event.offer.recipients),
        request_reference=asked.request_reference,
    )


async def _to_disclose(
    desk: Desk,
    connection: Connection,
    asked: Asked,
    part: Part,
    people: Sequence[store.Participant],
) -> list[PersonToDisclose]:
    """Each person with what is known of the consent. Sharing with participants is opted for in the
    registration, and holds until a no that is later than that; any other consent is the consent
    service's to say, and unknown is no.
    """
    consents = await store.consents_of(
        connection, [person.subject_id for person in people], [part.purpose]
    )
    recipient = desk.plan.recipients.get(asked.recipient)
    opted_for = recipient is not None and recipient.role == "participants"
    categories = {name.partition(".")[0] for name in part.fields}
    return [
        PersonToDisclose(
            person.subject_id,
            {name: value for name, value in person.personal.items() if name in categories},
            consented=_consented(
                consents.get((person.subject_id, part.purpose)), person, opted_for=opted_for
            ),
            collected_at=person.collected_at,
            registration_id=person.id,
        )
        for person in people
    ]


def _consented(
    consent: Consent | None, person: store.Participant, *, opted_for: bool
) -> bool | None:
    if opted_for and person.share_fields:
        return consent is None or not consent.denies(person.collected_at)
    return None if consent is None else consent.covers(person.collected_at)
