"""Forms: which answers are kept, for which purpose, and what is wrong with the others."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from pydantic import JsonValue

from shared.contract.inbound import ConsentAnswer
from shared.contract.value_type import value_type

Kind = Literal["text", "email", "phone", "number", "boolean", "date"]

Content = dict[str, dict[str, JsonValue]]
"""Kept answers: category to name inside it to value."""

UNREGISTERED: Final = "unregistered"
"""Counts dropped answers whose names nobody registered: such a name may be anything."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where the answer to one input goes, and on what condition.

    `field` is `category.name`. `only_with` says what the person must have agreed to in the same
    registration: nothing, the purpose (a consent), or that other participants see the field.
    """

    input: str
    field: str
    purpose: str
    kind: Kind
    required: bool = False
    max_length: int = 500
    choices: tuple[str, ...] = ()
    only_with: Literal["nothing", "consent", "sharing"] = "nothing"
    category: str = dataclasses.field(init=False)
    name: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        category, _, name = self.field.partition(".")
        object.__setattr__(self, "category", category)
        object.__setattr__(self, "name", name)


@value_type
class Agreed:
    """What the person agreed to in the registration itself: purposes, and fields to be shared.

    `taken_back` are purposes that what was agreed to then does not hold for any more.
    """

    purposes: Collection[str] = frozenset()
    shared_fields: Collection[str] = frozenset()
    taken_back: Collection[str] = frozenset()

    @classmethod
    def of(
        cls,
        answers: Collection[ConsentAnswer],
        shared_fields: Collection[str],
        taken_back: Collection[str] = frozenset(),
    ) -> Agreed:
        """By the answers that count. Of a purpose answered twice the no counts, as it does in the
        consent service; and a no takes back what is opted for beside it.
        """
        given = {answer.purpose for answer in answers if answer.given}
        declined = {answer.purpose for answer in answers if not answer.given}
        return cls(given - declined, shared_fields, declined.union(taken_back))

    def without(self, purposes: Collection[str]) -> Agreed:
        """The same where these were taken back since, too."""
        return dataclasses.replace(self, taken_back={*self.taken_back, *purposes})

    def allows(self, rule: FieldRule, siblings: Iterable[FieldRule]) -> bool:
        """Whether the rule's condition is met. Sharing an input shares all that it fills."""
        if rule.only_with == "nothing":
            return True
        if rule.purpose in self.taken_back:
            return False
        if rule.only_with == "consent":
            return rule.purpose in self.purposes
        return any(sibling.field in self.shared_fields for sibling in siblings)


@dataclass(frozen=True, slots=True)
class Input:
    """One input for somebody who agreed to certain things: what it fills, and what it may not."""

    fills: tuple[FieldRule, ...]
    denied: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class Form:
    """An event's form as one source fills it: each input's rules, and names that may be told."""

    rules: Mapping[str, Sequence[FieldRule]]
    registered: Collection[str] = frozenset()
    """Names of inputs that the plan or the event registers; only these are counted by name."""
    _asked_for: frozenset[str] = frozenset()
    """Purposes and fields that something depends on; whatever else one agrees to is no matter."""
    needs_yes_for: frozenset[str] = frozenset()
    """Purposes for which something is kept with a yes alone."""
    _inputs: dict[tuple[frozenset[str], ...], Mapping[str, Input]] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    @classmethod
    def of(cls, rules: Iterable[FieldRule], registered: Collection[str] = frozenset()) -> Form:
        by_input: dict[str, list[FieldRule]] = {}
        for rule in rules:
            by_input.setdefault(rule.input, []).append(rule)
        every = [rule for rules_ in by_input.values() for rule in rules_]
        asked_for = {rule.purpose for rule in every} | {rule.field for rule in every}
        needs_yes_for = frozenset(rule.purpose for rule in every if rule.only_with != "nothing")
        names = frozenset(registered) | by_input.keys()
        return cls(by_input, names, frozenset(asked_for), needs_yes_for)

    def inputs(self, agreed: Agreed) -> Mapping[str, Input]:
        """Each input, for somebody who agreed to this. Worked out once for all who agreed alike."""
        alike = (
            self._asked_for.intersection(agreed.purposes),
            self._asked_for.intersection(agreed.shared_fields),
            self._asked_for.intersection(agreed.taken_back),
        )
        found = self._inputs.get(alike)
        if found is None:
            if len(self._inputs) >= _MOST_ALIKE:
                self._inputs.clear()
            found = self._inputs[alike] = {
                name: _input(rules, agreed) for name, rules in self.rules.items()
            }
        return found

    def agreed_for(self, kept: Kept, agreed: Agreed) -> set[str]:
        """Purposes that something of what is kept needs a yes to."""
        return {
            rule.purpose
            for asked in self.inputs(agreed).values()
            for rule in asked.fills
            if rule.only_with != "nothing" and rule.name in kept.content.get(rule.category, ())
        }

    def rests_on_agreement(self, category: str) -> bool:
        """Whether all that the form puts into the category is kept only with the person's yes."""
        return all(
            rule.only_with != "nothing"
            for rules in self.rules.values()
            for rule in rules
            if rule.category == category
        )


_MOST_ALIKE: Final = 256


def _input(rules: Sequence[FieldRule], agreed: Agreed) -> Input:
    fills = tuple(rule for rule in rules if agreed.allows(rule, rules))
    denied = tuple(rule.field for rule in rules if rule not in fills)
    return Input(fills, denied, any(rule.required for rule in fills))


