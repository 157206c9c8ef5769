"""One change between two plans, in words, and what it does to consents that people gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.privacy.plan import Plan

Consent = Literal["needed", "to_be_judged", "not_needed"]
"""Whether people have to be asked (again): a consent covers what it was asked for, and no more
(articles 4(11) and 7). `to_be_judged`: whether the meaning has changed only a person can tell.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is different for people. `purposes`: those whose consents it touches, where it does."""

    kind: str
    where: str
    says: str
    consent: Consent = "not_needed"
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan that is in force, and the one that is to be."""

    old: Plan
    new: Plan

    def consented(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of these purposes rest on consent in the new plan, in its order."""
        wanted = set(names)
        return tuple(
            name
            for name, purpose in self.new.purposes.items()
            if name in wanted and purpose.needs_consent
        )

    def consented_readers(self, category: str) -> tuple[str, ...]:
        """Purposes on consent that both plans know and that read the category in both."""
        return self.consented(
            name
            for name, purpose in self.new.purposes.items()
            if category in purpose.categories
            and name in self.old.purposes
            and category in self.old.purposes[name].categories
        )

    def category(self, name: str) -> str:
        """What a category is called."""
        plan = self.new if name in self.new.categories else self.old
        return text(plan.categories[name].describes)

    def categories(self, names: Iterable[str]) -> str:
        return ", ".join(self.category(name) for name in names)

    def fields(self, names: Iterable[str]) -> str:
        """What fields are called, each with its category's name."""
        return ", ".join(self._field(name) for name in names)

    def _field(self, name: str) -> str:
        plan = self.new if name in self.new.fields else self.old
        category = name.partition(".")[0]
        return f"{text(texts_of_field(plan, name))} ({self.category(category)})"


def texts_of_field(plan: Plan, name: str) -> Mapping[str, str]:
    """What a field is called, as documents call it: by the second half of its name where the plan
    does not say.
    """
    describes = plan.fields[name].describes
    return describes or {"en": name.partition(".")[2].replace("_", " ")}


Comparison = Callable[[Plans], Iterator[Change]]


def text(texts: Mapping[str, str]) -> str:
    """The English text, or the first that there is."""
    return texts.get("en") or next(iter(texts.values()))


def retold(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """That something is described otherwise, in the first language in which it is: English, or
    what those who speak another were told instead.
    """
    languages = (one for one in ("en", *new, *old) if old.get(one) != new.get(one))
    language = next(languages, "en")
    before, now = old.get(language, text(old)), new.get(language, text(new))
    return f"What was “{before}” is described as “{now}”"


def more(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """What the new one has and the old one lacks, in order."""
    known = set(old)
    return tuple(dict.fromkeys(name for name in new if name not in known))


def touching(
    kind: str, where: str, says: str, asked: tuple[str, ...], consent: Consent = "needed"
) -> Change:
    """A change that touches the consents to these purposes; without any it touches none."""
    return Change(kind, where, says, consent if asked else "not_needed", asked)
