"""Services and duties: who opens what, and hears what that needs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from shared.contract.services import SERVICES
from shared.contract.topics import TOPICS
from shared.privacy.plan.findings import Finding
from shared.privacy.plan.rules.rule import Case, Rule, listed

_CONSENT_TOPIC = "consent"
_LIMITS_TOPIC = "retention"

_MEETS_PEOPLE: Final = {
    "registration": ("identify", "as where somebody registers"),
    "consent": ("identify", "as where somebody withdraws"),
    "retention": ("find", "as where somebody is to be erased"),
    "audit": ("find", "as where somebody asks who got their data"),
}
"""What a service of this release asks the keyring about people, and when for example."""

_MAY_MORE: Final = ("none", "find", "identify")
"""Of `subjects`: each includes what stands before it."""

_ERASES: Final = "retention"


def consent_is_heard(case: Case) -> Iterator[Finding]:
    """Article 7(3): a service that acts on consent has to hear of its withdrawal."""
    for name, service in case.plan.services.items():
        if _CONSENT_TOPIC in service.hears or _CONSENT_TOPIC in service.says:
            continue
        for purpose in service.grants:
            found = case.plan.purposes.get(purpose)
            if found is not None and found.needs_consent:
                yield case.finding(
                    "consent-unheard",
                    ("services", name, "grants", purpose),
                    f"service {name} opens data for {purpose}",
                    f"that rests on {found.legal_basis}, and the service does not hear `consent`",
                    'Add "consent" to what it hears, or take the grant away',
                    other=("services", name, "hears"),
                )


def limits_are_heard(case: Case) -> Iterator[Finding]:
    """Articles 18 and 21: a service that opens data has to hear of objections and restrictions."""
    for name, service in case.plan.services.items():
        if service.grants and _LIMITS_TOPIC not in (*service.hears, *service.says):
            yield case.finding(
                "limits-unheard",
                ("services", name, "hears"),
                f"service {name} opens data for {listed(service.grants)}",
                "it does not hear `retention`, which says who objected or whose data is restricted",
                'Add "retention" to what it hears',
                other=("services", name, "grants"),
            )


def grants_stay_in_their_purpose(case: Case) -> Iterator[Finding]:
    """A service opens for a purpose what the purpose reads, and no more."""
    for name, service in case.plan.services.items():
        for purpose, categories in service.grants.items():
            found = case.plan.purposes.get(purpose)
            more = set(categories) - set(found.categories) if found is not None else set()
            more &= case.plan.categories.keys()
            if more:
                yield case.finding(
                    "grant-beyond-purpose",
                    ("services", name, "grants", purpose),
                    f"service {name} may open {listed(more)} for {purpose}",
                    "that purpose does not read it",
                    "Take it out of the grant, or add it to the purpose",
                    other=("purposes", purpose, "categories"),
                )


def services_hear_topics_that_exist(case: Case) -> Iterator[Finding]:
    """A misspelt topic is one that is never heard."""
    known = {topic.name for topic in TOPICS}
    for name, service in case.plan.services.items():
        for key, topics in (("hears", service.hears), ("says", service.says)):
            unknown = set(topics) - known
            if unknown:
                yield case.finding(
                    "unknown-topic",
                    ("services", name, key),
                    f"service {name} {key} {listed(unknown)}",
                    "there is no such topic",
                    f"Use some of: {listed(known)}",
                )


def topics_have_one_service(case: Case) -> Iterator[Finding]:
    """A topic of facts is said by one service; clear text from upstream is taken by one."""
    known = {topic.name: topic for topic in TOPICS}
    for name, service in case.plan.services.items():
        taken = [topic for topic in service.hears if topic in known and known[topic].inbound]
        for key, verb, topics in (("hears", "hears", taken), ("says", "says", service.says)):
            foreign = [t for t in topics if t in known and known[t].owner != name]
            if foreign:
                yield case.finding(
                    "topic-of-another",
                    ("services", name, key),
                    f"service {name} {verb} {foreign[0]}",
                    f"that topic belongs to {known[foreign[0]].owner} alone",
                    "Take it out",
                )


def categories_are_sealed_by_somebody(case: Case) -> Iterator[Finding]:
    """Nothing is stored but sealed: what no service seals cannot be collected."""
    sealed = {name for service in case.plan.services.values() for name in service.seals}
    for name in case.plan.categories.keys() - sealed:
        yield case.finding(
            "category-sealed-by-nobody",
            ("categories", name),
            f"there is a category {name}",
            "no service seals it, so that it can never be stored",
            "Add it to what the service that collects it `seals`",
        )


def somebody_erases(case: Case) -> Iterator[Finding]:
    """Article 5(1)(e): a period that nobody ends is none."""
    if not any(service.erases for service in case.plan.services.values()):
        yield case.finding(
            "nobody-erases",
            ("services",),
            "the retention classes have periods",
            "no service erases",
            "Add `erases = true` to the service that does",
            other=("retention",),
        )


def what_is_sealed_can_be_opened(case: Case) -> Iterator[Finding]:
    """Data that is collected and that nobody can open serves no purpose (article 5(1)(c))."""
    opened = {
        category
        for service in case.plan.services.values()
        for categories in service.grants.values()
        for category in categories
    }
    for name, service in case.plan.services.items():
        unread = (set(service.seals) - opened) & case.plan.categories.keys()
        if unread:
            yield case.finding(
                "sealed-for-nobody",
                ("services", name, "seals"),
                f"service {name} seals {listed(unread)}",
                "no service may open it",
                "Grant it where it is needed, or do not collect it",
            )


def duties_read_what_a_purpose_needs(case: Case) -> Iterator[Finding]:
    """People read what the work needs, and correct what they can read."""
    needed = {name for purpose in case.plan.purposes.values() for name in purpose.categories}
    for name, duty in case.plan.duties.items():
        more = (set(duty.reads) & case.plan.categories.keys()) - needed
        if more:
            yield case.finding(
                "duty-reads-more",
                ("duties", name, "reads"),
                f"duty {name} reads {listed(more)}",
                "no purpose needs it",
                "Take it out of the duty, or name the purpose",
            )
        blind = set(duty.corrects) - set(duty.reads)
        if blind:
            yield case.finding(
                "duty-corrects-blindly",
                ("duties", name, "corrects"),
                f"duty {name} corrects {listed(blind)}",
                "it does not read it",
                "Add it to what the duty reads",
                other=("duties", name, "reads"),
            )


def every_service_has_a_part(case: Case) -> Iterator[Finding]:
    """A service that the plan does not have cannot start; a part that nobody reads says nothing."""
    known = [service.name for service in SERVICES]
    for name in known:
        if name not in case.plan.services:
            yield case.finding(
                "service-without-part",
                ("services",),
                f"the service {name} runs",
                "the plan has no part for it, without which it cannot start",
                f"Add [services.{name}], and what it hears, says and may do",
            )
    for name in case.plan.services:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield case.finding(
                "unknown-service",
                ("services", name),
                f"there is a part for a service {name}",
                "there is no such service",
                f"Did you mean {near[0]}?" if near else f"Use one of: {listed(known)}",
            )


def people_are_known_by_an_address(case: Case) -> Iterator[Finding]:
    """Else nobody who withdraws, asks or is to be erased by an address would be found by it."""
    registration = case.plan.services.get("registration")
    if registration is None or not registration.seals:
        return
    contact = case.plan.categories.get("contact") if "contact" in registration.seals else None
    if contact is None or not {"contact.email", "contact.phone"} & set(contact.fields):
        yield case.finding(
            "nobody-known-by-address",
            ("services", "registration", "seals"),
            "service registration seals no category contact with contact.email or contact.phone",
            "by these alone it knows whose address somebody withdraws or asks by",
            "Call the category and its fields so; what people read stands in `describes`",
        )


def finance_can_invoice_a_fee(case: Case) -> Iterator[Finding]:
    """It knows these by name: under others each invoice or credit note would be a dead letter."""
    finance = case.plan.services.get("finance")
    if finance is None or not case.plan.vat_classes:
        return
    for lacks, but, key in (
        ("accounting" not in finance.seals, "seals no category accounting", "seals"),
        (
            "accounting" not in finance.grants.get("accounting", ()),
            "does not open the category accounting for the purpose accounting",
            "grants",
        ),
        (
            not finance.grants.get("invoicing"),
            "opens nothing for the purpose invoicing",
            "grants",
        ),
    ):
        if lacks:
            yield case.finding(
                "fee-without-invoice",
                ("services", "finance", key),
                f"service finance {but}",
                "the plan has VAT classes, by which it invoices the fee of an event",
                "Call them so, and let finance do it; or take out [vat_classes]",
                other=("vat_classes",),
            )


def people_are_known_to_who_meets_them(case: Case) -> Iterator[Finding]:
    """The keyring refuses who asks for more: each withdrawal, say, would be a dead letter."""
    for name, (needed, when) in _MEETS_PEOPLE.items():
        service = case.plan.services.get(name)
        if service is None or _MAY_MORE.index(service.subjects) >= _MAY_MORE.index(needed):
            continue
        yield case.finding(
            "people-unknown",
            ("services", name, "subjects"),
            f'service {name} has `subjects = "{service.subjects}"`',
            f"it meets people by their addresses, {when}, and would find nobody",
            f'Write `subjects = "{needed}"`',
        )


def keys_are_destroyed_by_who_does(case: Case) -> Iterator[Finding]:
    """The keyring refuses the commands of the privacy office else: nobody could be erased."""
    service = case.plan.services.get(_ERASES)
    if service is not None and not service.erases:
        yield case.finding(
            "erased-by-another",
            ("services", _ERASES, "erases"),
            f"service {_ERASES} does not erase",
            "keys are destroyed with its role, whoever else may",
            "Add `erases = true` to it",
        )


def services_hear_what_they_do(case: Case) -> Iterator[Finding]:
    """A plan does not make a service hear more: what is granted because of it is not safe."""
    known = {topic.name for topic in TOPICS}
    for spec in SERVICES:
        service = case.plan.services.get(spec.name)
        heard = set(spec.hears if service is None else service.hears)
        if heard <= known and heard != set(spec.hears):  # a misspelt one is told already
            yield case.finding(
                "hears-otherwise",
                ("services", spec.name, "hears"),
                f"service {spec.name} hears {listed(heard)}",
                f"what runs under this name hears {listed(spec.hears)}",
                "Write that, and grant it nothing for which it would have to hear more",
            )


RULES: tuple[Rule, ...] = (
    consent_is_heard,
    limits_are_heard,
    grants_stay_in_their_purpose,
    services_hear_topics_that_exist,
    topics_have_one_service,
    categories_are_sealed_by_somebody,
    somebody_erases,
    what_is_sealed_can_be_opened,
    duties_read_what_a_purpose_needs,
)

RULES_OF_THE_RELEASE: tuple[Rule, ...] = (
    every_service_has_a_part,
    people_are_known_to_who_meets_them,
    people_are_known_by_an_address,
    keys_are_destroyed_by_who_does,
    services_hear_what_they_do,
    finance_can_invoice_a_fee,
)
