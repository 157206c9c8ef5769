"""`steward keys destroy-due`: what may be kept no longer on a day, and only that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import orjson
import typer

from services.cli.choosing import settings_of
from services.cli.keys.destroying import KEPT, confirmed, print_keys
from services.cli.office import SERVICE, Office, open_office
from services.retention import store
from services.retention.domain import Unsealed, what_is_due
from shared.contract.days import read_day
from shared.contract.services import SERVICES
from shared.contract.topics import topic
from shared.contract.types import SubjectId
from shared.messaging.hearing import LogEnds, has_heard, log_ends
from shared.messaging.unit_of_work import Transaction
from shared.runtime.clock import utc_now
from shared.runtime.confirming import see_that_somebody_is_asked

PEOPLE_AT_ONCE: Final = 1_000
NOT_FOLLOWED: Final = (
    "the schedule does not follow the plan in force yet: classes and days may be those of an"
    f" earlier plan; wait until `steward retention due` does not say so any more; {KEPT}"
)
NOT_HEARD: Final = (
    "the retention service has not read yet what may put off that something is due"
    f" (`steward status` shows its lag): try again; {KEPT}"
)


@dataclass(frozen=True, slots=True)
class AskedDue:
    """By which day it is due, and of which class alone."""

    on: date
    retention_class: str | None


class NotNowError(Exception):
    """Nobody knows what is due; the text says why and what to do."""


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
    async with open_office() as office:
        _check(office, asked)
        ends = await heard(office)

        async def count(tx: Transaction, due: Unsealed) -> Mapping[str, int]:
            names = [name for of_class in _names(due).values() for name in of_class]
            return await office.privacy.count_due(tx.connection, names)

        async def destroy(tx: Transaction, due: Unsealed) -> Mapping[str, int]:
            await store.mark_unreadable(tx.connection, due.rows, tx.now)
            return await office.privacy.destroy_due(tx, _names(due), asked.on)

        if not yes and not confirmed(await _with_each(office, asked, ends, count)):
            typer.echo(KEPT, err=True)
            return 1
        gone = await _with_each(office, asked, ends, destroy)
    _tell(asked, gone, as_json=as_json)
    return 0


def _check(office: Office, asked: AskedDue) -> None:
    plan = office.parts.privacy.plan
    today = utc_now().astimezone(ZoneInfo(plan.organisation.time_zone)).date()
    if asked.on > today:
        raise typer.BadParameter("nothing is due before its day", param_hint="--on")
    if asked.retention_class is not None and asked.retention_class not in plan.retention:
        names = ", ".join(plan.retention)
        raise typer.BadParameter(f"the plan has these classes: {names}", param_hint="--class")


async def heard(office: Office) -> LogEnds:
    """Where the topics end that the schedule is made of, once they are read up to there. Raises
    ConnectionError where Kafka does not answer.
    """
    topics = next(service.hears for service in SERVICES if service.name == SERVICE)
    partitions = [
        (spec.name, number) for spec in map(topic, topics) for number in range(spec.partitions)
    ]
    return await log_ends(office.parts.pool, settings_of(SERVICE).cluster, partitions)


async def _with_each(
    office: Office,
    asked: AskedDue,
    ends: LogEnds,
    work: Callable[[Transaction, Unsealed], Awaitable[Mapping[str, int]]],
) -> Counter[str]:
    """Work on what is due of some people after the other, each time in a transaction that holds it;
    the sum of what that gives. Raises NotNowError.
    """
    total: Counter[str] = Counter()
    after: SubjectId | None = None
    while True:
        async with office.work() as tx:
            await _refuse_unknown(office, tx, ends)
            rows = await store.readable_of_due(
                tx.connection, asked.on, asked.retention_class, after, PEOPLE_AT_ONCE
            )
            if not rows:
                return total
            classes = office.parts.privacy.plan.retention
            sealed_in = {name: kept.categories for name, kept in classes.items()}
            due = what_is_due(rows, asked.on, sealed_in, asked.retention_class)
            total.update(await work(tx, due))
        after = rows[-1].subject_id


async def _refuse_unknown(office: Office, tx: Transaction, ends: LogEnds) -> None:
    if not await has_heard(tx.connection, ends):
        raise NotNowError(NOT_HEARD)
    if not await store.follows(tx.connection, office.parts.privacy.in_force.number):
        raise NotNowError(NOT_FOLLOWED)


def _names(due: Unsealed) -> Mapping[str, list[tuple[SubjectId, str, str]]]:
    by_class: dict[str, list[tuple[SubjectId, str, str]]] = {}
    for key in due.keys:
        name = (key.subject_id, key.category, key.context)
        by_class.setdefault(key.retention_class, []).append(name)
    return by_class


def _tell(asked: AskedDue, gone: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        document = {
            "due_on": asked.on,
            "retention_class": asked.retention_class,
            "destroyed": gone,
        }
        typer.echo(orjson.dumps(document, default=str).decode())
        return
    print_keys(gone)
    typer.echo(f"{sum(gone.values())} keys are destroyed, and that is recorded")
