"""`steward keys destroy`: show what would go, have it confirmed, destroy, and record it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import orjson
import typer

from services.cli.keys import KeptByLaw
from services.cli.office import Office, email, open_office
from services.cli.subjects.people import how_known, print_people
from shared.contract.types import EventId, SubjectId
from shared.privacy.errors import NotInPlanError, ScopeError
from shared.privacy.office import Scope
from shared.privacy.subjects import Alias, Person
from shared.runtime.clock import utc_now
from shared.runtime.confirming import see_that_somebody_is_asked
from shared.runtime.database import Connection

NOBODY = "nobody is known by this: no key was destroyed"
SEVERAL = "several people have this address: name one by --subject ID; no key was destroyed"
KEPT = "no key was destroyed"
NOT_ERASED_YET = "the person is not erased yet, and is once nothing of theirs is kept any more"
CAME_BACK = "the person came back meanwhile and is not erased: what was said later is kept"
CHANGED = "meanwhile others are meant, or a law has something kept: run this again; " + KEPT
ANNOUNCED = (
    "meanwhile somebody became the same person: run this again; no key was destroyed, but what the"
    " person said before this and is still on its way adds nothing any more"
)
ANOTHER_PLAN = (
    "meanwhile another plan came into force: run this again; no key was destroyed, but what was"
    " said before this and is still on its way adds nothing any more"
)
BY_LAW = "a law has these kept: say --kept-by-law keep, or destroy; no key was destroyed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line names; None does not narrow it down."""

    email: str | None
    subject: UUID | None
    event: UUID | None
    retention_class: str | None
    kept_by_law: KeptByLaw | None = None

    @property
    def nothing(self) -> bool:
        """Whether neither people nor anything else is named."""
        named = (self.email, self.subject, self.event, self.retention_class)
        return all(one is None for one in named)


@dataclass(frozen=True, slots=True)
class Done:
    """How many keys went, and how many are left of people who are to be erased, by category."""

    scope: Scope
    gone: Mapping[str, int]
    kept: Mapping[str, int]
    cut_off: datetime

    @property
    def came_back(self) -> bool:
        """Whether one is left that was to go: a fact later than the cut-off has made it."""
        to_go = self.scope.categories
        return any(to_go is None or category in to_go for category in self.kept)


class _OthersMeantError(Exception):
    """What is asked for is not what was shown and confirmed: it is rolled back. The text says so,
    and what of it stands.
    """


def run_destroy(asked: Asked, *, yes: bool, as_json: bool) -> int:
    """Destroy the keys, unless the answer is no; the exit code."""
    if asked.nothing:
        raise typer.BadParameter(
            "whose, or which? Name at least one", param_hint="--email, --subject, --event, --class"
        )
    if asked.retention_class is not None and asked.kept_by_law is not None:
        raise typer.BadParameter(
            "who names a class means what a law has kept in it: leave out one of the two",
            param_hint="--class, --kept-by-law",
        )
    if not yes:
        see_that_somebody_is_asked(as_json=as_json)
    alias = None if asked.email is None else email(asked.email, "--email")
    return asyncio.run(_destroy(asked, alias, yes=yes, as_json=as_json))


async def _destroy(asked: Asked, alias: Alias | None, *, yes: bool, as_json: bool) -> int:
    async with open_office() as office:
        async with office.parts.pool.acquire() as connection:
            people = await _people(office, connection, asked, alias)
        if people is not None and len(people) != 1:
            await _refuse(office, people)
            return 2 if people else 1
        whole = _scope(office, asked, None if people is None else people[0])
        scope = await _as_the_law_has_it(office, whole, asked.kept_by_law)
        if scope is None:
            return 2
        if not yes and not confirmed(await _alive(office, scope)):
            typer.echo(KEPT, err=True)
            return 1
        cut_off = utc_now()
        try:
            gone = await _destroy_keys(office, asked, alias, scope, cut_off)
        except _OthersMeantError as error:
            typer.echo(str(error), err=True)
            return 1
        done = Done(scope, gone, await _kept(office, scope), cut_off)
    _tell(done, as_json=as_json)
    return 0


async def _people(
    office: Office, connection: Connection, asked: Asked, alias: Alias | None
) -> list[Person] | None:
    """Whom address and id mean, which has to be one; None where nobody's are asked for."""
    wanted = None if asked.subject is None else SubjectId(asked.subject)
    if alias is not None:
        people = await office.privacy.everybody(connection, alias)
        return [person for person in people if wanted is None or wanted in person]
    if wanted is not None:
        person = await office.privacy.person_of(connection, wanted)
        return [] if person is None else [person]
    return None


async def _refuse(office: Office, people: Sequence[Person]) -> None:
    """An erasure has no way back: of several people it picks none by itself."""
    if not people:
        typer.echo(NOBODY, err=True)
        return
    async with office.parts.pool.acquire() as connection:
        print_people(await how_known(office, connection, people), error=True)
    typer.echo(SEVERAL, err=True)


