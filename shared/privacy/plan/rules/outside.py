"""Recipients and sources: where data comes from and where it may go."""

from __future__ import annotations

from collections.abc import Iterator

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.plan import Plan
from shared.privacy.plan.rules.rule import Case, Rule, listed


def _read_by_marketing(plan: Plan) -> dict[str, str]:
    """Category to the purpose of direct marketing that reads it."""
    return {
        category: name
        for name, purpose in plan.purposes.items()
        if purpose.direct_marketing
        for category in purpose.categories
    }


def marketing_data_stays(case: Case) -> Iterator[Finding]:
    """The notice: information for marketing is never disclosed. A processor is no third party."""
    plan = case.plan
    marketing = _read_by_marketing(plan)
    for name, recipient in plan.recipients.items():
        if recipient.role == "processor":
            continue
        given = sorted(recipient.categories & marketing.keys())
        purposes = [(one, plan.purposes.get(one)) for one in recipient.purposes]
        named = [one for one, known in purposes if known is not None and known.direct_marketing]
        if given:
            yield case.finding(
                "marketing-data-disclosed",
                ("recipients", name, "fields"),
                f"recipient {name} ({recipient.role}) may get {given[0]}",
                f"that is read by {marketing[given[0]]}, and marketing data is never disclosed",
                "Take its fields from the recipient",
                other=("purposes", marketing[given[0]], "direct_marketing"),
            )
        elif named:
            yield case.finding(
                "marketing-data-disclosed",
                ("recipients", name, "purposes"),
                f"recipient {name} ({recipient.role}) may get data for {named[0]}",
                "that is direct marketing, and marketing data is never disclosed",
                "Take the purpose from the recipient",
                other=("purposes", named[0], "direct_marketing"),
            )


def marketing_data_is_for_no_authority(case: Case) -> Iterator[Finding]:
    """The same promise. What a law demands all the same is not planned for."""
    plan = case.plan
    marketing = _read_by_marketing(plan)
    for name, authority in plan.authorities.items():
        given = sorted(set(authority.categories) & marketing.keys())
        if given:
            yield case.finding(
                "marketing-data-for-authority",
                ("authorities", name, "categories"),
                f"authority {name} may ask for {given[0]}",
                f"that is read by {marketing[given[0]]}, and marketing data is never disclosed",
                "Take it from what the authority may ask for",
                other=("purposes", marketing[given[0]], "direct_marketing"),
            )


def authorities_are_no_recipients(case: Case) -> Iterator[Finding]:
    """Article 4(9): who asks by law, case by case, is given nothing otherwise."""
    for name in case.plan.authorities.keys() & case.plan.recipients.keys():
        yield case.finding(
            "authority-is-recipient",
            ("authorities", name),
            f"{name} is an authority that asks by law",
            "it is a recipient too",
            "Leave it in one, or give the two names",
            other=("recipients", name),
        )


def recipients_have_a_purpose(case: Case) -> Iterator[Finding]:
    """Somebody who is given data for nothing should not be given any."""
    for name, recipient in case.plan.recipients.items():
        if not recipient.purposes:
            yield case.finding(
                "recipient-without-purpose",
                ("recipients", name, "purposes"),
                f"there is a recipient {name}",
                "no purpose uses it",
                "Name the purposes that it gets data for, or remove it",
            )


def recipients_get_what_their_purposes_read(case: Case) -> Iterator[Finding]:
    """A field may go only for a purpose that reads its category."""
    plan = case.plan
    for name, recipient in plan.recipients.items():
        read = {
            category
            for purpose in recipient.purposes
            if purpose in plan.purposes
            for category in plan.purposes[purpose].categories
        }
        more = [f for f in recipient.fields if f in plan.fields and f.partition(".")[0] not in read]
        if more and recipient.purposes:
            yield case.finding(
                "recipient-gets-more",
                ("recipients", name, "fields"),
                f"recipient {name} may get {listed(more)}",
                f"its purposes ({listed(recipient.purposes)}) do not read that",
                "Take the fields out, or name the purpose that needs them",
                other=("recipients", name, "purposes"),
            )


def participants_get_what_was_consented(case: Case) -> Iterator[Finding]:
    """The notice: names and contact information are shared with participants by opt-in."""
    plan = case.plan
    for name, recipient in plan.recipients.items():
        for purpose in recipient.purposes:
            found = plan.purposes.get(purpose)
            if recipient.role == "participants" and found is not None and not found.needs_consent:
                yield case.finding(
                    "participants-without-consent",
                    ("recipients", name, "purposes"),
                    f"recipient {name} (participants) may get data for {purpose}",
                    f"that purpose rests on {found.legal_basis}, and people have to opt in",
                    "Use a purpose that rests on consent",
                    other=("purposes", purpose, "legal_basis"),
                )


def sources_are_told_apart(case: Case) -> Iterator[Finding]:
    """`ce_source` says which source a message is from."""
    seen: dict[str, str] = {}
    for name, source in case.plan.sources.items():
        first = seen.setdefault(source.uri, name)
        if first != name:
            yield case.finding(
                "source-repeated",
                ("sources", name, "uri"),
                f"source {name} has the uri {source.uri}",
                f"source {first} has it too",
                "Give each source an address of its own",
                other=("sources", first, "uri"),
            )


def sources_send_inbound_types(case: Case) -> Iterator[Finding]:
    """A source sends requests that the contract has; facts are said by Steward alone."""
    from shared.contract import inbound
    from shared.contract.registry import REGISTRY

    known = {one.name for one in REGISTRY if one.model.__module__ == inbound.__name__}
    for name, source in case.plan.sources.items():
        for message_type in source.types:
            if message_type not in known:
                yield case.finding(
                    "source-sends-unknown-type",
                    ("sources", name, "types"),
                    f"source {name} may send {message_type}",
                    "the contract has no such inbound type",
                    f"Use some of: {listed(known)}",
                )


RULES: tuple[Rule, ...] = (
    marketing_data_stays,
    marketing_data_is_for_no_authority,
    authorities_are_no_recipients,
    recipients_have_a_purpose,
    recipients_get_what_their_purposes_read,
    participants_get_what_was_consented,
    sources_are_told_apart,
    sources_send_inbound_types,
)
