"""What the privacy office does to subjects and keys: link, unlink, show, destroy, forget.

For the one service that the plan lets erase; the keyring refuses every other role. Each method runs
inside the caller's transaction and says its audit entry there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from shared.contract.audit import (
    AccessRefused,
    AliasesForgotten,
    KeysDestroyed,
    KeysRotated,
    SubjectLinked,
    SubjectUnlinked,
)
from shared.contract.topics import INBOUND_KEPT
from shared.contract.types import EventId, SubjectId
from shared.privacy import keyring
from shared.privacy.attempts import Attempts, take_attempts
from shared.privacy.disclosure import Transaction
from shared.privacy.entry_head import EntryHead, entry_head
from shared.privacy.errors import NotInPlanError, ScopeError
from shared.privacy.keyring import KeyName, KeyOfPerson
from shared.privacy.privacy import Privacy
from shared.privacy.records import KEPT
from shared.privacy.subjects import Alias, AliasKind, Person
from shared.runtime.database import Connection, queries

RETIRED_AFTER: Final = INBOUND_KEPT + KEPT + KEPT + timedelta(days=1)
"""So long after an erasure a fact from before it may still come: it lay in its topic, waited for
its event, for as long as it can be opened where a partition stands still (ADR 73), became a dead
letter, which opens for 30 days after the one on which it was taken, and was redriven. Until then
the alias has to lead to the subject that was erased."""

RETIRED_AT_ONCE: Final = 1_000

LinkReason = Literal["changed-address", "shared-address", "same-person"]
LinkOutcome = Literal["linked", "to be erased", "known", "taken", "erased"]
"""`to be erased`: it is linked, and one of the two who are one person now was to be erased once
nothing of theirs is kept, and now both are; `known`: it led there already; `taken`: it is another's
and the reason is not one for which it may be taken from there; `erased`: who is erased is linked
with nobody."""
UnlinkReason = Literal["address-given-up", "linked-by-mistake", "entered-by-mistake"]

_sql = queries("queries.sql", __file__)


@dataclass(frozen=True, slots=True)
class Known:
    """One way in which a person is known, and who else is; what it is, only a digest of is kept."""

    kind: AliasKind
    source: str | None
    shared: bool
    """Whether it leads to somebody else where it is all that is known."""
    made_at: datetime
    shared_with: tuple[SubjectId, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose keys, of which event, of which retention class or categories; None does not narrow it
    down.
    """

    people: tuple[SubjectId, ...] | None = None
    event_id: EventId | None = None
    retention_class: str | None = None
    categories: tuple[str, ...] | None = None
    but_for_law: bool = False
    """Whether the categories are all but those that a law has kept."""

    @property
    def erased(self) -> tuple[SubjectId, ...]:
        """Who is to be erased: of whom all goes, or all but what a law has kept."""
        narrowed = (
            self.event_id is not None
            or self.retention_class is not None
            or (self.categories is not None and not self.but_for_law)
        )
        return () if narrowed else self.people or ()

    @property
    def erased_later(self) -> tuple[SubjectId, ...]:
        """Who is erased once what a law has kept is gone too: of whom all else goes now."""
        return self.erased if self.but_for_law else ()


class DueKey(Protocol):
    """A key of what may be kept no longer, and its class. `ended_at` is when the consent ended that
    it hangs on.
    """

    @property
    def name(self) -> KeyOfPerson: ...

    @property
    def retention_class(self) -> str: ...

    @property
    def ended_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Gone:
    """How many keys are destroyed, by category, and of which names one is alive still."""

    keys: Mapping[str, int]
    staying: frozenset[KeyOfPerson]


