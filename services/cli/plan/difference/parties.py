"""Who has the data: the controller, those who receive it, those who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator

from services.cli.plan.difference.change import (
    Change,
    Comparison,
    Plans,
    more,
    retold,
    text,
    touching,
)
from services.cli.plan.difference.purposes import earlier_data
from shared.privacy.plan import Plan, Recipient


def recipients_come_and_go(plans: Plans) -> Iterator[Change]:
    """Somebody who is new or is no more (article 13(1)(e))."""
    for name in more(plans.old.recipients, plans.new.recipients):
        recipient = plans.new.recipients[name]
        asked = _asked(plans, recipient, recipient.purposes)
        says = (
            f"Given to {recipient.name} ({_role(recipient)}): {plans.fields(recipient.fields)}, for"
            f" {_for(plans.new, recipient.purposes)}. {earlier_data(recipient)}"
        )
        yield touching("recipient-added", f"recipients.{name}", says, asked)
    for name in more(plans.new.recipients, plans.old.recipients):
        says = f"Data is no longer given to {plans.old.recipients[name].name}."
        yield Change("recipient-removed", f"recipients.{name}", says)


def recipients_change(plans: Plans) -> Iterator[Change]:
    """Somebody who gets more or less, or is somebody or somewhere else."""
    for name, new in plans.new.recipients.items():
        old = plans.old.recipients.get(name)
        if old is not None and old != new:
            yield from _gets(plans, name, old, new)
            yield from _is(plans, name, old, new)
            yield from _reaches(plans, name, old, new)


def _role(recipient: Recipient) -> str:
    return recipient.role.replace("_", " ")


def _for(plan: Plan, purposes: tuple[str, ...]) -> str:
    return ", ".join(f"“{text(plan.purposes[name].describes)}”" for name in purposes)


def _asked(plans: Plans, recipient: Recipient, purposes: tuple[str, ...]) -> tuple[str, ...]:
    """Consents that do not cover this recipient. A processor acts for the controller (28)."""
    return () if recipient.role == "processor" else plans.consented(purposes)


def _gets(plans: Plans, name: str, old: Recipient, new: Recipient) -> Iterator[Change]:
    where = f"recipients.{name}"
    fields = more(old.fields, new.fields)
    if fields:
        touched = tuple(
            one
            for one in new.purposes
            if {field.partition(".")[0] for field in fields}
            & set(plans.new.purposes[one].categories)
        )
        asked = _asked(plans, new, touched)
        says = f"Also given to {new.name}: {plans.fields(fields)}."
        yield touching("recipient-gets-more", f"{where}.fields", says, asked)
    fewer = more(new.fields, old.fields)
    if fewer:
        says = f"No longer given to {new.name}: {plans.fields(fewer)}."
        yield Change("recipient-gets-less", f"{where}.fields", says)
    purposes = more(old.purposes, new.purposes)
    if purposes:
        asked = _asked(plans, new, purposes)
        says = f"Data is given to {new.name} also for {_for(plans.new, purposes)}."
        yield touching("recipient-for-more", f"{where}.purposes", says, asked)
    ended = more(new.purposes, old.purposes)
    if ended:
        says = f"Data is no longer given to {new.name} for {_for(plans.old, ended)}."
        yield Change("recipient-for-less", f"{where}.purposes", says)


def _is(plans: Plans, name: str, old: Recipient, new: Recipient) -> Iterator[Change]:
    where = f"recipients.{name}"
    asked = _asked(plans, new, new.purposes)
    if old.name != new.name:
        says = f"{old.name} is {new.name} now, or somebody else in its place."
        yield touching("recipient-renamed", f"{where}.name", says, asked, "to_be_judged")
    if old.role != new.role:
        says = f"{new.name} is a {_role(new)} now and was a {_role(old)}."
        yield touching("recipient-role-changed", f"{where}.role", says, asked)
    if old.agreement != new.agreement:
        says = f"The agreement with {new.name} is another: {new.agreement or 'none'}."
        yield Change("recipient-agreement-changed", f"{where}.agreement", says)
    if (old.country, old.transfer, old.transfer_document) != (
        new.country,
        new.transfer,
        new.transfer_document,
    ):
        ground = "" if new.transfer is None else f", on {new.transfer} ({new.transfer_document})"
        leaves = old.country != new.country and new.transfer is not None
        further = asked if leaves else ()
        says = f"{new.name} has the data in {new.country}{ground}; it was in {old.country}."
        yield touching("recipient-elsewhere", f"{where}.country", says, further)


def _reaches(plans: Plans, name: str, old: Recipient, new: Recipient) -> Iterator[Change]:
    where = f"recipients.{name}"
    asked = _asked(plans, new, new.purposes)
    if old.designated_by_event and not new.designated_by_event:
        says = f"{new.name} may receive data of every event, not only of those that name it."
        yield touching("recipient-of-every-event", f"{where}.designated_by_event", says, asked)
    elif new.designated_by_event and not old.designated_by_event:
        says = f"{new.name} receives data only of events that name it."
        yield Change("recipient-by-event", f"{where}.designated_by_event", says)
    if (old.since, old.covers_earlier_data) != (new.since, new.covers_earlier_data):
        says = f"What {new.name} receives reaches back differently. {earlier_data(new)}"
        yield touching("reach-changed", where, says, asked, "to_be_judged")


def authorities_change(plans: Plans) -> Iterator[Change]:
    """Who may ask by law."""
    for name, new in plans.new.authorities.items():
        old = plans.old.authorities.get(name)
        if old is not None and old.name != new.name:
            says = f"{retold(old.name, new.name)}: it may ask for data by law."
            yield Change("authority-renamed", f"authorities.{name}.name", says)
        if old is None or (set(old.categories), old.law) != (set(new.categories), new.law):
            kind = "authority-added" if old is None else "authority-changed"
            says = f"{text(new.name)} may ask for {plans.categories(new.categories)} ({new.law})."
            yield Change(kind, f"authorities.{name}", says)
    for name in more(plans.new.authorities, plans.old.authorities):
        who = text(plans.old.authorities[name].name)
        says = f"It is no longer foreseen that data is asked for by {who}."
        yield Change("authority-removed", f"authorities.{name}", says)


def the_organisation_changes(plans: Plans) -> Iterator[Change]:
    """Whom people gave their data to, and whom they write to (article 13(1)(a) and (b))."""
    old, new = plans.old.organisation, plans.new.organisation
    if old.name != new.name:
        asked = plans.consented(plans.old.purposes)
        says = f"The controller is {new.name}; it was {old.name}."
        yield touching("controller-renamed", "organisation.name", says, asked, "to_be_judged")
    keys = ("email", "phone", "address", "website", "business_id")
    contacts = ("data_protection_officer", "representative", "supervisory_authority")
    for key in (*keys, *contacts):
        if getattr(old, key) != getattr(new, key):
            says = f"People are told of another {key.replace('_', ' ')}."
            yield Change("contact-changed", f"organisation.{key}", says)
    for language in more(old.languages, new.languages):
        says = f"People are told everything in the language {language}, too."
        yield Change("language-added", "organisation.languages", says)
    for language in more(new.languages, old.languages):
        says = f"People are no longer told anything in the language {language}."
        yield Change("language-removed", "organisation.languages", says)


def units_change(plans: Plans) -> Iterator[Change]:
    """Who answers for the data of an event."""
    for name in dict.fromkeys((*plans.old.units, *plans.new.units)):
        old, new = plans.old.units.get(name), plans.new.units.get(name)
        if old != new:
            now = "is gone" if new is None else f"is {text(new.name)}, {new.email}"
            says = f"The unit {name} that answers for the data of its events {now}."
            yield Change("unit-changed", f"units.{name}", says)


COMPARISONS: tuple[Comparison, ...] = (
    recipients_come_and_go,
    recipients_change,
    authorities_change,
    the_organisation_changes,
    units_change,
)
