"""The list of an event's people that a recipient may have, through the door for disclosures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.registration import store
from services.registration.domain.events import Event
from services.registration.domain.lists import Part, cell, parts
from services.registration.handlers.desk import Desk
from shared.contract.types import SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.disclosure import Disclosure, DisclosureRequest, PersonToDisclose
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for which list of which event; `actor` is `cli:` and the system's user."""

    event: Event
    recipient: str
    actor: str


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
    rules = [
        rule
        for source in plan.sources
        for rules in desk.form(asked.event, source).rules.values()
        for rule in rules
    ]
    purposes = {purpose: plan.purposes[purpose].categories for purpose in recipient.purposes}
    found = parts(purposes, recipient.fields, rules)
    if not found:
        raise NothingToDiscloseError(
            f"The form of this event collects nothing that is for {asked.recipient}."
        )
    return found


async def disclose(
    desk: Desk, tx: Transaction, asked: Asked, wanted: Sequence[Part]
) -> list[Disclosure]:
    """One disclosure for each purpose, with its audit entries; to be committed before delivery."""
    people = await store.people_of_event(tx.connection, asked.event.id)
    disclosures = []
    for part in wanted:
        concerned = [person for person in people if part.own & person.personal.keys()]
        request = DisclosureRequest(
            recipient=asked.recipient,
            purpose=part.purpose,
            fields=part.fields,
            people=await _to_disclose(desk, tx.connection, asked, part, concerned),
            actor=asked.actor,
            event_id=asked.event.id,
            event_recipients=frozenset(asked.event.offer.recipients),
        )
        disclosures.append(await desk.privacy.disclose(tx, request))
    return disclosures


async def _to_disclose(
    desk: Desk,
    connection: Connection,
    asked: Asked,
    part: Part,
    people: Sequence[store.Participant],
) -> list[PersonToDisclose]:
    """Each person with what is known of the consent. Sharing with participants is opted for in the
    registration; any other consent is the consent service's to say, and unknown is no.
    """
    consents = await store.consents_of(
        connection, [person.subject_id for person in people], [part.purpose]
    )
    opted_for = desk.plan.recipients[asked.recipient].role == "participants"
    categories = {name.partition(".")[0] for name in part.fields}
    return [
        PersonToDisclose(
            person.subject_id,
            {name: value for name, value in person.personal.items() if name in categories},
            consented=consents.get(
                (person.subject_id, part.purpose),
                True if opted_for and person.share_fields else None,
            ),
            collected_at=person.collected_at,
        )
        for person in people
    ]


async def conclude(
    desk: Desk, tx: Transaction, disclosures: Sequence[Disclosure], failure: str | None
) -> None:
    """Record that the recipient has the list, or with a reason code that it does not."""
    for disclosure in disclosures:
        if not disclosure.released:
            continue
        if failure is None:
            await desk.privacy.delivered(tx, disclosure)
        else:
            await desk.privacy.failed(tx, disclosure, failure)


def rows(desk: Desk, asked: Asked, disclosures: Sequence[Disclosure]) -> list[list[str]]:
    """The list: a row of field names, then one for each person, sorted. In clear: it leaves."""
    people: dict[SubjectId, dict[str, str]] = {}
    for disclosure in disclosures:
        for subject_id, content in disclosure.released:
            revealed = {name: cell(value) for name, value in content.reveal().items()}
            people.setdefault(subject_id, {}).update(revealed)
    given = {name for row in people.values() for name in row}
    header = [name for name in desk.plan.recipients[asked.recipient].fields if name in given]
    return [header, *sorted([row.get(name, "") for name in header] for row in people.values())]
