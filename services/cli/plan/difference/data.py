"""Which data there is, of whom, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from services.cli.plan.difference.change import (
    Change,
    Comparison,
    Plans,
    more,
    retold,
    text,
    texts_of_field,
    touching,
)
from shared.privacy.plan import Source


def categories_come_and_go(plans: Plans) -> Iterator[Change]:
    """A category that is new or is no more."""
    for name in more(plans.old.categories, plans.new.categories):
        fields = plans.fields(plans.new.categories[name].fields)
        says = f"Data of a new category: {fields}."
        yield Change("category-added", f"categories.{name}", says)
    for name in more(plans.new.categories, plans.old.categories):
        says = f"Data of this category is no longer collected: {plans.category(name)}."
        yield Change("category-removed", f"categories.{name}", says)


def categories_change(plans: Plans) -> Iterator[Change]:
    """A category that holds more or less than it did."""
    for name, new in plans.new.categories.items():
        old = plans.old.categories.get(name)
        if old is None:
            continue
        where, asked = f"categories.{name}", plans.consented_readers(name)
        added, removed = more(old.fields, new.fields), more(new.fields, old.fields)
        if added:
            says = f"More is collected: {plans.fields(added)}."
            yield touching("field-added", f"{where}.fields", says, asked)
        if removed:
            says = f"No longer collected: {plans.fields(removed)}."
            yield Change("field-removed", f"{where}.fields", says)


def categories_are_of_others(plans: Plans) -> Iterator[Change]:
    """Whose data a category holds (article 30(1)(c))."""
    for name, new in plans.new.categories.items():
        old = plans.old.categories.get(name)
        if old is None:
            continue
        where = f"categories.{name}.data_subjects"
        added = more(old.data_subjects, new.data_subjects)
        removed = more(new.data_subjects, old.data_subjects)
        if added:
            people = ", ".join(text(plans.new.data_subjects[one]) for one in added)
            says = f"{plans.category(name)} is also of: {people}."
            yield Change("data-subjects-added", where, says)
        if removed:
            people = ", ".join(text(plans.old.data_subjects[one]) for one in removed)
            says = f"{plans.category(name)} is no longer of: {people}."
            yield Change("data-subjects-removed", where, says)


def data_is_described_differently(plans: Plans) -> Iterator[Change]:
    """What people are told that is kept, and of whom. Who consented read the former words."""
    for name, category in plans.new.categories.items():
        before = plans.old.categories.get(name)
        if before is not None and before.describes != category.describes:
            yield touching(
                "category-described-differently",
                f"categories.{name}.describes",
                f"{retold(before.describes, category.describes)}.",
                plans.consented_readers(name),
                "to_be_judged",
            )
    for name in plans.new.fields:
        if name not in plans.old.fields:
            continue
        old, new = texts_of_field(plans.old, name), texts_of_field(plans.new, name)
        if old != new:
            category_name = name.partition(".")[0]
            yield touching(
                "field-described-differently",
                f'fields."{name}".describes',
                f"{retold(old, new)} ({plans.category(category_name)}).",
                plans.consented_readers(category_name),
                "to_be_judged",
            )
    for name, whose in plans.new.data_subjects.items():
        earlier = plans.old.data_subjects.get(name)
        if earlier is not None and earlier != whose:
            says = f"{retold(earlier, whose)}: whose data there is."
            yield Change("data-subjects-described-differently", f"data_subjects.{name}", says)


def fields_become_special(plans: Plans) -> Iterator[Change]:
    """Article 9: what was ordinary data needs explicit consent now."""
    for name, field in plans.new.fields.items():
        old = plans.old.fields.get(name)
        if old is not None and field.special != old.special:
            becomes = (
                "is data of a special category now" if field.special else "is ordinary data now"
            )
            says = f"{plans.fields([name])} {becomes}."
            asked = plans.consented_readers(name.partition(".")[0]) if field.special else ()
            yield touching("special-changed", f'fields."{name}".special', says, asked)


def sources_change(plans: Plans) -> Iterator[Change]:
    """Where data comes from (article 14(2)(f))."""
    for name in more(plans.old.sources, plans.new.sources):
        source = plans.new.sources[name]
        filled = plans.fields(_filled(source)) or "no data"
        says = f"A new source: {text(source.describes)}, with {filled}."
        yield Change("source-added", f"sources.{name}", says)
    for name in more(plans.new.sources, plans.old.sources):
        says = f"Data no longer comes from: {text(plans.old.sources[name].describes)}."
        yield Change("source-removed", f"sources.{name}", says)
    for name, new in plans.new.sources.items():
        old = plans.old.sources.get(name)
        if old is not None:
            yield from _source_changes(plans, f"sources.{name}", old, new)


def _source_changes(plans: Plans, where: str, old: Source, new: Source) -> Iterator[Change]:
    if old.describes != new.describes:
        says = f"{retold(old.describes, new.describes)}: a source of data."
        yield Change("source-described-differently", f"{where}.describes", says)
    before, now = _filled(old), _filled(new)
    added, removed = more(before, now), more(now, before)
    if added:
        says = f"Also from {text(new.describes)}: {plans.fields(added)}."
        yield Change("source-fills-more", f"{where}.maps", says)
    if removed:
        says = f"No longer from {text(new.describes)}: {plans.fields(removed)}."
        yield Change("source-fills-less", f"{where}.maps", says)


def _filled(source: Source) -> tuple[str, ...]:
    """The fields that a source fills, each once."""
    return more((), (one for fields in source.maps.values() for one in fields))


COMPARISONS: tuple[Comparison, ...] = (
    categories_come_and_go,
    categories_change,
    categories_are_of_others,
    data_is_described_differently,
    fields_become_special,
    sources_change,
)