def _scope(office: Office, asked: Asked, person: Person | None) -> Scope:
    event_id = None if asked.event is None else EventId(asked.event)
    scope = Scope(person, event_id, asked.retention_class)
    try:
        office.privacy.check(scope)
    except (NotInPlanError, ScopeError) as error:
        raise typer.BadParameter(str(error), param_hint="--class") from None
    return scope


async def _as_the_law_has_it(
    office: Office, scope: Scope, kept_by_law: KeptByLaw | None
) -> Scope | None:
    """The scope, without what a law has kept if that is to be; None where it was not said.

    Who asks to be erased is told that it is kept, and why (article 17(3)(b)): books cannot name
    their buyers any more once these keys are gone.
    """
    async with office.parts.pool.acquire() as connection:
        lawful = await office.privacy.count_kept_by_law(connection, scope)
        if kept_by_law != "destroy":
            for category, many in sorted(lawful.items()):
                law = office.parts.privacy.plan.kept_by_law[category]
                typer.echo(f"{category:24}{many:>12,}  kept by {law}", err=True)
        if kept_by_law == "keep":
            # Also where there is none yet: an invoice may be on its way.
            return await office.privacy.but_for_kept_by_law(connection, scope)
        if lawful and kept_by_law is None:
            typer.echo(BY_LAW, err=True)
            return None
        return scope


async def _alive(office: Office, scope: Scope) -> Mapping[str, int]:
    async with office.parts.pool.acquire() as connection:
        return await office.privacy.count_keys(connection, scope)


def confirmed(alive: Mapping[str, int]) -> bool:
    """Whether somebody who was shown how many keys would go, by category, wants that."""
    many = sum(alive.values())
    print_keys(alive)
    answer: str = typer.prompt(
        f"What {many} keys have sealed will be unreadable. Type this number to destroy them",
        default="",
        show_default=False,
    )
    return answer.strip() == str(many)


async def _destroy_keys(
    office: Office, asked: Asked, alias: Alias | None, scope: Scope, cut_off: datetime
) -> Mapping[str, int]:
    """Two transactions: who makes keys waits for the first, which is short, and not for the second.

    Ended in between, nothing is destroyed and the cut-off holds: the command is safe to repeat.
    Raises _OthersMeantError, and no key is destroyed, where the scope is not what is asked for any
    more.
    """
    in_force = office.parts.privacy.in_force
    async with office.work() as tx:
        plan = in_force.number
        await office.privacy.announce(tx, scope, cut_off)
        # The answer may have taken its time. Only now all keys are seen that were being made.
        if not await _is_meant_still(office, tx.connection, asked, alias, scope):
            raise _OthersMeantError(CHANGED)
    async with office.work() as tx:
        # By that one a law may have something kept that is about to go.
        if in_force.number != plan:
            raise _OthersMeantError(ANOTHER_PLAN)
        gone = await office.privacy.destroy(tx, scope, cut_off)
        # It waited for who uses a key, and somebody may have become the same person until it had
        # all of theirs.
        if not await _is_whole(office, tx.connection, scope.people):
            raise _OthersMeantError(ANNOUNCED)
        return gone


async def _is_whole(office: Office, connection: Connection, person: Person | None) -> bool:
    """Whether these are all subjects of the person still, erased or not."""
    if not person:
        return True
    return person == await office.parts.privacy.people.same_people(connection, person[0])


async def _is_meant_still(
    office: Office, connection: Connection, asked: Asked, alias: Alias | None, scope: Scope
) -> bool:
    """Whether the command line means these people, and a law has nothing else of it kept than what
    was asked about.
    """
    people = await _people(office, connection, asked, alias)
    if people is not None and people != [scope.people]:
        return False
    if asked.kept_by_law == "destroy":
        return True
    if asked.kept_by_law == "keep":
        whole = replace(scope, categories=None, but_for_law=False)
        return await office.privacy.but_for_kept_by_law(connection, whole) == scope
    return not await office.privacy.count_kept_by_law(connection, scope)


async def _kept(office: Office, scope: Scope) -> Mapping[str, int]:
    """What is left of people who are to be erased: what a law has kept, and what came later."""
    if not scope.erased:
        return {}
    async with office.parts.pool.acquire() as connection:
        return await office.privacy.count_keys(connection, Scope(scope.erased))


def _tell(done: Done, *, as_json: bool) -> None:
    if as_json:
        document = {
            "subjects": done.scope.people,
            "event_id": done.scope.event_id,
            "retention_class": done.scope.retention_class,
            "cut_off": done.cut_off,
            "destroyed": done.gone,
            "kept": done.kept,
            "came_back": done.came_back,
        }
        typer.echo(orjson.dumps(document, default=str).decode())
        return
    print_keys(done.gone)
    typer.echo(f"{sum(done.gone.values())} keys are destroyed, and that is recorded")
    if done.kept:
        typer.echo(CAME_BACK if done.came_back else NOT_ERASED_YET)


def print_keys(keys: Mapping[str, int]) -> None:
    """How many keys, by category."""
    for category, many in sorted(keys.items()):
        typer.echo(f"{category:24}{many:>12,}")