class PrivacyOffice:
    """At work for one actor (an account id, or `cli:` and the account of a command)."""

    def __init__(self, privacy: Privacy, actor: str) -> None:
        self._privacy = privacy
        self._actor = actor

    async def everybody(self, connection: Connection, alias: Alias) -> tuple[Person, ...]:
        """The people whom an alias stands for, whom it leads to first: who share it are several."""
        (found,) = await self._privacy.people.everybody(connection, [alias])
        return found

    async def person_of(self, connection: Connection, subject_id: SubjectId) -> Person | None:
        """A person by any of the subjects; None where it is nobody's: no alias, and no key."""
        person = await self._privacy.people.same_people(connection, subject_id)
        for one in person:
            if await self.known_by(connection, one):
                return person
        return person if await self.count_keys(connection, Scope(person)) else None

    async def known_by(self, connection: Connection, subject_id: SubjectId) -> list[Known]:
        """In which ways a person is known, the oldest first."""
        rows = _sql.aliases_of(connection, subject_id=subject_id)
        return [
            Known(
                kind=row["kind"],
                source=row["source"],
                shared=row["shared"],
                made_at=row["made_at"],
                shared_with=tuple(map(SubjectId, row["shared_with"])),
            )
            async for row in rows
        ]

    async def link(
        self,
        tx: Transaction,
        alias: Alias,
        subject_id: SubjectId,
        reason: LinkReason,
        *,
        of: SubjectId | None = None,
    ) -> LinkOutcome:
        """Let an alias lead to a subject. For a same person, `of` is who of those that have the
        alias becomes that person; without it, nobody else may have it.
        """
        row = await _sql.link_alias(
            tx.connection,
            digests=self._privacy.people.digests_of(alias),
            kind=alias.kind,
            made_with=self._privacy.people.newest_pepper,
            subject_id=subject_id,
            reason=reason,
            of_subject=of,
        )
        outcome: LinkOutcome = row["outcome"]
        if outcome in ("linked", "to be erased"):
            led_to = None if row["led_to"] is None else SubjectId(row["led_to"])
            entry = SubjectLinked(
                **self._entry(tx),
                subject_id=subject_id,
                kind=alias.kind,
                reason=reason,
                led_to=led_to,
            )
            tx.say(entry, key=None, subject=subject_id)
        return outcome

    async def unlink(
        self, tx: Transaction, alias: Alias, subject_id: SubjectId, reason: UnlinkReason
    ) -> bool:
        """Let an alias lead to a subject no longer; whether it did."""
        removed: bool = await _sql.unlink_alias(
            tx.connection, digests=self._privacy.people.digests_of(alias), subject_id=subject_id
        )
        if removed:
            entry = SubjectUnlinked(
                **self._entry(tx), subject_id=subject_id, kind=alias.kind, reason=reason
            )
            tx.say(entry, key=None, subject=subject_id)
        return removed

    async def count_keys(self, connection: Connection, scope: Scope) -> dict[str, int]:
        """How many keys that are alive lie in the scope, by category."""
        return await keyring.count_keys(connection, self._names(scope))

    async def count_kept_by_law(self, connection: Connection, scope: Scope) -> dict[str, int]:
        """How many of them seal what a law has kept, by category; none where the class is named:
        whoever names it means it.
        """
        if scope.retention_class is not None:
            return {}
        alive = await self.count_keys(connection, scope)
        lawful = self._privacy.plan.kept_by_law
        return {category: keys for category, keys in alive.items() if category in lawful}

    async def but_for_kept_by_law(self, connection: Connection, scope: Scope) -> Scope:
        """The scope without what a law has kept; with categories that only an older plan had."""
        plan = self._privacy.plan
        alive = await self.count_keys(connection, scope)
        categories = plan.categories.keys() | alive.keys()
        rest = tuple(sorted(categories - plan.kept_by_law.keys()))
        return replace(scope, categories=rest, but_for_law=True)

    async def announce(self, tx: Transaction, scope: Scope, cut_off: datetime) -> None:
        """From the commit on, facts up to `cut_off` make no key there: before `destroy`."""
        await keyring.announce_cut_off(tx.connection, self._names(scope), cut_off=cut_off)

    async def destroy(self, tx: Transaction, scope: Scope, cut_off: datetime) -> dict[str, int]:
        """Destroy the keys of the scope; how many it were, by category. Each person of the scope
        has an entry, with their own. Of whom a law has something kept is erased once that is gone.
        """
        gone = await keyring.destroy_keys(tx.connection, self._names(scope), cut_off=cut_off)
        if scope.erased_later:
            await keyring.ask_erasure(tx.connection, scope.erased_later, cut_off=cut_off)
        for subject_id in scope.people or (None,):
            theirs = gone.get(subject_id, {})
            entry = KeysDestroyed(
                **self._entry(tx),
                subject_id=subject_id,
                event_id=scope.event_id,
                retention_class=scope.retention_class,
                categories=tuple(sorted(theirs)),
                keys=sum(theirs.values()),
                cut_off=cut_off,
            )
            tx.say(entry, key=None, subject=subject_id)
        return _by_category(gone.values())

    async def count_due(self, connection: Connection, due: Collection[DueKey]) -> dict[str, int]:
        """How many of these keys are alive, by category."""
        return await keyring.count_keys(connection, [key.name for key in due])

    async def close_due(self, connection: Connection, due: Collection[DueKey], on: date) -> None:
        """From the commit on, these keys seal nothing that would put off that they are due: before
        `destroy_due`, and before it is seen whether all was heard that they have sealed.
        """
        up_to = {key.name: self._up_to(key, on) for key in due}
        await keyring.close_keys(connection, up_to)

    async def destroy_due(self, tx: Transaction, due: Collection[DueKey], on: date) -> Gone:
        """Destroy keys that are closed, since what they seal may be kept no longer on a day. Each
        retention class of which a key was alive has an entry, with the first of the moments up to
        which nothing is added.
        """
        counts = await keyring.destroy_closed_keys(tx.connection, [key.name for key in due])
        classes: dict[str, list[DueKey]] = {}
        for key in due:
            classes.setdefault(key.retention_class, []).append(key)
        gone: Counter[str] = Counter()
        for retention_class, keys in sorted(classes.items()):
            destroyed: Counter[str] = Counter()
            for key in keys:
                destroyed[key.name[1]] += counts[key.name].destroyed
            if not destroyed.total():
                continue
            entry = KeysDestroyed(
                **self._entry(tx),
                subject_id=None,
                event_id=None,
                retention_class=retention_class,
                categories=tuple(sorted(+destroyed)),
                keys=destroyed.total(),
                cut_off=min(self._up_to(key, on) for key in keys),
                due_on=on,
            )
            tx.say(entry, key=None)
            gone.update(+destroyed)
        return Gone(dict(gone), frozenset(name for name in counts if counts[name].alive))

    def _up_to(self, key: DueKey, on: date) -> datetime:
        """A no leaves the yes alone that comes after it. Else nothing that is said before the day
        puts off that it is due: a key for that would be due at once.
        """
        return key.ended_at or datetime.combine(on, time(), self._zone)

    async def retire_replaced(self, tx: Transaction) -> list[KeysRotated]:
        """Retire key-encryption keys that were replaced and wrap nothing any more; the entries."""
        retired = await keyring.retire_key_encryption_keys(tx.connection)
        entries = [
            KeysRotated(**self._entry(tx), key_encryption_key=by, replaced=kek, keys=keys)
            for kek, by, keys in retired
        ]
        for entry in entries:
            tx.say(entry, key=None)
        return entries

    def check(self, scope: Scope) -> None:
        """Whether somebody may name that. NotInPlanError for a class that the plan does not have or
        that has no categories; ScopeError where a class would hold more keys than meant, or none.
        """
        self._names(scope)
        if scope.retention_class is None:
            return
        if scope.event_id is not None:
            if self._privacy.plan.retention[scope.retention_class].anchor != "event_end":
                raise ScopeError(
                    "the keys of this class belong to no event: name a person instead; destroy-due"
                    " takes what is due"
                )
        elif scope.people is None:
            raise ScopeError(
                "a class alone is everybody's, also what is not due yet: name a person as well, or"
                " an event where the class counts from its end; destroy-due takes what is due"
            )

    def _names(self, scope: Scope) -> list[KeyName]:
        categories: Sequence[str | None] = (None,)
        if scope.categories is not None:
            categories = scope.categories
        elif scope.retention_class is not None:
            known = self._privacy.plan.retention.get(scope.retention_class)
            if known is None or not known.categories:
                have = ", ".join(n for n, c in self._privacy.plan.retention.items() if c.categories)
                raise NotInPlanError(f"the plan has these classes with categories: {have}")
            categories = known.categories
        context = None if scope.event_id is None else f"event:{scope.event_id}"
        return [
            (subject_id, category, context)
            for subject_id in scope.people or (None,)
            for category in categories
        ]

    async def retire(self, connection: Connection, now: datetime) -> int:
        """Let aliases of the long erased lead there for the audit service alone; how many.

        Who was to be erased, and of whom nothing is kept any more, is erased from now on.
        """
        retired: int = await _sql.retire_aliases(
            connection, erased_before=now - RETIRED_AFTER, most=RETIRED_AT_ONCE
        )
        return retired

    async def forget(self, tx: Transaction) -> int:
        """Delete the aliases of people who were erased so long ago that the plan's accountability
        periods are over; how many it were.
        """
        plan = self._privacy.plan
        told = plan.accountability.first_day_told(tx.now.astimezone(self._zone).date())
        erased_before = datetime.combine(told, time(), self._zone)
        forgotten: int = await _sql.forget_aliases(tx.connection, erased_before=erased_before)
        if forgotten:
            entry = AliasesForgotten(
                **self._entry(tx), erased_before=erased_before, aliases=forgotten
            )
            tx.say(entry, key=None)
        return forgotten

    async def report_attempts(self, tx: Transaction, most: int) -> int:
        """Say what was asked for without a grant, of minutes that are over; how many entries."""
        taken = await take_attempts(tx.connection, tx.now, most)
        for one in taken:
            tx.say(self._refused(tx, one), key=None)
        return len(taken)

    def _refused(self, tx: Transaction, one: Attempts) -> AccessRefused:
        return AccessRefused(
            at=tx.now,
            actor=f"service:{one.role.removeprefix('steward_')}",
            plan_digest=self._privacy.plan.digest,
            service=self._privacy.service,
            categories=() if one.category is None else (one.category,),
            purpose=one.purpose,
            minute=one.minute,
            attempts=one.count,
            refused_by=one.refused_by,
        )

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._privacy.plan.organisation.time_zone)

    def _entry(self, tx: Transaction) -> EntryHead:
        return entry_head(tx, self._privacy, self._actor)


def _by_category(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    whole: Counter[str] = Counter()
    for count in counts:
        whole.update(count)
    return dict(whole)
