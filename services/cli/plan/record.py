"""The record of processing activities (article 30), as a document and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.documents.document import Document, Entry, Fact, Section, fact
from shared.documents.telling import Teller, recipients_of
from shared.privacy.plan import Mandate, Plan, Purpose, Recipient


def record_document(teller: Teller) -> Document:
    """Article 30(1), its letters in the headings; article 30(2) where there is a mandate."""
    sections = (
        _parties(teller),
        _activities(teller),
        _recipients(teller),
        _sources(teller),
        _log(teller),
        _security(teller),
        _duties(teller),
        *_on_behalf(teller),
    )
    return Document(
        teller.words.language,
        _say(teller, "title", organisation=teller.plan.organisation.name),
        _say(teller, "lead"),
        sections,
        teller.foot,
    )


def _say(teller: Teller, key: str, **values: str) -> str:
    return teller.words.say("record", key, **values)


def _parties(teller: Teller) -> Section:
    organisation = teller.plan.organisation
    entries = [
        Entry(
            f"{teller.common('controller')}: {organisation.name}",
            (
                *fact(teller.common("business_id"), organisation.business_id),
                *teller.contact(organisation),
                *_person(teller, "representative"),
                *_person(teller, "officer"),
            ),
        )
    ]
    joint = [r for r in teller.plan.recipients.values() if r.role == "joint_controller"]
    if joint:
        facts = tuple(Fact(one.name, (one.agreement or "",)) for one in joint)
        entries.append(Entry(_say(teller, "joint"), facts))
    units = tuple(Fact(teller.text(u.name), (u.email,)) for u in teller.plan.units.values())
    entries.append(Entry(_say(teller, "units"), units))
    return Section(_say(teller, "parties"), entries=tuple(entries))


def _person(teller: Teller, key: str) -> tuple[Fact, ...]:
    organisation = teller.plan.organisation
    person = {
        "representative": organisation.representative,
        "officer": organisation.data_protection_officer,
    }[key]
    return () if person is None else fact(teller.common(key), teller.contact_line(person))


def _activities(teller: Teller) -> Section:
    entries = tuple(_activity(teller, name, p) for name, p in teller.plan.purposes.items())
    return Section(_say(teller, "activities"), entries=entries)


def _activity(teller: Teller, name: str, purpose: Purpose) -> Entry:
    given = list(recipients_of(teller.plan, name))
    recipients = [
        _say(
            teller,
            "recipient",
            name=teller.recipient(recipient),
            role=teller.words.say("role", recipient.role),
            fields=", ".join(teller.field(field) for field in fields),
        )
        for recipient, fields in given
    ]
    transfers = [one for r, _ in given for one in _transfer(teller, r.name, r)]
    return Entry(
        teller.text(purpose.describes),
        (
            *fact(teller.common("legal_basis"), teller.basis(purpose)),
            *fact(teller.common("law"), purpose.law),
            *fact(teller.common("interest"), teller.text_if(purpose.interest)),
            *_dated(teller, purpose),
            *fact(_say(teller, "whose"), *teller.whose(purpose.categories)),
            *fact(teller.common("data"), *teller.all_fields(purpose.categories)),
            *fact(_say(teller, "recipients"), *(recipients or [_say(teller, "no_recipients")])),
            *fact(_say(teller, "transfers"), *(transfers or [_say(teller, "no_transfers")])),
            *fact(_say(teller, "limits"), *(_limit(teller, one) for one in purpose.categories)),
            *fact(
                teller.common("decisions"),
                teller.text_if(purpose.automated_decisions),
            ),
        ),
    )


def _dated(teller: Teller, purpose: Purpose | Recipient) -> tuple[Fact, ...]:
    if purpose.since is None:
        return ()
    earlier = purpose.covers_earlier_data or _say(teller, "earlier_no")
    return (
        *fact(_say(teller, "since"), purpose.since.isoformat()),
        *fact(_say(teller, "earlier"), earlier),
    )


def _transfer(teller: Teller, name: str, place: Recipient | Mandate) -> Iterator[str]:
    if place.transfer is not None:
        yield _say(
            teller,
            "transfer",
            name=name,
            country=place.country or "",
            ground=teller.words.say("transfer", place.transfer),
            document=place.transfer_document or "",
        )


def _limit(teller: Teller, category: str) -> str:
    _, retention = teller.plan.retention_of(category)
    kept = teller.words.kept(retention)
    if retention.law is not None:
        kept = f"{kept} ({retention.law})"
    if retention.afterwards is not None:
        kept = _say(teller, "afterwards", kept=kept, afterwards=teller.text(retention.afterwards))
    return _say(teller, "limit", category=teller.category(category), kept=kept)


def _recipients(teller: Teller) -> Section:
    entries = [
        Entry(
            teller.recipient(recipient),
            (
                *fact(_say(teller, "role"), teller.words.say("role", recipient.role)),
                *fact(teller.common("country"), recipient.country),
                *fact(_say(teller, "agreement"), recipient.agreement),
                *fact(_say(teller, "transfers"), *_transfer(teller, recipient.name, recipient)),
                *_dated(teller, recipient),
            ),
        )
        for recipient in teller.plan.recipients.values()
    ]
    authorities = tuple(
        Fact(teller.text(one.name), (teller.categories(one.categories), one.law))
        for one in teller.plan.authorities.values()
    )
    if authorities:
        entries.append(Entry(_say(teller, "authorities"), authorities))
    return Section(_say(teller, "recipients_heading"), entries=tuple(entries))


def _sources(teller: Teller) -> Section:
    facts = tuple(
        Fact(
            teller.text(source.describes),
            teller.fields(dict.fromkeys(f for filled in source.maps.values() for f in filled)),
        )
        for source in teller.plan.sources.values()
    )
    return Section(_say(teller, "sources"), facts=facts)


def _log(teller: Teller) -> Section:
    facts = tuple(Fact(what, (kept,)) for what, kept in teller.log_periods())
    return Section(_say(teller, "log"), facts=facts)


def _security(teller: Teller) -> Section:
    points = tuple(teller.text(one) for one in teller.plan.security.values())
    return Section(_say(teller, "security"), points=points)


def _duties(teller: Teller) -> Section:
    entries = tuple(
        Entry(
            teller.text(duty.describes),
            (
                *fact(_say(teller, "reads"), teller.categories(duty.reads)),
                *fact(_say(teller, "corrects"), teller.categories(duty.corrects)),
            ),
        )
        for duty in teller.plan.duties.values()
    )
    return Section(_say(teller, "duties"), entries=entries)


def _on_behalf(teller: Teller) -> Iterator[Section]:
    """Article 30(2): (a) who for whom, (b) what, (c) transfers, (d) measures."""
    if not teller.plan.on_behalf:
        return
    processor = fact(_say(teller, "processor"), teller.contact_line(teller.plan.organisation))
    entries = tuple(
        Entry(
            f"{teller.common('controller')}: {mandate.controller.name}",
            (
                *teller.contact(mandate.controller),
                *processor,
                *fact(_say(teller, "processing"), teller.text(mandate.describes)),
                *fact(_say(teller, "agreement"), mandate.agreement),
                *fact(
                    _say(teller, "transfers"),
                    *(
                        list(_transfer(teller, mandate.controller.name, mandate))
                        or [_say(teller, "no_transfers")]
                    ),
                ),
                *fact(_say(teller, "measures"), _say(teller, "measures_same")),
            ),
        )
        for mandate in teller.plan.on_behalf.values()
    )
    yield Section(_say(teller, "on_behalf"), entries=entries)


def record_data(plan: Plan) -> dict[str, Any]:
    """The same for programs: names of the plan, every language; empty keys are left out."""
    whole = plan.model_dump(mode="json", exclude_none=True)
    activities = {
        name: {
            **whole["purposes"][name],
            "data_subjects": sorted(
                {one for c in purpose.categories for one in plan.categories[c].data_subjects}
            ),
            "recipients": [
                {"name": recipient.name, "role": recipient.role, "fields": list(fields)}
                for recipient, fields in recipients_of(plan, name)
            ],
            "time_limits": {c: plan.retention_of(c)[0] for c in purpose.categories},
        }
        for name, purpose in plan.purposes.items()
    }
    kept = ("data_subjects", "fields", "categories", "recipients", "authorities", "sources")
    more = ("retention", "accountability", "security", "duties", "on_behalf", "units")
    return {
        "standard": "Regulation (EU) 2016/679, article 30",
        "plan_digest": plan.digest,
        "controller": whole["organisation"],
        "activities": activities,
        **{table: whole[table] for table in (*kept, *more) if whole.get(table)},
    }
