"""Who is behind the data: the controller, its processors and joint controllers, and where."""

from __future__ import annotations

from collections.abc import Iterator

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.lines import Path
from shared.privacy.plan.models import Abroad
from shared.privacy.plan.rules.rule import Case, Rule

# The Union, and Iceland, Liechtenstein and Norway: the European Economic Area.
EEA = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"),
        *("IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
        *("IS", "LI", "NO"),
    )
)


def authorities_have_an_officer(case: Case) -> Iterator[Finding]:
    """Article 37(1)(a)."""
    organisation = case.plan.organisation
    if organisation.public_authority and organisation.data_protection_officer is None:
        yield case.finding(
            "public-authority-without-officer",
            ("organisation", "public_authority"),
            "the organisation is a public authority",
            "it names no data protection officer",
            "Add [organisation.data_protection_officer]",
        )


def controllers_can_be_written_to(case: Case) -> Iterator[Finding]:
    """Article 13(1)(a): identity and contact details; likewise of officers (13(1)(b))."""
    organisation = case.plan.organisation
    named = (
        ((), organisation),
        (("data_protection_officer",), organisation.data_protection_officer),
        (("representative",), organisation.representative),
    )
    for path, contact in named:
        if contact is not None and not (contact.email or contact.phone or contact.address):
            yield case.finding(
                "nobody-to-write-to",
                ("organisation", *path, "name"),
                f"people are told of {contact.name}",
                "there is no e-mail address, telephone number or address to reach it by",
                "Add `email = …`, `phone = …` or `address = …`",
            )


def processors_have_an_agreement(case: Case) -> Iterator[Finding]:
    """Article 28(3)."""
    for name, recipient in case.plan.recipients.items():
        if recipient.role == "processor" and recipient.agreement is None:
            yield case.finding(
                "processor-without-agreement",
                ("recipients", name, "role"),
                f"recipient {name} is a processor",
                "the plan does not say under which agreement",
                "Add `agreement = …`",
            )


def joint_controllers_have_an_arrangement(case: Case) -> Iterator[Finding]:
    """Article 26(1)."""
    for name, recipient in case.plan.recipients.items():
        if recipient.role == "joint_controller" and recipient.agreement is None:
            yield case.finding(
                "joint-controller-without-arrangement",
                ("recipients", name, "role"),
                f"recipient {name} is a joint controller",
                "the plan does not say which arrangement there is between the two",
                "Add `agreement = …`",
            )


def recipients_are_somewhere(case: Case) -> Iterator[Finding]:
    """Whether data leaves the European Economic Area has to be known (article 13(1)(f))."""
    for name, recipient in case.plan.recipients.items():
        if recipient.role != "participants" and recipient.country is None:
            yield case.finding(
                "recipient-without-country",
                ("recipients", name),
                f"recipient {name} ({recipient.role}) gets data",
                "the plan does not say in which country",
                'Add `country = "…"`',
            )


def transfers_have_a_ground(case: Case) -> Iterator[Finding]:
    """Article 44: data leaves the European Economic Area on a ground of chapter V only."""
    for path, place in _places(case):
        abroad = place.country is not None and place.country not in EEA
        if abroad and place.transfer is None:
            yield case.finding(
                "transfer-without-ground",
                (*path, "country"),
                f"{path[-1]} is in {place.country}, outside the European Economic Area",
                "the plan does not say on what ground data goes there",
                'Add `transfer = "adequacy_decision"`, or another ground of chapter V',
            )
        elif place.transfer is not None and not abroad:
            yield case.finding(
                "transfer-to-nowhere",
                (*path, "transfer"),
                f"data goes to {path[-1]} on {place.transfer}",
                f"its country is {place.country or 'not named'}: no transfer to a third country",
                "Take `transfer` out, or put the country right",
                other=(*path, "country"),
            )


def transfers_name_their_document(case: Case) -> Iterator[Finding]:
    """Articles 13(1)(f) and 30(1)(e): which decision it is, or which safeguards."""
    for path, place in _places(case):
        if place.transfer is not None and place.transfer_document is None:
            yield case.finding(
                "transfer-without-document",
                (*path, "transfer"),
                f"data goes to {path[-1]} on {place.transfer}",
                "the plan does not say which decision, clauses or safeguards those are",
                "Add `transfer_document = …`",
            )


def _places(case: Case) -> Iterator[tuple[Path, Abroad]]:
    for name, recipient in case.plan.recipients.items():
        yield ("recipients", name), recipient
    for name, mandate in case.plan.on_behalf.items():
        yield ("on_behalf", name), mandate


RULES: tuple[Rule, ...] = (
    authorities_have_an_officer,
    controllers_can_be_written_to,
    processors_have_an_agreement,
    joint_controllers_have_an_arrangement,
    recipients_are_somewhere,
    transfers_have_a_ground,
    transfers_name_their_document,
)
