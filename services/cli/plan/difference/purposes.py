"""What data is used for, on what ground, and in which words people were asked."""

from __future__ import annotations

from collections.abc import Iterator

from services.cli.plan.difference.change import (
    Change,
    Comparison,
    Plans,
    more,
    retold,
    text,
    touching,
)
from shared.privacy.plan import Purpose, Recipient, Wording


def earlier_data(part: Purpose | Recipient) -> str:
    """Whether something new reaches back (articles 6(4) and 13(3))."""
    if part.covers_earlier_data is None:
        return "Data collected before is not used for it."
    return f"Data collected before is used too, because: {part.covers_earlier_data}."


def purposes_come_and_go(plans: Plans) -> Iterator[Change]:
    """A purpose that is new or is no more."""
    for name in more(plans.old.purposes, plans.new.purposes):
        purpose = plans.new.purposes[name]
        asked = plans.consented([name])
        yield touching(
            "purpose-added",
            f"purposes.{name}",
            f"A new purpose: “{text(purpose.describes)}”, on {purpose.legal_basis}, with"
            f" {plans.categories(purpose.categories)}. {earlier_data(purpose)}",
            asked,
        )
    for name in more(plans.new.purposes, plans.old.purposes):
        described = text(plans.old.purposes[name].describes)
        yield Change(
            "purpose-removed", f"purposes.{name}", f"Data is no longer used for “{described}”."
        )


def purposes_change(plans: Plans) -> Iterator[Change]:
    """A purpose that both plans have and that means something else now."""
    for name, new in plans.new.purposes.items():
        old = plans.old.purposes.get(name)
        if old is not None and old != new:
            yield from _basis(plans, name, old, new)
            yield from _reads(plans, name, old, new)
            yield from _description(plans, name, old, new)


def _basis(plans: Plans, name: str, old: Purpose, new: Purpose) -> Iterator[Change]:
    where = f"purposes.{name}.legal_basis"
    if old.legal_basis != new.legal_basis:
        asked = plans.consented([name])
        freed = (
            " Those who refused or withdrew are no longer asked."
            if old.needs_consent and not new.needs_consent
            else ""
        )
        says = (
            f"The legal basis of “{text(new.describes)}” changes from {old.legal_basis} to"
            f" {new.legal_basis}.{freed}"
        )
        yield touching("legal-basis-changed", where, says, asked)
    if (old.law, old.interest) != (new.law, new.interest):
        yield Change(
            "ground-changed",
            f"purposes.{name}",
            f"The law or interest that “{text(new.describes)}” rests on is another.",
        )


def _reads(plans: Plans, name: str, old: Purpose, new: Purpose) -> Iterator[Change]:
    where = f"purposes.{name}.categories"
    asked = plans.consented([name])
    added = more(old.categories, new.categories)
    if added:
        says = f"“{text(new.describes)}” also uses: {plans.categories(added)}."
        yield touching("purpose-reads-more", where, says, asked)
    removed = more(new.categories, old.categories)
    if removed:
        says = f"“{text(new.describes)}” no longer uses: {plans.categories(removed)}."
        yield Change("purpose-reads-less", where, says)


def _description(plans: Plans, name: str, old: Purpose, new: Purpose) -> Iterator[Change]:
    where = f"purposes.{name}"
    asked = plans.consented([name])
    if old.describes != new.describes:
        says = f"{retold(old.describes, new.describes)}."
        yield touching(
            "purpose-described-differently", f"{where}.describes", says, asked, "to_be_judged"
        )
    if old.direct_marketing != new.direct_marketing:
        becomes = "becomes" if new.direct_marketing else "is no longer"
        says = f"“{text(new.describes)}” {becomes} direct marketing."
        added = asked if new.direct_marketing else ()
        yield touching("marketing-changed", f"{where}.direct_marketing", says, added)
    if old.automated_decisions != new.automated_decisions:
        said = new.automated_decisions
        says = (
            f"“{text(new.describes)}” no longer decides by machine alone."
            if said is None
            else f"“{text(new.describes)}” decides by machine alone: {text(said)}"
        )
        yield Change("automated-decisions-changed", f"{where}.automated_decisions", says)
    if (old.since, old.covers_earlier_data) != (new.since, new.covers_earlier_data):
        says = f"“{text(new.describes)}” reaches back differently. {earlier_data(new)}"
        yield touching("reach-changed", where, says, asked, "to_be_judged")


def wordings_change(plans: Plans) -> Iterator[Change]:
    """Article 7(1): what people read when they agreed, and what they will read."""
    old = {(one.id, one.language): one for one in plans.old.wordings}
    new = {(one.id, one.language): one for one in plans.new.wordings}
    for key, wording in new.items():
        earlier = old.get(key)
        if earlier is not None and earlier.purpose != wording.purpose:
            yield _of_another_purpose(plans, earlier, wording)
        if earlier is not None and earlier.text == wording.text:
            continue
        asked = tuple(name for name in (wording.purpose,) if name in plans.old.purposes)
        kind = "wording-added" if earlier is None else "wording-rewritten"
        says = (
            f"People are asked for {wording.purpose} in a new wording, {wording.id}"
            f" ({wording.language}): “{wording.text}”"
            if earlier is None
            else f"The wording {wording.id} ({wording.language}) is another text under the same"
            f" id: “{earlier.text}” is now “{wording.text}”"
        )
        yield touching(kind, f"wordings.{wording.id}", says, asked, "to_be_judged")
    for (name, language), wording in old.items():
        if (name, language) not in new and wording.purpose in plans.new.purposes:
            says = (
                f"The wording {name} ({language}) is gone: what those who agreed to it had read"
                " can no longer be shown."
            )
            asked = (wording.purpose,)
            yield Change("wording-removed", f"wordings.{name}", says, "to_be_judged", asked)


def _of_another_purpose(plans: Plans, old: Wording, new: Wording) -> Change:
    """Nobody who read it before agreed to what it asks for now, nor proves what it asked for."""
    asked = plans.consented((old.purpose, new.purpose))
    says = (
        f"The wording {new.id} ({new.language}) asks for {new.purpose}; those who agreed to it were"
        f" asked for {old.purpose}."
    )
    where = f"wordings.{new.id}"
    return touching("wording-for-another-purpose", where, says, asked, "to_be_judged")


COMPARISONS: tuple[Comparison, ...] = (purposes_come_and_go, purposes_change, wordings_change)
