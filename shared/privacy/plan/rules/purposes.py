"""Purposes: on which ground, with which data, and what consent was asked for in which words."""

from __future__ import annotations

from collections.abc import Iterator

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.rules.rule import Case, Rule, listed

_MARKETING_READS = frozenset({"name", "email", "topics", "language"})


def special_categories_rest_on_explicit_consent(case: Case) -> Iterator[Finding]:
    """Article 9(2)(a): data of special categories is used with explicit consent only."""
    plan = case.plan
    for name, purpose in plan.purposes.items():
        for category in purpose.categories:
            special = [
                field
                for field in (
                    plan.categories[category].fields if category in plan.categories else ()
                )
                if field in plan.fields and plan.fields[field].special
            ]
            if special and purpose.legal_basis != "explicit_consent":
                yield case.finding(
                    "special-without-explicit-consent",
                    ("purposes", name, "legal_basis"),
                    f"purpose {name} reads {category} on {purpose.legal_basis}",
                    f"{special[0]} is of a special category (article 9)",
                    "Give the purpose the legal basis explicit_consent, or take the category out",
                    other=("fields", special[0]),
                )


def marketing_rests_on_consent(case: Case) -> Iterator[Finding]:
    """The notice: marketing only with consent."""
    for name, purpose in case.plan.purposes.items():
        if purpose.direct_marketing and purpose.legal_basis != "consent":
            yield case.finding(
                "marketing-without-consent",
                ("purposes", name, "legal_basis"),
                f"purpose {name} is direct marketing",
                f"its legal basis is {purpose.legal_basis}",
                "Give it the legal basis consent",
                other=("purposes", name, "direct_marketing"),
            )


def marketing_reads_little(case: Case) -> Iterator[Finding]:
    """The notice: name and e-mail address, and what a person chose."""
    plan = case.plan
    for name, purpose in plan.purposes.items():
        if not purpose.direct_marketing:
            continue
        for category in purpose.categories:
            fields = plan.categories[category].fields if category in plan.categories else ()
            more = [f for f in fields if f.partition(".")[2] not in _MARKETING_READS]
            if more:
                yield case.finding(
                    "marketing-reads-more",
                    ("purposes", name, "categories"),
                    f"purpose {name} is direct marketing and reads {category}",
                    f"that has {listed(more)}, and marketing reads {listed(_MARKETING_READS)}",
                    "Give marketing a category of its own without them",
                    other=("categories", category, "fields"),
                )


def consent_has_a_wording(case: Case) -> Iterator[Finding]:
    """Article 7(1): who relies on consent can show what was asked, in each language it was."""
    plan = case.plan
    for name, purpose in plan.purposes.items():
        if not purpose.needs_consent:
            continue
        asked = {wording.language for wording in plan.wordings if wording.purpose == name}
        missing = set(plan.organisation.languages) - asked
        if missing:
            yield case.finding(
                "consent-without-wording",
                ("purposes", name, "legal_basis"),
                f"purpose {name} rests on consent",
                f"there is no wording that asks for it in: {listed(missing)}",
                "Add it under [[wordings]], or leave the language out of the organisation's",
                other=("organisation", "languages"),
            )


def wordings_ask_for_something(case: Case) -> Iterator[Finding]:
    """Asking for a consent that is not needed tells people a wrong ground (article 5(1)(a))."""
    plan = case.plan
    seen: dict[tuple[str, str], int] = {}
    for place, wording in enumerate(plan.wordings):
        purpose = plan.purposes.get(wording.purpose)
        if purpose is not None and not purpose.needs_consent:
            yield case.finding(
                "wording-for-nothing",
                ("wordings", place, "purpose"),
                f"the wording {wording.id} asks for consent to {wording.purpose}",
                f"that purpose rests on {purpose.legal_basis}",
                "Remove the wording, or change the legal basis",
                other=("purposes", wording.purpose, "legal_basis"),
            )
        first = seen.setdefault((wording.id, wording.language), place)
        if first != place:
            yield case.finding(
                "wording-repeated",
                ("wordings", place, "id"),
                f"the wording {wording.id} is written in {wording.language}",
                "it was written in that language before",
                "Give the newer one an id of its own: people agreed to the older one",
                other=("wordings", first, "id"),
            )


