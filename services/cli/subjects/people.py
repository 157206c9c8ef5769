"""`steward subjects show | link | unlink`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

import typer

from services.cli.office import Office, email, open_office
from shared.contract.types import SubjectId
from shared.privacy.subjects import Alias
from shared.runtime.confirming import see_that_somebody_is_asked

if TYPE_CHECKING:
    from shared.privacy.office import Known, LinkOutcome, LinkReason, UnlinkReason
    from shared.privacy.subjects import Person
    from shared.runtime.database import Connection

NOBODY = "nobody is known by this address"
SEVERAL = "several people have the address after --to: name one by the id that `show` tells"
SEVERAL_LINKED = "several people have the address: name one by --of ID; nothing was changed"
ERASED = "one of the two is erased, and is linked with nobody: nothing was changed"
SEVERAL_MEANT = (
    "several people have the address: name the one who is the same person by --of ID; nothing was"
    " changed"
)
NOT_OF_THEM = "who is after --of does not have the address: nothing was changed"
LINKED_TO_BE_ERASED = (
    "it is linked, and that is recorded. One of the two is to be erased once nothing of theirs is"
    " kept, and now both are: where what the other one said is to go too, run"
    " `steward keys destroy` again"
)
TAKEN = (
    "this address leads to somebody else: where both are one person, --reason same-person; where"
    " two people have it, --reason shared-address; else unlink it first"
)


NotLinked = Literal["nobody", "several", "several meant", "not of them", "kept", "changed"]

LINKED: Final[Mapping[LinkOutcome | NotLinked, tuple[int, str]]] = {
    "linked": (0, "it is linked, and that is recorded"),
    "to be erased": (0, LINKED_TO_BE_ERASED),
    "known": (0, "it led there already: nothing was changed"),
    "taken": (1, TAKEN),
    "erased": (1, ERASED),
    "nobody": (1, "nobody is known by what is after --to"),
    "several": (2, SEVERAL),
    "several meant": (2, SEVERAL_MEANT),
    "not of them": (1, NOT_OF_THEM),
    "kept": (1, "nothing was changed"),
    "changed": (1, "meanwhile others have the addresses: nothing was changed, run this again"),
}
"""What came of it: the exit code, and what is told."""


@dataclass(frozen=True, slots=True)
class AskedLink:
    """What the command line names: an alias, a person, and who of those that have the alias is the
    same person.
    """

    alias: Alias
    to: Alias | SubjectId
    of: Alias | SubjectId | None
    reason: LinkReason


@dataclass(frozen=True, slots=True)
class Meant:
    """Whom that means: the subject that the alias is to lead to, and the one that becomes the same
    person, if any.
    """

    to: SubjectId
    of: SubjectId | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A subject, in which ways it is known, and the subject that it proved to be the same as."""

    subject_id: SubjectId
    same_person_as: SubjectId | None
    known_by: list[Known]


def run_show(argument: str, *, as_json: bool) -> int:
    """Print in which ways everybody is known whom an address stands for; the exit code."""
    alias = email(argument, "EMAIL")

    async def known() -> list[Shown]:
        async with open_office() as office, office.parts.pool.acquire() as connection:
            people = await office.privacy.everybody(connection, alias)
            return await how_known(office, connection, people)

    found = asyncio.run(known())
    if not found:
        typer.echo(NOBODY, err=True)
        return 1
    _print_json(found) if as_json else print_people(found)
    return 0


async def how_known(
    office: Office, connection: Connection, people: Iterable[Person]
) -> list[Shown]:
    """In which ways people are known, each subject of them."""
    return [
        Shown(
            subject_id,
            None if subject_id == person[0] else person[0],
            await office.privacy.known_by(connection, subject_id),
        )
        for person in people
        for subject_id in person
    ]


def run_link(argument: str, to: str, of: str | None, reason: LinkReason, *, yes: bool) -> int:
    """Link, and say what came of it; the exit code. Of several people none is picked."""
    if of is not None and reason != "same-person":
        raise typer.BadParameter("only who is the same person is named", param_hint="--of")
    if reason == "same-person" and not yes:
        see_that_somebody_is_asked()
    asked = AskedLink(
        email(argument, "EMAIL"),
        _wanted(to, "--to"),
        None if of is None else _wanted(of, "--of"),
        reason,
    )
    code, told = LINKED[asyncio.run(_link(asked, yes=yes))]
    typer.echo(told, err=code != 0)
    return code


