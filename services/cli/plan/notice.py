"""The privacy notice (articles 13 and 14): what the plan says, told to the people it is about."""

from __future__ import annotations

from collections.abc import Iterator

from shared.documents.document import Document, Entry, Fact, Section, fact
from shared.documents.telling import Teller
from shared.privacy.plan import Plan, Purpose, Recipient


def notice_document(teller: Teller) -> Document:
    """Every section that the plan has something to say in."""
    organisation = teller.plan.organisation
    return Document(
        teller.words.language,
        _say(teller, "title", organisation=organisation.name),
        _say(teller, "lead", organisation=organisation.name),
        (
            _who(teller),
            _purposes(teller),
            _sources(teller),
            _recipients(teller),
            _retention(teller),
            _log(teller),
            *_consent(teller),
            _rights(teller),
            _how(teller),
            _must(teller),
            _security(teller),
        ),
        teller.foot,
    )


def _say(teller: Teller, key: str, **values: str) -> str:
    return teller.words.say("notice", key, **values)


def _who(teller: Teller) -> Section:
    organisation = teller.plan.organisation
    people = (
        ("representative", organisation.representative),
        ("officer", organisation.data_protection_officer),
    )
    return Section(
        _say(teller, "who"),
        facts=(
            Fact(teller.common("controller"), (organisation.name,)),
            *fact(teller.common("business_id"), organisation.business_id),
            *teller.contact(organisation),
            *(
                one
                for key, person in people
                if person is not None
                for one in fact(teller.common(key), teller.contact_line(person))
            ),
        ),
        entries=(
            Entry(
                _say(teller, "units"),
                tuple(Fact(teller.text(u.name), (u.email,)) for u in teller.plan.units.values()),
            ),
        ),
    )


def _purposes(teller: Teller) -> Section:
    entries = tuple(
        Entry(
            teller.text(purpose.describes),
            (
                *fact(_say(teller, "why"), _why(teller, purpose), teller.basis(purpose)),
                *fact(teller.common("law"), purpose.law),
                *fact(_say(teller, "whose"), *teller.whose(purpose.categories)),
                *fact(teller.common("data"), *teller.all_fields(purpose.categories)),
                *_since(teller, purpose),
            ),
        )
        for purpose in teller.plan.purposes.values()
    )
    lead = (_say(teller, "purposes_lead"),)
    return Section(_say(teller, "purposes"), paragraphs=lead, entries=entries)


def _why(teller: Teller, purpose: Purpose) -> str:
    interest = "" if purpose.interest is None else teller.text(purpose.interest)
    return teller.words.say("why", purpose.legal_basis, interest=interest)


def _since(teller: Teller, part: Purpose | Recipient) -> tuple[Fact, ...]:
    """Article 13(3): what is new, and whether it reaches back."""
    if part.since is None:
        return ()
    day, ground = part.since.isoformat(), part.covers_earlier_data
    if ground is None:
        said = _say(teller, "since_not", since=day)
    else:
        said = _say(teller, "since_covers", since=day, ground=ground)
    return (Fact(_say(teller, "since"), (said,)),)


def _sources(teller: Teller) -> Section:
    return Section(
        _say(teller, "sources"),
        paragraphs=(_say(teller, "sources_lead"),),
        points=tuple(teller.text(one.describes) for one in teller.plan.sources.values()),
    )


def _recipients(teller: Teller) -> Section:
    plan = teller.plan
    paragraphs = [_say(teller, "recipients_lead" if plan.recipients else "nobody")]
    if any(purpose.direct_marketing for purpose in plan.purposes.values()):
        paragraphs.extend(_marketing(teller))
    if plan.authorities:
        paragraphs.append(_say(teller, "authorities"))
    return Section(
        _say(teller, "recipients"),
        paragraphs=tuple(paragraphs),
        points=tuple(
            _say(
                teller,
                "authority",
                name=teller.text(one.name),
                categories=teller.categories(one.categories),
                law=one.law,
            )
            for one in plan.authorities.values()
        ),
        entries=tuple(_recipient(teller, one) for one in plan.recipients.values()),
    )


def _marketing(teller: Teller) -> Iterator[str]:
    plan = teller.plan
    yield _say(teller, "marketing_inside", organisation=plan.organisation.name)
    marketing = {name for name, purpose in plan.purposes.items() if purpose.direct_marketing}
    names = [
        one.name
        for one in plan.recipients.values()
        if one.role == "processor" and marketing & set(one.purposes)
    ]
    if names:
        yield _say(teller, "marketing_processors", names=", ".join(names))


