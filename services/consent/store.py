"""Consent records in PostgreSQL, the state that they amount to, and whom to write to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.consent.domain import Collected, Held, Statement
from shared.contract.types import RegistrationId, Sealed, SubjectId
from shared.contract.value_type import value_type
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)

BEFORE_ALL: Final = UUID(int=0)
"""Less than any id: to page from the beginning by an index."""

GIVES_WAY_AFTER_MS: Final = 100
"""PostgreSQL looks for who waits crosswise after a second (`deadlock_timeout`), and ends whoever
began to wait first: that would be the withdrawal, were this batch waiting then. So it waits for a
tenth of that at most.
"""


@value_type
class Contact:
    """Whom to write to for a purpose, sealed, as of a moment, and the registration it came with."""

    subject_id: SubjectId
    purpose: str
    category: str
    language: str
    sealed: Sealed
    at: datetime
    registration_id: RegistrationId | None


@value_type
class Correction:
    """What a registration says now of whom to write to, as of a moment; None: nothing any more."""

    registration_id: RegistrationId
    subject_id: SubjectId
    category: str
    sealed: Sealed | None
    at: datetime


async def record(
    connection: Connection,
    statements: Mapping[UUID, Statement],
    *,
    plan_digest: str,
    recorded_at: datetime,
) -> set[UUID]:
    """Record statements under these ids, and let them count where nothing later is known.

    Gives those that are not recorded, as their origin said something of the purpose before.
    """
    told = statements.values()
    rows = _sql.record(
        connection,
        ids=list(statements),
        subject_ids=[statement.subject_id for statement in told],
        purposes=[statement.purpose for statement in told],
        states=[statement.state for statement in told],
        ats=[statement.collected.at for statement in told],
        wordings=[statement.wording for statement in told],
        languages=[statement.language for statement in told],
        collected_by=[statement.collected.by for statement in told],
        sources=[statement.collected.source for statement in told],
        origins=[statement.collected.origin for statement in told],
        plan_digest=plan_digest,
        recorded_at=recorded_at,
    )
    return {row["id"] async for row in rows}


async def keep_contacts(connection: Connection, contacts: Collection[Contact]) -> None:
    """Keep the contacts of people whose consent holds; one per person."""
    if not contacts:
        return
    await _sql.keep_contacts(
        connection,
        subject_ids=[contact.subject_id for contact in contacts],
        purposes=[contact.purpose for contact in contacts],
        categories=[contact.category for contact in contacts],
        languages=[contact.language for contact in contacts],
        sealed=[contact.sealed for contact in contacts],
        ats=[contact.at for contact in contacts],
        registration_ids=[contact.registration_id for contact in contacts],
    )


async def lock_states(connection: Connection, subject_ids: Collection[SubjectId]) -> None:
    """Lock what these people have said until the transaction ends, in the order of `record`."""
    await _sql.lock_states(connection, subject_ids=list(subject_ids))


async def lock_ahead(connection: Connection, subject_ids: Collection[SubjectId]) -> None:
    """Lock what these people have said before more is recorded of them, and give way from then on:
    `asyncpg.LockNotAvailableError`, which is transient, where somebody else is waited for too long.

    Who is new has no row yet. A withdrawal may have begun with theirs and wait for one of these.
    """
    await lock_states(connection, subject_ids)
    await _sql.wait_no_longer(connection, milliseconds=str(GIVES_WAY_AFTER_MS))


async def correct_contacts(connection: Connection, corrections: Collection[Correction]) -> None:
    """Replace what came with these registrations and was not corrected later; one per person."""
    if not corrections:
        return
    subject_ids = [correction.subject_id for correction in corrections]
    await lock_states(connection, subject_ids)
    await _sql.correct_contacts(
        connection,
        registration_ids=[correction.registration_id for correction in corrections],
        subject_ids=subject_ids,
        categories=[correction.category for correction in corrections],
        sealed=[correction.sealed for correction in corrections],
        ats=[correction.at for correction in corrections],
    )


async def drop_contacts(
    connection: Connection, subject_ids: Collection[SubjectId], purposes: Collection[str]
) -> None:
    """Drop the contacts of those of these people whose consent holds for none of the purposes."""
    await _sql.drop_contacts(connection, subject_ids=list(subject_ids), purposes=list(purposes))


async def standing_after(
    connection: Connection, after: tuple[SubjectId, str] | None, most: int
) -> list[tuple[Statement, str]]:
    """What holds of so many next people and purposes, each behind the last no before it, with the
    digest of the plan that it was recorded under. `after` None: the first.
    """
    subject_id, purpose = after or (BEFORE_ALL, "")
    rows = _sql.standing_after(connection, subject_id=subject_id, purpose=purpose, most=most)
    return [(_statement(row), row["plan_digest"]) async for row in rows]


async def states_of(
    connection: Connection, subject_ids: Collection[SubjectId], purpose: str
) -> dict[SubjectId, Held]:
    """What these people said last of one purpose; without those who said nothing."""
    rows = _sql.states_of(connection, subject_ids=list(subject_ids), purpose=purpose)
    return {SubjectId(row["subject_id"]): (row["state"], row["at"]) async for row in rows}


def _statement(row: asyncpg.Record) -> Statement:
    return Statement(
        subject_id=SubjectId(row["subject_id"]),
        purpose=row["purpose"],
        state=row["state"],
        collected=Collected(row["collected_by"], row["source"], row["origin"], row["at"]),
        wording=row["wording"],
        language=row["language"],
    )