async def _link(asked: AskedLink, *, yes: bool) -> LinkOutcome | NotLinked:
    async with open_office() as office:
        async with office.parts.pool.acquire() as connection:
            meant = await _meant(office, connection, asked)
        if not isinstance(meant, Meant):
            return meant
        if meant.of is not None and not yes and not _confirmed(meant):
            return "kept"
        async with office.work() as tx:
            # The answer may have taken its time.
            if await _meant(office, tx.connection, asked) != meant:
                return "changed"
            outcome = await office.privacy.link(
                tx, asked.alias, meant.to, asked.reason, of=meant.of
            )
        # Nobody had the address, and somebody came with it while it was being linked.
        return "changed" if outcome == "taken" and asked.reason == "same-person" else outcome


async def _meant(office: Office, connection: Connection, asked: AskedLink) -> Meant | NotLinked:
    """Whom the command line means; of several who could become the same person, who they are."""
    found = await _people(office, connection, asked.to)
    if len(found) != 1:
        return "several" if found else "nobody"
    (to,) = found
    if asked.reason != "same-person":
        return Meant(to[0])
    people = await office.privacy.everybody(connection, asked.alias)
    others = [person for person in people if person != to]
    if asked.of is not None:
        named = await _people(office, connection, asked.of)
        others = [person for person in others if person in named]
        if not others:
            return "not of them"
    if len(others) > 1:
        print_people(await how_known(office, connection, others), error=True)
        return "several meant"
    return Meant(to[0], others[0][0] if others else None)


def _confirmed(meant: Meant) -> bool:
    return typer.confirm(
        f"Data subject {meant.of} becomes the same person as {meant.to}, and there is no way back."
        " Go on?"
    )


def _wanted(named: str, option: str) -> Alias | SubjectId:
    """Whom an option names, by an address or an id."""
    try:
        return SubjectId(UUID(named))
    except ValueError:
        return email(named, option)


async def _people(
    office: Office, connection: Connection, wanted: Alias | SubjectId
) -> Sequence[Person]:
    if isinstance(wanted, Alias):
        return await office.privacy.everybody(connection, wanted)
    person = await office.privacy.person_of(connection, wanted)
    return () if person is None else (person,)


def run_unlink(argument: str, of: str | None, reason: UnlinkReason) -> int:
    """Unlink, and say what came of it; the exit code. Of several people none is picked."""
    alias = email(argument, "EMAIL")
    wanted = None if of is None else _wanted(of, "--of")

    async def unlinked() -> int:
        async with open_office() as office, office.work() as tx:
            people = await _people(office, tx.connection, alias)
            if wanted is not None:
                meant = await _people(office, tx.connection, wanted)
                people = [person for person in people if person in meant]
            if len(people) > 1:
                print_people(await how_known(office, tx.connection, people), error=True)
                return 2
            done = people and await office.privacy.unlink(tx, alias, people[0][0], reason)
            return 0 if done else 1

    code = asyncio.run(unlinked())
    told = {
        0: "it leads there no longer, and that is recorded",
        1: "it does not lead there: nothing was changed",
        2: SEVERAL_LINKED,
    }
    typer.echo(told[code], err=code != 0)
    return code


def _print_json(found: Sequence[Shown]) -> None:
    import orjson

    typer.echo(orjson.dumps({"subjects": found}, default=str).decode())


def print_people(found: Sequence[Shown], *, error: bool = False) -> None:
    """For people: on standard output, or on standard error."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=error)
    for one in found:
        note = "" if one.same_person_as is None else f" (the same person as {one.same_person_as})"
        console.print(f"Data subject {one.subject_id}{note}", highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for column in ("known by", "source", "since"):
            table.add_column(column, no_wrap=True)
        for known in one.known_by:
            kind = known.kind.replace("_", " ").replace("email", "e-mail")
            shared = " (shared)" if known.shared or known.shared_with else ""
            table.add_row(f"{kind}{shared}", known.source or "", f"{known.made_at:%Y-%m-%d}")
        console.print(table)
        others = dict.fromkeys(other for known in one.known_by for other in known.shared_with)
        if others:
            console.print("shared with", *others, sep="\n  ", highlight=False)
