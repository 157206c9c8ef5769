"""`steward disclosures`: what was disclosed and its recipient does not have yet; hand it over.

Contents stay sealed: what is shown is whom a disclosure is for, and how many people are in it.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from services.cli.choosing import settings_of
from shared.runtime.confirming import confirm

if TYPE_CHECKING:
    from shared.privacy.deliveries import Deliveries
    from shared.privacy.disclosure import Way
    from shared.privacy.handovers import Listed
    from shared.privacy.results import Result

DISCLOSING: Final = ("registration",)
"""Services that disclose; the `app` of each opens its deliveries."""

app = typer.Typer(
    help="What was disclosed and is not delivered: list, resume, discard.",
    no_args_is_help=True,
    add_completion=False,
)


@dataclass(frozen=True)
class Found:
    """A disclosure and the service that made it."""

    service: str
    handover: Listed

    def document(self) -> dict[str, object]:
        """What a program gets to see of it."""
        one = self.handover
        return {
            "id": str(one.disclosure_id),
            "service": self.service,
            "delivery": str(one.delivery_id),
            "recipient": one.recipient,
            "purpose": one.purpose,
            "event": None if one.event_id is None else str(one.event_id),
            "people": one.people,
            "by": one.actor,
            "state": one.state,
            "reason": one.reason,
            "way": one.way,
            "tries": one.tries,
            "disclosed_at": one.made_at.isoformat(timespec="seconds"),
            "next_try_at": None
            if one.next_try_at is None
            else one.next_try_at.isoformat(timespec="seconds"),
        }


@app.callback()
def disclosures() -> None:
    """What was disclosed and is not delivered: list, resume, discard."""


@app.command("list")
def list_(
    pending: Annotated[
        bool, typer.Option("--pending", help="Only what is tried by itself.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only what waits for a person.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List disclosures whose recipient does not have them, the oldest first.

    Exit code 1: some have failed, so that nobody delivers them by themselves.

    Examples: steward disclosures list · steward disclosures list --failed --json
    """
    wanted = [name for name, only in (("pending", pending), ("failed", failed)) if only]
    found = asyncio.run(_list())
    shown = [one for one in found if one.handover.state in (wanted or ("pending", "failed"))]
    if json:
        import orjson

        for one in shown:
            typer.echo(orjson.dumps(one.document()).decode())
    elif shown:
        typer.echo("\n".join(map(_draw, shown)))
    else:
        typer.echo("nothing waits for its delivery" if not wanted else f"none is {wanted[0]}")
    raise typer.Exit(1 if any(one.handover.state == "failed" for one in found) else 0)


@app.command()
def resume(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],  # noqa: A002 - its name in help
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Where it goes; - for standard output. Needed where `list` says: by hand.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="What came of it, as JSON.")] = False,
) -> None:
    """Try now to hand over what failed or waits, and what leaves together with it.

    Whoever may not be in it any more is left out, and the audit log says so.

    A recipient who has it already knows it by the disclosure id in every row.

    Exit code 1: it is not delivered. 2: nothing of that id waits, or no --output.

    Example: steward disclosures resume 019… --output list.csv
    """
    wanted = _id(id)
    service, way = asyncio.run(_whose(wanted))
    if way == "hand" and output is None:
        raise typer.BadParameter(
            "it is by hand: say where it goes, - for standard output", param_hint="--output"
        )
    result = asyncio.run(_resume(service, wanted, output))
    if result is None:
        typer.echo("somebody else has delivered it meanwhile", err=True)
        raise typer.Exit(1)
    _tell(result, as_json=json, aside=output == Path("-"))
    raise typer.Exit(0 if result.state == "delivered" else 1)


@app.command()
def discard(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],  # noqa: A002 - its name in help
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give up for good what failed or waits, and what would leave together with it.

    The audit log says of everybody in it that they were not handed over.

    Exit code 1: somebody else was first, or the answer was no. 2: nothing of that id waits.

    Example: steward disclosures discard 019…
    """
    wanted = _id(id)
    service, _ = asyncio.run(_whose(wanted))
    if not yes:
        confirm("Give it up for good? There is no way back")
    result = asyncio.run(_give_up(service, wanted))
    if result is None:
        typer.echo("somebody else has delivered it meanwhile", err=True)
        raise typer.Exit(1)
    people = sum(len(one.refused) for one in result.delivery.disclosures)
    typer.echo(f"given up; entries in the audit log: {people}")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter("an id is what `list` shows", param_hint="ID") from None


def _tell(result: Result, *, as_json: bool, aside: bool) -> None:
    from shared.privacy.results import told

    if not as_json:
        typer.echo(told(result), err=aside or result.state != "delivered")
        return
    import orjson

    document = {
        "delivery": str(result.delivery.id),
        "state": result.state,
        "reason": result.reason,
        "output": result.place,
        "disclosures": [
            {"id": str(one.id), "people": len(one.released), "withheld": len(one.refused)}
            for one in result.delivery.disclosures
        ],
    }
    typer.echo(orjson.dumps(document).decode(), err=aside)


async def _list() -> list[Found]:
    from shared.privacy.handovers import list_handovers
    from shared.runtime.database import open_pool

    found = []
    for service in DISCLOSING:
        async with (
            await open_pool(settings_of(service), service=service) as pool,
            pool.acquire() as connection,
        ):
            listed = await list_handovers(connection, ["pending", "failed"])
            found += [Found(service, one) for one in listed]
    return found


async def _whose(disclosure_id: UUID) -> tuple[str, Way]:
    """The service that made it and how it leaves. Raises what Typer tells as a wrong argument."""
    from shared.privacy.handovers import way_of
    from shared.runtime.database import open_pool

    for service in DISCLOSING:
        async with (
            await open_pool(settings_of(service), service=service) as pool,
            pool.acquire() as connection,
        ):
            way = await way_of(connection, disclosure_id)
        if way is not None:
            return service, way
    raise typer.BadParameter(
        "nothing of this id waits: `steward disclosures list` shows what does", param_hint="ID"
    )


async def _resume(service: str, disclosure_id: UUID, output: Path | None) -> Result | None:
    async with _deliveries(service, output) as deliveries:
        return await deliveries.deliver(disclosure_id)


async def _give_up(service: str, disclosure_id: UUID) -> Result | None:
    async with _deliveries(service, None) as deliveries:
        return await deliveries.give_up(disclosure_id)


def _deliveries(service: str, output: Path | None) -> AbstractAsyncContextManager[Deliveries]:
    app = importlib.import_module(f"services.{service}.app")
    opened: AbstractAsyncContextManager[Deliveries] = app.open_deliveries(
        settings_of(service), output
    )
    return opened


def _draw(one: Found) -> str:
    handover = one.handover
    people = "1 person" if handover.people == 1 else f"{handover.people} people"
    return (
        f"{handover.disclosure_id}  {handover.recipient}, {handover.purpose}: {people}\n"
        f"  disclosed {handover.made_at:%Y-%m-%d %H:%M} UTC; tries: {handover.tries};"
        f" {_next(handover)}"
    )


def _next(handover: Listed) -> str:
    because = f" ({handover.reason})" if handover.reason else ""
    if handover.state == "failed":
        by_hand = " by hand" if handover.way == "hand" else ""
        return f"failed{because}: resume it{by_hand}"
    at = "" if handover.next_try_at is None else f"{handover.next_try_at:%H:%M:%S} UTC"
    return (
        f"next at {at}{because}" if handover.way == "folder" else f"in somebody's hand until {at}"
    )