def wordings_of_one_id_ask_the_same(case: Case) -> Iterator[Finding]:
    """An id stands for one request for consent, whatever the language it was read in."""
    first: dict[str, int] = {}
    for place, wording in enumerate(case.plan.wordings):
        earlier = case.plan.wordings[first.setdefault(wording.id, place)]
        if wording.purpose != earlier.purpose:
            yield case.finding(
                "wording-of-two-purposes",
                ("wordings", place, "purpose"),
                f"the wording {wording.id} asks in {wording.language} for {wording.purpose}",
                f"in {earlier.language} it asks for {earlier.purpose}",
                "Give each purpose a wording with an id of its own",
                other=("wordings", first[wording.id], "purpose"),
            )


def newest_wordings_are_in_every_language(case: Case) -> Iterator[Finding]:
    """Else some are asked in newer words than others, and agree to something else."""
    plan = case.plan
    newest: dict[tuple[str, str], int] = {}
    for place, wording in enumerate(plan.wordings):
        held = newest.setdefault((wording.purpose, wording.language), place)
        if wording.dated > plan.wordings[held].dated:
            newest[wording.purpose, wording.language] = place
    for (purpose, language), place in newest.items():
        mine = plan.wordings[place]
        for (other_purpose, other_language), other in newest.items():
            theirs = plan.wordings[other]
            if (
                purpose == other_purpose
                and mine.dated < theirs.dated
                and language in plan.organisation.languages
            ):
                yield case.finding(
                    "wording-behind",
                    ("wordings", place, "dated"),
                    f"the newest wording for {purpose} in {language} is {mine.id}",
                    f"in {other_language} it is {theirs.id}, of {theirs.dated}",
                    f"Write {theirs.id} in {language}",
                    other=("wordings", other, "dated"),
                )
                break


def interests_are_named(case: Case) -> Iterator[Finding]:
    """Article 13(1)(d): people are told which interest it is."""
    for name, purpose in case.plan.purposes.items():
        if purpose.legal_basis == "legitimate_interests" and purpose.interest is None:
            yield case.finding(
                "interest-not-named",
                ("purposes", name, "legal_basis"),
                f"purpose {name} rests on legitimate interests",
                "it does not say which",
                "Add `interest = { … }`",
            )


def public_authorities_have_no_interests(case: Case) -> Iterator[Finding]:
    """Article 6(1), second subparagraph."""
    for name, purpose in case.plan.purposes.items():
        if (
            purpose.legal_basis == "legitimate_interests"
            and case.plan.organisation.public_authority
        ):
            yield case.finding(
                "public-authority-with-interests",
                ("purposes", name, "legal_basis"),
                f"purpose {name} rests on legitimate interests",
                "the organisation is a public authority, whose tasks cannot rest on them",
                "Give the purpose the legal basis public_task, or another",
                other=("organisation", "public_authority"),
            )


def obligations_name_their_law(case: Case) -> Iterator[Finding]:
    """Article 6(3): a legal obligation is laid down by some law."""
    for name, purpose in case.plan.purposes.items():
        if purpose.legal_basis == "legal_obligation" and purpose.law is None:
            yield case.finding(
                "obligation-without-law",
                ("purposes", name, "legal_basis"),
                f"purpose {name} rests on a legal obligation",
                "it does not say which law",
                "Add `law = …`",
            )


def categories_serve_a_purpose(case: Case) -> Iterator[Finding]:
    """Article 5(1)(c): what no purpose needs is not collected."""
    needed = {name for purpose in case.plan.purposes.values() for name in purpose.categories}
    for name in case.plan.categories.keys() - needed:
        yield case.finding(
            "category-without-purpose",
            ("categories", name),
            f"there is a category {name}",
            "no purpose reads it",
            "Add it to the purpose that needs it, or remove it",
        )


RULES: tuple[Rule, ...] = (
    special_categories_rest_on_explicit_consent,
    marketing_rests_on_consent,
    marketing_reads_little,
    consent_has_a_wording,
    wordings_ask_for_something,
    wordings_of_one_id_ask_the_same,
    newest_wordings_are_in_every_language,
    interests_are_named,
    public_authorities_have_no_interests,
    obligations_name_their_law,
    categories_serve_a_purpose,
)
