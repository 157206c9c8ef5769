"""What a consent is, which record holds, and whether a purpose may rest on it (article 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import orjson

from shared.contract.consent import ConsentGiven, ConsentRefused, ConsentWithdrawn
from shared.contract.inbound import ConsentAnswer
from shared.contract.message import Fault
from shared.contract.types import SubjectId
from shared.contract.value_type import value_type

State = Literal["given", "refused", "withdrawn"]
CollectedBy = Literal["registration", "contact"]
Limit = Literal["objected", "restricted"]
Held: TypeAlias = tuple[State, datetime]
"""What holds of a person and a purpose, and since when."""
Reason = State | Limit | Literal["never_asked", "not_based_on_consent", "not_heard"]


_WEIGHTS: Final[Mapping[State, int]] = {"given": 0, "refused": 1, "withdrawn": 2}
"""Between statements of one moment, as `queries.sql` weighs them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the plan lets one ask consent for: purposes that rest on it, and wordings shown.

    `ever`: purposes that rest on it, or did under a plan that was in force. To these a no counts.
    """

    purposes: frozenset[str]
    wordings: Mapping[tuple[str, str, str], str]
    """(purpose, language, name of the wording) to the digest of its text"""
    ever: frozenset[str]

    def wording(self, answer: ConsentAnswer) -> str | None:
        """The digest of the text that was answered; None where the plan has no such text."""
        return self.wordings.get((answer.purpose, answer.language, answer.wording))

    def counts(self, answer: ConsentAnswer) -> bool:
        """A yes counts in words that the plan has, which prove it. A no needs none: it would take
        back what was given in others (ADR 101).
        """
        if self.wording(answer) is not None:
            return True
        return not answer.given and answer.purpose in self.ever


@value_type
class Collected:
    """Where a statement came from: `origin` is the same however often it is told."""

    by: CollectedBy
    source: str
    origin: bytes
    at: datetime


@value_type
class Statement:
    """What one person said of one purpose.

    `wording` is the digest of the text that was shown; it and `language` are None in a withdrawal,
    and a no to words that the plan has not is recorded as one.
    """

    subject_id: SubjectId
    purpose: str
    state: State
    collected: Collected
    wording: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether data may be used for a purpose, and why not."""

    may_be_used: bool
    reason: Reason
    since: datetime | None = None


def check_answers(answers: Sequence[ConsentAnswer], asked: Asked) -> Fault | None:
    """None where every yes is to something that the plan lets one ask, in words it knows, and every
    no to something that a plan let one ask.
    """
    for index, answer in enumerate(answers):
        if asked.counts(answer):
            continue
        if answer.purpose not in asked.purposes:
            return Fault(
                "purpose_unknown", f"consents.{index}.purpose: no purpose that rests on consent"
            )
        return Fault(
            "wording_unknown",
            f"consents.{index}.wording: not among the plan's wordings of this purpose",
        )
    purposes = [answer.purpose for answer in answers]
    if len(set(purposes)) < len(purposes):
        return Fault("field_invalid", "consents: one purpose is answered twice")
    return None


def counting(answers: Iterable[ConsentAnswer], asked: Asked) -> list[ConsentAnswer]:
    """The answers that count; of a purpose answered twice the one that allows less."""
    found: dict[str, ConsentAnswer] = {}
    for answer in answers:
        known = found.get(answer.purpose)
        if asked.counts(answer) and (known is None or known.given):
            found[answer.purpose] = answer
    return list(found.values())


def answered(answers: Sequence[ConsentAnswer], asked: Asked) -> Sequence[ConsentAnswer]:
    """What counts of the answers of a contact: all of them or, where one is at fault, each no."""
    if check_answers(answers, asked) is None:
        return answers
    return [answer for answer in counting(answers, asked) if not answer.given]


def statements_of(
    subject_id: SubjectId, answers: Iterable[ConsentAnswer], collected: Collected, asked: Asked
) -> list[Statement]:
    """The answers of one person, one statement each; of answers that count."""
    return [_statement(subject_id, answer, collected, asked) for answer in answers]


