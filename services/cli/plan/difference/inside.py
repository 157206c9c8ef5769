"""What is done with data at home: who reads it, how it is protected, what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from services.cli.plan.difference.change import Change, Comparison, Plans, more, retold, text
from shared.documents.words import Words
from shared.privacy.plan import Accountability

_SOME_DAY = date(2024, 1, 1)


def duties_change(plans: Plans) -> Iterator[Change]:
    """Which people of the organisation may read or correct what."""
    for name in dict.fromkeys((*plans.old.duties, *plans.new.duties)):
        old, new = plans.old.duties.get(name), plans.new.duties.get(name)
        described = text((new or plans.old.duties[name]).describes)
        if old is not None and new is not None and old.describes != new.describes:
            says = f"{retold(old.describes, new.describes)}."
            yield Change("duty-described-differently", f"duties.{name}.describes", says)
        for key, verb in (("reads", "read"), ("corrects", "correct")):
            before, after = getattr(old, key, ()), getattr(new, key, ())
            added, removed = more(before, after), more(after, before)
            if added:
                says = f"{described} may {verb}: {plans.categories(added)}."
                yield Change(f"duty-{key}-more", f"duties.{name}.{key}", says)
            if removed:
                says = f"{described} may no longer {verb}: {plans.categories(removed)}."
                yield Change(f"duty-{key}-less", f"duties.{name}.{key}", says)


def measures_change(plans: Plans) -> Iterator[Change]:
    """How data is protected (article 32)."""
    for name in dict.fromkeys((*plans.old.security, *plans.new.security)):
        old, new = plans.old.security.get(name), plans.new.security.get(name)
        if old == new:
            continue
        if new is None:
            kind, says = "measure-removed", f"No longer promised: {text(old or {})}"
        else:
            kind = "measure-added" if old is None else "measure-changed"
            says = f"Promised: {text(new)}"
        yield Change(kind, f"security.{name}", says)


def accountability_changes(plans: Plans) -> Iterator[Change]:
    """How long the log can tell what was done (article 5(2))."""
    words = Words("en")
    for key in Accountability.model_fields:
        old = getattr(plans.old.accountability, key)
        new = getattr(plans.new.accountability, key)
        if old != new:
            longer = new.after(_SOME_DAY) > old.after(_SOME_DAY)
            kind = "log-kept-longer" if longer else "log-kept-shorter"
            says = (
                f"The log keeps {words.say('log', key)} for {words.period(new) or 'no time'}"
                f" instead of {words.period(old) or 'no time'}."
            )
            yield Change(kind, f"accountability.{key}", says)


def mandates_change(plans: Plans) -> Iterator[Change]:
    """What is done on behalf of other controllers (article 28)."""
    for name in dict.fromkeys((*plans.old.on_behalf, *plans.new.on_behalf)):
        old, new = plans.old.on_behalf.get(name), plans.new.on_behalf.get(name)
        if old == new:
            continue
        mandate = new or plans.old.on_behalf[name]
        kind = "mandate-ended" if new is None else "mandate-given"
        done = "Nothing more is done" if new is None else f"{text(mandate.describes)}:"
        says = f"{done} on behalf of {mandate.controller.name}."
        yield Change(kind, f"on_behalf.{name}", says)


COMPARISONS: tuple[Comparison, ...] = (
    duties_change,
    measures_change,
    accountability_changes,
    mandates_change,
)