def _recipient(teller: Teller, recipient: Recipient) -> Entry:
    purposes = (teller.text(teller.plan.purposes[name].describes) for name in recipient.purposes)
    document = (recipient.country, recipient.transfer_document)
    return Entry(
        teller.recipient(recipient),
        (
            *fact(_say(teller, "what_for"), *purposes),
            *fact(_say(teller, "gets"), *teller.fields(recipient.fields)),
            *fact(_say(teller, "when"), _when(teller, recipient)),
            *fact(teller.words.say("role", recipient.role).capitalize(), _role(teller, recipient)),
            *(
                fact(
                    _say(teller, "abroad"),
                    ", ".join(one for one in document if one),
                    teller.words.say("transfer", recipient.transfer),
                )
                if recipient.transfer is not None
                else ()
            ),
            *_since(teller, recipient),
        ),
    )


def _when(teller: Teller, recipient: Recipient) -> str | None:
    if recipient.role == "participants":
        return _say(teller, "when_chosen")
    return _say(teller, "when_designated") if recipient.designated_by_event else None


def _role(teller: Teller, recipient: Recipient) -> str | None:
    if recipient.role == "processor":
        return _say(teller, "on_our_behalf")
    if recipient.role == "joint_controller":
        return _say(teller, "jointly", agreement=recipient.agreement or "")
    return None


def _retention(teller: Teller) -> Section:
    entries = tuple(
        Entry(
            teller.categories(retention.categories),
            (
                *fact(teller.common("kept"), teller.words.kept(retention), retention.reason),
                *fact(teller.common("law"), retention.law),
                *fact(
                    _say(teller, "afterwards"),
                    teller.text_if(retention.afterwards),
                ),
            ),
        )
        for retention in teller.plan.retention.values()
        if retention.categories
    )
    return Section(_say(teller, "retention"), entries=entries)


def _log(teller: Teller) -> Section:
    facts = tuple(Fact(what, (kept,)) for what, kept in teller.log_periods())
    return Section(_say(teller, "log"), paragraphs=(_say(teller, "log_lead"),), facts=facts)


def _consent(teller: Teller) -> Iterator[Section]:
    asked = tuple(
        teller.text(one.describes) for one in teller.plan.purposes.values() if one.needs_consent
    )
    if asked:
        yield Section(
            _say(teller, "consent"),
            paragraphs=tuple(
                _say(teller, key) for key in ("consent_free", "consent_stays", "consent_for")
            ),
            points=asked,
        )


def _rights(teller: Teller) -> Section:
    points = tuple(_say(teller, f"right_{right}") for right in _rights_of(teller.plan))
    return Section(_say(teller, "rights"), points=points)


def _how(teller: Teller) -> Section:
    organisation = teller.plan.organisation
    authority = organisation.supervisory_authority
    complaint = (
        _say(teller, "complaint_any")
        if authority is None
        else _say(teller, "complaint", authority=teller.contact_line(authority))
    )
    corrected = tuple(
        Fact(teller.text(duty.describes), (teller.categories(duty.corrects),))
        for duty in teller.plan.duties.values()
        if duty.corrects
    )
    return Section(
        _say(teller, "how"),
        paragraphs=(_say(teller, "write", contact=teller.contact_line(organisation)), complaint),
        entries=(Entry(_say(teller, "corrected_by"), corrected),) if corrected else (),
    )


def _rights_of(plan: Plan) -> Iterator[str]:
    """Those that the plan's legal bases give (articles 15 to 21)."""
    bases = {purpose.legal_basis for purpose in plan.purposes.values()}
    yield from ("access", "rectification", "erasure", "restriction")
    if bases & {"consent", "explicit_consent", "contract"}:
        yield "portability"
    if bases & {"public_task", "legitimate_interests"}:
        yield "objection"
    if any(purpose.direct_marketing for purpose in plan.purposes.values()):
        yield "marketing"


def _must(teller: Teller) -> Section:
    """Article 13(2)(e) and (f)."""
    purposes = teller.plan.purposes.values()
    bases = {purpose.legal_basis for purpose in purposes}
    said = (
        ("must_contract", bases & {"contract"}),
        ("must_law", bases & {"legal_obligation"}),
        ("must_consent", bases & {"consent", "explicit_consent"}),
    )
    decisions = tuple(
        teller.text(one.automated_decisions) for one in purposes if one.automated_decisions
    )
    return Section(
        _say(teller, "must"),
        paragraphs=(
            *(_say(teller, key) for key, there in said if there),
            _say(teller, "decisions" if decisions else "decisions_none"),
        ),
        points=decisions,
    )


def _security(teller: Teller) -> Section:
    points = tuple(teller.text(one) for one in teller.plan.security.values())
    return Section(_say(teller, "security"), points=points)