@value_type
class Kept:
    """What a form leads to: the content to be kept, and the names of what was dropped."""

    content: Content = dataclasses.field(default_factory=dict)
    dropped: list[str] = dataclasses.field(default_factory=list)
    purposes: dict[str, str] = dataclasses.field(default_factory=dict)
    """Category to a purpose that its answers were given for."""


@dataclass(frozen=True, slots=True)
class FormFault:
    """What is wrong with the answers, named by input; never the value."""

    reason: Literal["field_missing", "field_invalid"]
    detail: str


def read(form: Form, answers: Mapping[str, JsonValue], agreed: Agreed) -> Kept | FormFault:
    """Decide on all answers of a registration.

    Kept is what the event's form declares and the rule's condition allows; anything else is
    dropped and named in `dropped` (article 5(1)(c)). A required answer that is not given is a
    fault, but not where it needs a consent that was not given: nobody is made to consent
    (article 7(4)).
    """
    kept = Kept()
    if not answers.keys() <= form.rules.keys():
        kept.dropped.extend(_told(form, name) for name in answers if name not in form.rules)
    for name, asked in form.inputs(agreed).items():
        value = answers.get(name)
        if _is_blank(value):
            if asked.required:
                return FormFault("field_missing", f"answers.{name} is missing")
            continue
        fault = _put(kept, asked.fills, value)
        if fault is not None:
            return fault
        if asked.denied:
            kept.dropped.extend(asked.denied)
    return kept


def read_changes(form: Form, answers: Mapping[str, JsonValue], agreed: Agreed) -> Kept | FormFault:
    """Decide on the answers of a change: only those given. A blank one takes its value away (None),
    which a required one does not allow, and for which nothing has to be agreed to.
    """
    kept = Kept()
    inputs = form.inputs(agreed)
    for name, value in answers.items():
        asked = inputs.get(name)
        if asked is None:
            kept.dropped.append(_told(form, name))
            continue
        blank = _is_blank(value)
        if blank and asked.required:
            return FormFault("field_missing", f"answers.{name} is missing")
        if blank:
            _put(kept, form.rules[name], None)
            continue
        fault = _put(kept, asked.fills, value)
        if fault is not None:
            return fault
        kept.dropped.extend(asked.denied)
    return kept


def merge(
    content: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """One category's content with changes in it; what became None is gone."""
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def refill(form: Form, category: str, content: Content, agreed: Agreed) -> dict[str, JsonValue]:
    """One category's content, from what the same inputs filled in the categories of `content`."""
    filled: dict[str, JsonValue] = {}
    for name, asked in form.inputs(agreed).items():
        values = (_value(content, rule) for rule in form.rules[name])
        value = next((known for known in values if known is not None), None)
        for rule in asked.fills:
            if rule.category == category and value is not None:
                filled[rule.name] = value
    return filled


def _value(content: Content, rule: FieldRule) -> JsonValue:
    return content.get(rule.category, {}).get(rule.name)


def _put(kept: Kept, rules: Sequence[FieldRule], value: JsonValue) -> FormFault | None:
    for rule in rules:
        if value is not None and not _is_plain_text(rule, value):
            said = _CHECKS[rule.kind](value, rule.max_length) or _check_choice(rule, value)
            if said is not None:
                return FormFault("field_invalid", f"answers.{rule.input} {said}")
        category = rule.category
        content = kept.content.get(category)
        if content is None:
            content = kept.content[category] = {}
            kept.purposes[category] = rule.purpose
        content[rule.name] = value
    return None


def _is_plain_text(rule: FieldRule, value: JsonValue) -> bool:
    """Whether there is nothing to check, as with most answers."""
    return (
        rule.kind == "text"
        and not rule.choices
        and type(value) is str
        and len(value) <= rule.max_length
    )


def _told(form: Form, name: str) -> str:
    return name if name in form.registered else UNREGISTERED


def _is_blank(value: JsonValue) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{3,29}")


def _check_text(value: JsonValue, max_length: int) -> str | None:
    if not isinstance(value, str):
        return "is not text"
    if len(value) > max_length:
        return f"is longer than {max_length} characters"
    return None


def _check_choice(rule: FieldRule, value: JsonValue) -> str | None:
    return "is none of the choices" if rule.choices and value not in rule.choices else None


def _check_email(value: JsonValue, max_length: int) -> str | None:
    """As RFC 5321, section 4.5.3.1, limits it; whether it reaches anybody only sending tells."""
    too_long = _check_text(value, min(max_length, 254))
    if too_long is not None:
        return too_long
    return None if _EMAIL.fullmatch(str(value).strip()) else "is not an e-mail address"


def _check_phone(value: JsonValue, max_length: int) -> str | None:
    too_long = _check_text(value, max_length)
    if too_long is not None:
        return too_long
    return None if _PHONE.fullmatch(str(value).strip()) else "is not a telephone number"


def _check_number(value: JsonValue, max_length: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "is not a number"
    if len(str(value)) > max_length:
        return f"is longer than {max_length} characters"
    try:
        return None if math.isfinite(float(value)) else "is not a number"
    except (ValueError, OverflowError):
        return "is not a number"


def _check_boolean(value: JsonValue, max_length: int) -> str | None:
    del max_length
    return None if isinstance(value, bool) else "is not true or false"


def _check_date(value: JsonValue, max_length: int) -> str | None:
    del max_length
    try:
        date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return "is not a date as ISO 8601 writes it"
    return None


_CHECKS: Final[Mapping[Kind, Callable[[JsonValue, int], str | None]]] = {
    "text": _check_text,
    "email": _check_email,
    "phone": _check_phone,
    "number": _check_number,
    "boolean": _check_boolean,
    "date": _check_date,
}
