"""`steward keys destroy-due`: what may be kept no longer on a day, and only that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta, timezone
from typing import Final, TypeVar

import asyncpg
import orjson
import typer

from services.cli.keys.all_heard import Hearer, NotNowError, open_hearers, see_all_heard
from services.cli.keys.destroying import KEPT, confirmed, print_keys
from services.cli.office import Office, open_office
from services.retention import store
from services.retention.domain import Books, NameOfKey, Scheduled, Unsealed, what_is_due
from services.retention.handlers.rules import books_of
from shared.contract.days import read_day
from shared.contract.types import SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.runtime.clock import utc_now
from shared.runtime.confirming import see_that_somebody_is_asked
from shared.runtime.database import is_transient

PEOPLE_AT_ONCE: Final = 1_000
NOT_FOLLOWED: Final = (
    "the schedule does not follow the plan in force yet: classes and days may be those of an"
    " earlier plan; wait until `steward retention due` does not say so any more"
)
LAST_TO_BEGIN: Final = timezone(-timedelta(hours=12))
"""The time zone in which every day begins last. An event's day is that of its own zone."""

LONGEST_WAIT_S: Final = 5.0
"""For a key that somebody uses: then all that is locked is let go for whom it holds up."""

PAUSES_S: Final = (0.2, 1.0, 5.0)
"""Before a part is tried again that somebody was in the way of."""

IN_USE: Final = "services use keys of what is due, or have changed the schedule: try again"