def _statement(
    subject_id: SubjectId, answer: ConsentAnswer, collected: Collected, asked: Asked
) -> Statement:
    wording = asked.wording(answer)
    if wording is None:
        return Statement(subject_id, answer.purpose, "withdrawn", collected)
    state: State = "given" if answer.given else "refused"
    return Statement(subject_id, answer.purpose, state, collected, wording, answer.language)


def withdrawn_purposes(named: Sequence[str], asked: Asked) -> list[str]:
    """What a withdrawal takes back: the named purposes, or everything that ever rested on consent,
    so that no yes comes back with an earlier plan.

    Names that are no such purpose take nothing back, and keep nothing else from being taken back.
    """
    return sorted(asked.ever.intersection(named) if named else asked.ever)


def withdrawals(
    subject_id: SubjectId, purposes: Iterable[str], collected: Collected
) -> list[Statement]:
    """One withdrawal per purpose: also of what was never given, as it may be on its way."""
    return [Statement(subject_id, purpose, "withdrawn", collected) for purpose in purposes]


def noes_of(origins: Mapping[SubjectId, bytes], said: Iterable[Statement]) -> list[Statement]:
    """Each no that was said, of these people too, under an origin for each of them."""
    return [
        replace(one, subject_id=subject_id, collected=replace(one.collected, origin=origin))
        for subject_id, origin in origins.items()
        for one in said
        if one.state != "given"
    ]


def record_bytes(record_id: UUID, statement: Statement, plan_digest: str) -> bytes:
    """A record as it is digested: its columns as JSON with sorted keys, the same for ever."""
    collected = statement.collected
    columns = {
        "id": record_id,
        "subject_id": statement.subject_id,
        "purpose": statement.purpose,
        "state": statement.state,
        "at": collected.at,
        "wording": statement.wording,
        "language": statement.language,
        "collected_by": collected.by,
        "source": collected.source,
        "origin": collected.origin.hex(),
        "plan_digest": plan_digest,
    }
    # Python's own UUID orjson writes itself, other kinds are asked for their text.
    return orjson.dumps(columns, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def answer(purpose: str, asked: Asked, held: Held | None, limit: Limit | None = None) -> Answer:
    """Whether the purpose may rest on this person's consent now.

    `limit`: the person objected to the purpose (article 21), or the data is restricted (article
    18); then a consent that stands does not help.
    """
    if purpose not in asked.purposes:
        return Answer(False, "not_based_on_consent")
    if held is None:
        return Answer(False, "never_asked")
    state, since = held
    if state == "given" and limit is not None:
        return Answer(False, limit)
    return Answer(state == "given", state, since)


def latest(held: Mapping[SubjectId, Held], person: Iterable[SubjectId]) -> Held | None:
    """What one person said last, as whichever subject; of one moment what allows least."""
    said = [held[subject_id] for subject_id in person if subject_id in held]
    return max(said, key=lambda one: (one[1], _WEIGHTS[one[0]]), default=None)


def of_all(answers: Sequence[Answer]) -> Answer:
    """One answer for several people: no where it is no of any of them."""
    return next((one for one in answers if not one.may_be_used), answers[0])


def fact_of(
    statement: Statement, plan_digest: str
) -> ConsentGiven | ConsentRefused | ConsentWithdrawn:
    """What other services are told of a statement. They keep the latest `at`, as we do."""
    collected = statement.collected
    said = {
        "subject_id": statement.subject_id,
        "purpose": statement.purpose,
        "at": collected.at,
        "plan_digest": plan_digest,
    }
    if statement.wording is None or statement.language is None:
        return ConsentWithdrawn.of(said)
    fact = ConsentGiven if statement.state == "given" else ConsentRefused
    return fact.of(
        said
        | {
            "wording": statement.wording,
            "language": statement.language,
            "collected_by": collected.by,
            "source": collected.source,
        }
    )
