"""Which data there is, where it comes from, and how long it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from services.cli.plan.difference.change import (
    Change,
    Comparison,
    Consent,
    Plans,
    more,
    text,
    touching,
)
from shared.documents.words import Words
from shared.privacy.plan import RetentionClass

_SOME_DAY = date(2024, 1, 1)


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
    """A category that holds more or less than it did, or data of others."""
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
        whose = more(old.data_subjects, new.data_subjects)
        if whose:
            people = ", ".join(text(plans.new.data_subjects[one]) for one in whose)
            says = f"{plans.category(name)} is also of: {people}."
            yield Change("data-subjects-added", f"{where}.data_subjects", says)


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


def periods_change(plans: Plans) -> Iterator[Change]:
    """Per category, whatever class it is in: people were told how long (article 13(2)(a))."""
    words = Words("en")
    for name in plans.new.categories:
        if name not in plans.old.categories:
            continue
        class_name, new = plans.new.retention_of(name)
        _, old = plans.old.retention_of(name)
        kind = _how_longer(old, new)
        if kind is not None:
            says = (
                f"{plans.category(name)} is kept {_for(words, new)} instead of {_for(words, old)}."
            )
            asked = () if kind == "retention-shorter" else plans.consented_readers(name)
            consent: Consent = "needed" if kind == "retention-longer" else "to_be_judged"
            yield touching(kind, f"retention.{class_name}.period", says, asked, consent)


def _for(words: Words, retention: RetentionClass) -> str:
    kept = words.kept(retention)
    return kept if kept.startswith("until") else f"for {kept}"


def _how_longer(old: RetentionClass, new: RetentionClass) -> str | None:
    if (old.anchor, old.period) == (new.anchor, new.period):
        return None
    if old.anchor != new.anchor:
        return "retention-counted-differently"
    longer = new.period.after(_SOME_DAY) > old.period.after(_SOME_DAY)
    return "retention-longer" if longer else "retention-shorter"


def what_is_left_changes(plans: Plans) -> Iterator[Change]:
    """What stays when a period is over."""
    for name, new in plans.new.retention.items():
        old = plans.old.retention.get(name)
        if old is not None and old.afterwards != new.afterwards:
            left = "nothing is left" if new.afterwards is None else text(new.afterwards)
            says = f"After the period of {name}: {left}."
            yield Change("afterwards-changed", f"retention.{name}.afterwards", says)


def financial_years_move(plans: Plans) -> Iterator[Change]:
    """Periods that count from the end of a financial year move with it."""
    old, new = plans.old.financial_year.starts, plans.new.financial_year.starts
    if old != new:
        says = (
            f"The financial year starts on {new} instead of {old}; what is kept from its end moves."
        )
        yield Change("financial-year-moved", "financial_year.starts", says)


def sources_change(plans: Plans) -> Iterator[Change]:
    """Where data comes from (article 14(2)(f))."""
    for name in more(plans.old.sources, plans.new.sources):
        source = plans.new.sources[name]
        filled = more((), (one for fields in source.maps.values() for one in fields))
        says = f"A new source: {text(source.describes)}, with {plans.fields(filled) or 'no data'}."
        yield Change("source-added", f"sources.{name}", says)
    for name in more(plans.new.sources, plans.old.sources):
        says = f"Data no longer comes from: {text(plans.old.sources[name].describes)}."
        yield Change("source-removed", f"sources.{name}", says)
    for name, new in plans.new.sources.items():
        old = plans.old.sources.get(name)
        if old is None:
            continue
        before = (one for fields in old.maps.values() for one in fields)
        added = more(before, (one for fields in new.maps.values() for one in fields))
        if added:
            says = f"Also from {text(new.describes)}: {plans.fields(added)}."
            yield Change("source-fills-more", f"sources.{name}.maps", says)


COMPARISONS: tuple[Comparison, ...] = (
    categories_come_and_go,
    categories_change,
    fields_become_special,
    periods_change,
    what_is_left_changes,
    financial_years_move,
    sources_change,
)