GAVE_WAY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""What PostgreSQL says to who does not wait on for a lock."""

Result = TypeVar("Result")


class InTheWayError(NotNowError):
    """Somebody was in the way of a part, who may not be when it is tried again."""


@dataclass(frozen=True, slots=True)
class AskedDue:
    """By which day it is due, and of which class alone."""

    on: date
    retention_class: str | None


def run_destroy_due(on: str, retention_class: str | None, *, yes: bool, as_json: bool) -> int:
    """Destroy the keys of what is due, unless the answer is no; the exit code."""
    try:
        asked = AskedDue(read_day(on), retention_class)
    except ValueError:
        raise typer.BadParameter("expected a day, as 2027-01-31", param_hint="--on") from None
    if not yes:
        see_that_somebody_is_asked(as_json=as_json)
    try:
        return asyncio.run(_destroy(asked, yes=yes, as_json=as_json))
    except NotNowError as error:
        typer.echo(str(error), err=True)
        return 1


async def _destroy(asked: AskedDue, *, yes: bool, as_json: bool) -> int:
    gone: Counter[str] = Counter()
    with telling_how_far(gone):
        async with open_office() as office, open_hearers(office) as hearers:
            _check(office, asked)
            await see_all_heard(hearers)
            # Each part asks too: there is none where the days of an earlier plan list nobody.
            async with office.work() as tx:
                await _see_that_it_follows(office, tx)
            alive = {} if yes else await _count(office, asked)
            # Where none is, nobody is asked: the rows of keys that went before are marked.
            if sum(alive.values()) and not confirmed(alive):
                typer.echo(KEPT, err=True)
                return 1
            async for people in _parts(office, asked):
                gone.update(await _destroy_part(office, hearers, asked, people))
            async with office.work() as tx:
                await _see_that_it_follows(office, tx)
                if asked.retention_class is None:
                    await store.go_over(tx.connection, asked.on)
    _tell(asked, gone, as_json=as_json)
    return 0


@contextmanager
def telling_how_far(gone: Mapping[str, int]) -> Iterator[None]:
    """Each part is committed by itself: whoever is stopped between two is told what went before."""
    try:
        yield
    except NotNowError as error:
        raise NotNowError(f"{error}; {_so_far(gone) or KEPT}") from None
    except BaseException:
        if told := _so_far(gone):
            typer.echo(f"at least {told}", err=True)
        raise


def _so_far(gone: Mapping[str, int]) -> str:
    keys = sum(gone.values())
    if not keys:
        return ""
    return f"{keys} keys were destroyed before, and that is recorded: run this again"


def _check(office: Office, asked: AskedDue) -> None:
    if asked.on > utc_now().astimezone(LAST_TO_BEGIN).date():
        raise typer.BadParameter(
            "the day has not begun everywhere yet, as each has at 12:00 UTC: what is kept for an"
            " event further west may not be due",
            param_hint="--on",
        )
    # Also such as only an earlier plan had: what was kept in them is listed by that name.
    books = _books(office)
    classes = books.categories.keys() | books.former.keys()
    if asked.retention_class is not None and asked.retention_class not in classes:
        names = ", ".join(sorted(classes))
        raise typer.BadParameter(f"plans have these classes: {names}", param_hint="--class")


async def _parts(office: Office, asked: AskedDue) -> AsyncIterator[Sequence[SubjectId]]:
    """The people of whom something is due, some after the other."""
    after: SubjectId | None = None
    while True:
        async with office.parts.pool.acquire() as connection:
            people = await store.people_of_due(
                connection, asked.on, asked.retention_class, after, PEOPLE_AT_ONCE
            )
        if not people:
            return
        yield people
        after = people[-1]


async def _count(office: Office, asked: AskedDue) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    async for people in _parts(office, asked):
        async with office.work() as tx:
            due = _due(office, asked, await _readable(office, tx, people))
            total.update(await office.privacy.count_due(tx.connection, due.keys))
    return total


async def _destroy_part(
    office: Office, hearers: Sequence[Hearer], asked: AskedDue, people: Sequence[SubjectId]
) -> Mapping[str, int]:
    """Close the keys of what is due of these people, see that all is heard that they have sealed
    until then, and destroy those of what is due still; how many that were, by category.

    Ended in between, nothing is destroyed, and whoever says something gets another key: the command
    is safe to repeat. Raises NotNowError.
    """

    async def close(tx: Transaction) -> Unsealed:
        due = _due(office, asked, await _readable(office, tx, people))
        await office.privacy.close_due(tx.connection, due.keys, asked.on)
        return due

    due = await _in_turn(office, close)
    if not due.rows:
        return {}
    await see_all_heard(hearers)
    closed = {key.name for key in due.keys}

    async def destroy(tx: Transaction) -> Mapping[str, int]:
        before = _due(office, asked, await _readable(office, tx, people)).keys
        going = {key.name: key for key in before if key.name in closed}
        gone = await office.privacy.destroy_due(tx, going.values(), asked.on)
        # That has waited for whoever used these keys: what is committed by now has to count.
        rows = await _readable(office, tx, people)
        still = {key.name for key in _due(office, asked, rows).keys}
        if not still >= going.keys():
            raise InTheWayError(IN_USE)
        # What is due by now and was not a moment ago, or is not closed, is left for the next time.
        unreadable = _due(office, asked, rows, gone.staying | (still - going.keys())).rows
        await store.mark_unreadable(tx.connection, unreadable, tx.now)
        return gone.keys

    # Where a connection is lost nobody knows whether that is done: again, it would count nothing.
    return await _in_turn(office, destroy, again=_gave_way)


async def _readable(
    office: Office, tx: Transaction, people: Sequence[SubjectId]
) -> Sequence[Scheduled]:
    await _see_that_it_follows(office, tx)
    return await store.readable_of(tx.connection, people)


async def _see_that_it_follows(office: Office, tx: Transaction) -> None:
    """See that what is listed is by the plan in force. Raises NotNowError."""
    if not await store.follows(tx.connection, office.parts.privacy.in_force.number):
        raise NotNowError(NOT_FOLLOWED)


def _due(
    office: Office,
    asked: AskedDue,
    rows: Sequence[Scheduled],
    staying: Collection[NameOfKey] = (),
) -> Unsealed:
    return what_is_due(rows, asked.on, _books(office), asked.retention_class, staying)


def _books(office: Office) -> Books:
    in_force = office.parts.privacy.in_force
    return books_of(in_force.plan, in_force.all_plans.kept_in)


def _gave_way(error: BaseException) -> bool:
    return isinstance(error, GAVE_WAY)


async def _in_turn(
    office: Office,
    work: Callable[[Transaction], Awaitable[Result]],
    again: Callable[[BaseException], bool] = is_transient,
) -> Result:
    """Work in a transaction that waits for nobody long, and again where somebody was in its way or
    it fails in a way that is worth it. Raises NotNowError where somebody still is at the last try,
    and what else fails.
    """
    pauses = iter(PAUSES_S)
    while True:
        try:
            async with office.work() as tx:
                await store.wait_no_longer(tx.connection, LONGEST_WAIT_S)
                return await work(tx)
        except Exception as error:
            pause = next(pauses, None)
            if pause is None and _gave_way(error):
                raise InTheWayError(IN_USE) from None
            if pause is None or not (isinstance(error, InTheWayError) or again(error)):
                raise
        await asyncio.sleep(pause)


def _tell(asked: AskedDue, gone: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        document = {
            "due_on": asked.on,
            "retention_class": asked.retention_class,
            "destroyed": gone,
        }
        typer.echo(orjson.dumps(document, default=str).decode())
        return
    keys = sum(gone.values())
    if not keys:
        typer.echo(f"nothing that has keys is due by {asked.on}")
        return
    print_keys(gone)
    typer.echo(f"{keys} keys are destroyed, and that is recorded")
