"""How long data is kept, counted from what, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from services.cli.plan.difference.change import (
    Change,
    Comparison,
    Consent,
    Plans,
    text,
    touching,
)
from shared.documents.words import Words
from shared.privacy.plan import RetentionClass

_SOME_DAY = date(2024, 1, 1)


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


def books_change(plans: Plans) -> Iterator[Change]:
    """A class without categories keeps books, which name people as their invoices do."""
    words = Words("en")
    for name in dict.fromkeys((*plans.old.retention, *plans.new.retention)):
        old, new = plans.old.retention.get(name), plans.new.retention.get(name)
        where = f"retention.{name}"
        if any(one is not None and one.categories for one in (old, new)):
            continue
        if old is None and new is not None:
            says = f"Books of a new class, {name}, are kept {_for(words, new)}."
            yield Change("books-added", where, says)
        elif new is None and old is not None:
            says = f"Books of the class {name} are no longer kept {_for(words, old)}."
            yield Change("books-removed", where, says)
        elif old is not None and new is not None and _how_longer(old, new) is not None:
            now, before = _for(words, new), _for(words, old)
            says = f"Books of the class {name} are kept {now} instead of {before}."
            yield Change("books-kept-differently", f"{where}.period", says)


def reasons_change(plans: Plans) -> Iterator[Change]:
    """By which law, or why else, data is kept for as long as it is."""
    for name, new in plans.new.retention.items():
        ground = (new.law, new.reason)
        if any((old.law, old.reason) != ground for old in _kept_it_before(plans, name)):
            said = "; ".join(filter(None, ground)) or "none any more"
            says = f"The law or reason of the period of {name} is another: {said}."
            yield Change("retention-ground-changed", f"retention.{name}", says)


def what_is_left_changes(plans: Plans) -> Iterator[Change]:
    """What stays when a period is over."""
    for name, new in plans.new.retention.items():
        if any(old.afterwards != new.afterwards for old in _kept_it_before(plans, name)):
            left = "nothing is left" if new.afterwards is None else text(new.afterwards)
            says = f"After the period of {name}: {left}."
            yield Change("afterwards-changed", f"retention.{name}.afterwards", says)


def _kept_it_before(plans: Plans, name: str) -> Iterator[RetentionClass]:
    """The classes that kept what this one keeps; of one without categories that of its name."""
    categories = plans.new.retention[name].categories
    for category in categories:
        if category in plans.old.categories:
            yield plans.old.retention_of(category)[1]
    if not categories and name in plans.old.retention:
        yield plans.old.retention[name]


def financial_years_move(plans: Plans) -> Iterator[Change]:
    """Periods that count from the end of a financial year move with it."""
    old, new = plans.old.financial_year.starts, plans.new.financial_year.starts
    if old != new:
        says = (
            f"The financial year starts on {new} instead of {old}; what is kept from its end moves."
        )
        yield Change("financial-year-moved", "financial_year.starts", says)


COMPARISONS: tuple[Comparison, ...] = (
    periods_change,
    books_change,
    reasons_change,
    what_is_left_changes,
    financial_years_move,
)
