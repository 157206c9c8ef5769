"""Fields and categories: each field has one home, and each name that is used exists."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.lines import Path
from shared.privacy.plan.rules.rule import Case, Rule, listed


def fields_have_one_category(case: Case) -> Iterator[Finding]:
    """A field in two categories would be kept, opened and erased by two rules at once."""
    homes: dict[str, str] = {}
    for name, category in case.plan.categories.items():
        for field in category.fields:
            if field in homes and homes[field] != name:
                yield case.finding(
                    "field-in-two-categories",
                    ("categories", name, "fields"),
                    f"category {name} has the field {field}",
                    f"category {homes[field]} has it too",
                    "Leave it in one; a second use of the same input is a second field",
                    other=("categories", homes[field], "fields"),
                )
            homes.setdefault(field, name)


def fields_are_named_after_their_category(case: Case) -> Iterator[Finding]:
    """The name of a field says whose key opens it."""
    for name, category in case.plan.categories.items():
        for field in category.fields:
            if field in case.plan.fields and field.partition(".")[0] != name:
                yield case.finding(
                    "field-of-other-name",
                    ("categories", name, "fields"),
                    f"category {name} has the field {field}",
                    f"by its name it belongs to {field.partition('.')[0]}",
                    f"Name it {name}.{field.partition('.')[2]}, here and under [fields]",
                    other=("fields", field),
                )


def fields_are_in_a_category(case: Case) -> Iterator[Finding]:
    """A field outside all categories has no key, no purpose and no retention."""
    used = {field for category in case.plan.categories.values() for field in category.fields}
    for field in case.plan.fields.keys() - used:
        yield case.finding(
            "field-without-category",
            ("fields", field),
            f"there is a field {field}",
            "no category has it",
            "List it in its category, or remove it",
        )


def choices_fit_their_field(case: Case) -> Iterator[Finding]:
    """A choice that the field's own type or length refuses can never be made."""
    for name, field in case.plan.fields.items():
        long = [choice for choice in field.choices if len(choice) > field.max_length]
        if field.choices and (field.type != "text" or long):
            limit = f"at most {field.max_length} characters" if long else f"of type {field.type}"
            yield case.finding(
                "choice-does-not-fit",
                ("fields", name),
                f"field {name} is one of: {listed(long or field.choices)}",
                f"it is {limit}",
                'Give it the type "text", and room for every choice',
            )


def special_fields_stand_alone(case: Case) -> Iterator[Finding]:
    """What is sealed together is opened together: who needs a name would open a diagnosis."""
    fields = case.plan.fields
    for name, category in case.plan.categories.items():
        known = [field for field in category.fields if field in fields]
        special = [field for field in known if fields[field].special]
        if special and len(special) < len(known):
            ordinary = next(field for field in known if not fields[field].special)
            yield case.finding(
                "special-with-ordinary",
                ("categories", name, "fields"),
                f"category {name} has {ordinary}",
                f"{special[0]} beside it is of a special category (article 9)",
                "Give what is special a category of its own",
                other=("fields", special[0]),
            )


def names_exist(case: Case) -> Iterator[Finding]:
    """Whatever is named elsewhere is defined somewhere."""
    plan = case.plan
    kinds: dict[str, Mapping[str, object]] = {
        "field": plan.fields,
        "category": plan.categories,
        "purpose": plan.purposes,
        "data subject": plan.data_subjects,
    }
    for path, kind, names in _references(case):
        known = kinds[kind]
        for name in (name for name in names if name not in known):
            near = difflib.get_close_matches(name, known, n=1)
            yield case.finding(
                f"unknown-{kind.replace(' ', '-')}",
                path,
                f"{'.'.join(map(str, path))} names the {kind} {name}",
                f"the plan has no such {kind}",
                f"Did you mean {near[0]}?" if near else f"Use one of: {listed(known)}",
            )


_Reference = tuple[Path, str, tuple[str, ...]]
"""Where names stand, of what kind they are, and the names."""


def _references(case: Case) -> Iterator[_Reference]:
    """Every list of names in the plan."""
    plan = case.plan
    for name, category in plan.categories.items():
        yield ("categories", name, "fields"), "field", category.fields
        yield ("categories", name, "data_subjects"), "data subject", category.data_subjects
    for name, purpose in plan.purposes.items():
        yield ("purposes", name, "categories"), "category", purpose.categories
    for name, retention in plan.retention.items():
        yield ("retention", name, "categories"), "category", retention.categories
    for place, wording in enumerate(plan.wordings):
        yield ("wordings", place, "purpose"), "purpose", (wording.purpose,)
    yield from _references_outside(case)
    yield from _references_inside(case)


def _references_outside(case: Case) -> Iterator[_Reference]:
    for name, source in case.plan.sources.items():
        for given, fields in source.maps.items():
            yield ("sources", name, "maps", given), "field", fields
    for name, recipient in case.plan.recipients.items():
        yield ("recipients", name, "purposes"), "purpose", recipient.purposes
        yield ("recipients", name, "fields"), "field", recipient.fields
    for name, authority in case.plan.authorities.items():
        yield ("authorities", name, "categories"), "category", authority.categories


def _references_inside(case: Case) -> Iterator[_Reference]:
    for name, service in case.plan.services.items():
        yield ("services", name, "seals"), "category", service.seals
        for purpose, categories in service.grants.items():
            yield ("services", name, "grants", purpose), "purpose", (purpose,)
            yield ("services", name, "grants", purpose), "category", categories
    for name, duty in case.plan.duties.items():
        yield ("duties", name, "reads"), "category", duty.reads
        yield ("duties", name, "corrects"), "category", duty.corrects


RULES: tuple[Rule, ...] = (
    fields_have_one_category,
    fields_are_named_after_their_category,
    fields_are_in_a_category,
    choices_fit_their_field,
    special_fields_stand_alone,
    names_exist,
)
