"""One person's history as a document in the person's language (GDPR, article 15(1)(c)). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from services.audit.commands.naming import Naming, Party
from services.audit.domain.history import Disclosure, Handed, History
from shared.documents.document import Cell, Document, Fact, Section, Table, cell
from shared.documents.telling import Teller

WORDS: Final = Path(__file__).with_name("words")
"""The folder of phrases."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told of one person: `written_at` a moment, `since` another or all that there is."""

    history: History
    naming: Naming
    written_at: datetime
    since: datetime | None = None

    def say(self, table: str, key: str, **values: str) -> str:
        """A phrase of ours."""
        return self.naming.words.say(table, key, **values)

    def head(self, *keys: str) -> tuple[str, ...]:
        """The head of a table."""
        return tuple(self.say("head", key) for key in keys)

    def moment(self, moment: datetime) -> str:
        """A moment as it is where the organisation is."""
        return self.naming.words.moment(self._local(moment))

    def day(self, moment: datetime) -> str:
        """Its day."""
        return self.naming.words.day(self._local(moment))

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.naming.plans.today.organisation.time_zone))

    @property
    def teller(self) -> Teller:
        """Of what the plan of today says."""
        return Teller(self.naming.plans.today, self.naming.words)


def about_document(answer: Answer) -> Document:
    """Everything that the log says of the person. Staff has no names in it."""
    history = answer.history
    sections = (
        _covers(answer),
        _recipients(answer),
        *_handed(answer, "disclosed"),
        *_handed(answer, "transmitted"),
        *_refused(answer),
        _readings(answer),
        _log(answer),
        _more(answer),
    )
    organisation = answer.naming.plans.today.organisation.name
    return Document(
        answer.naming.words.language,
        answer.say("about", "title"),
        answer.say("about", "lead", organisation=organisation),
        sections,
        _foot(answer, history),
    )


def _covers(answer: Answer) -> Section:
    history, naming = answer.history, answer.naming
    subjects = (history.subject_id, *history.same_person)
    if answer.since is None:
        covers = answer.say("about", "covers_all")
    else:
        covers = answer.say("about", "covers_since", since=answer.moment(answer.since))
    return Section(
        naming.plans.today.organisation.name,
        facts=(
            Fact(answer.say("about", "reference"), tuple(str(one) for one in subjects)),
            Fact(answer.say("about", "written"), (answer.moment(answer.written_at),)),
            Fact(answer.say("about", "covers"), (covers,)),
        ),
    )


def _recipients(answer: Answer) -> Section:
    """Whoever received something, or may have: not who only was to."""
    heading = answer.say("about", "recipients")
    received: dict[Party, list[Disclosure]] = {}
    for one in answer.history.disclosures:
        if one.kind != "refused" and one.outcome != "failed":
            party = answer.naming.party(one.recipient, one.plan_digest)
            received.setdefault(party, []).append(one)
    if not received:
        return Section(heading, paragraphs=(answer.say("about", "recipients_none"),))
    rows = tuple(
        (
            cell(party.name),
            cell(party.role, party.abroad),
            cell(str(len(those))),
            cell(answer.day(max(one.at for one in those))),
        )
        for party, those in received.items()
    )
    head = answer.head("recipient", "role", "times", "last")
    return Section(heading, tables=(Table(answer.say("about", "recipients_each"), head, rows),))


def _handed(answer: Answer, kind: Handed) -> Iterator[Section]:
    rows = tuple(
        (
            _when(answer, one.at, one.sequence),
            _party(answer, one),
            _why(answer, one),
            answer.naming.data(one.fields, one.plan_digest),
            cell(_arrived(answer, one)),
        )
        for one in answer.history.disclosures
        if one.kind == kind
    )
    if rows:
        head = answer.head("when", "to_whom", "why", "data", "arrived")
        yield _section(answer, kind, head, rows)


def _refused(answer: Answer) -> Iterator[Section]:
    rows = tuple(
        (
            _when(answer, one.at, one.sequence),
            _party(answer, one),
            cell(answer.naming.purpose(one.purpose, one.plan_digest)),
            answer.naming.data(one.fields, one.plan_digest),
            cell(answer.naming.words.say_code("reason", one.reason or "")),
        )
        for one in answer.history.disclosures
        if one.kind == "refused"
    )
    if rows:
        head = answer.head("when", "from_whom", "what_for", "data", "reason")
        yield _section(answer, "refused", head, rows)


def _readings(answer: Answer) -> Section:
    rows = tuple(
        (
            _when(answer, one.at, one.sequence),
            cell(answer.naming.words.say_code("told", one.by)),
            cell(answer.naming.purpose(one.purpose, one.plan_digest)),
            answer.naming.data(one.fields, one.plan_digest),
        )
        for one in answer.history.accesses
    )
    if rows:
        return _section(answer, "readings", answer.head("when", "by", "what_for", "data"), rows)
    heading = answer.say("about", "readings")
    return Section(heading, paragraphs=(answer.say("about", "readings_none"),))


def _section(
    answer: Answer, key: str, head: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]
) -> Section:
    table = Table(answer.say("about", f"{key}_each"), head, tuple(rows))
    return Section(answer.say("about", key), tables=(table,))


def _when(answer: Answer, at: datetime, sequence: int) -> Cell:
    return cell(answer.moment(at), answer.say("told", "entry", sequence=str(sequence)))


def _party(answer: Answer, one: Disclosure) -> Cell:
    party = answer.naming.party(one.recipient, one.plan_digest)
    return cell(party.name, party.role, party.abroad)


def _why(answer: Answer, one: Disclosure) -> Cell:
    naming = answer.naming
    return cell(
        naming.purpose(one.purpose, one.plan_digest),
        naming.basis(one.legal_basis, one.purpose, one.plan_digest),
    )


def _arrived(answer: Answer, one: Disclosure) -> str:
    if one.outcome_at is None:
        return answer.say("told", "pending")
    at = answer.moment(one.outcome_at)
    if one.outcome == "delivered":
        return answer.say("told", "delivered", at=at)
    reason = answer.naming.words.say_code("reason", one.reason or "")
    key = "failed" if one.outcome == "failed" else "unsure"
    return answer.say("told", key, at=at, reason=reason)


def _log(answer: Answer) -> Section:
    """For how long entries of these kinds can be told as somebody's."""
    facts = tuple(
        Fact(answer.say("log", kind), (answer.teller.log_period(kind),))
        for kind in ("disclosures", "readings")
    )
    return Section(answer.say("about", "log"), facts=facts)


def _more(answer: Answer) -> Section:
    organisation = answer.naming.plans.today.organisation
    officer = organisation.data_protection_officer or organisation
    contact = answer.teller.contact_line(officer)
    paragraphs = [answer.say("about", "write", contact=contact)]
    if organisation.supervisory_authority is not None:
        authority = answer.teller.contact_line(organisation.supervisory_authority)
        paragraphs.append(answer.say("about", "complaint", authority=authority))
    return Section(answer.say("about", "more"), paragraphs=tuple(paragraphs))


def _foot(answer: Answer, history: History) -> str:
    naming = answer.naming
    told_by = {one: naming.plans.of(one) or naming.plans.today for one in history.plan_digests}
    missing = any(digest != plan.digest for digest, plan in told_by.items())
    digests = sorted({plan.digest for plan in told_by.values()})
    key = "foot" if len(digests) > 1 else "foot_today"
    foot = answer.say("about", key, digests=", ".join(digests))
    return f"{foot} {answer.say('about', 'names_of_today')}" if missing else foot
