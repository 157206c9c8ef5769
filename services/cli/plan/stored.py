"""`steward plan show` and `steward plan history`: every plan that was ever in force."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.environment import use_running_system

if TYPE_CHECKING:
    from shared.privacy.stored_plans import StoredPlan
    from shared.runtime.database import Connection

SHORTEST = 8
"""Digits of a digest that name a plan."""


def show(
    digest: Annotated[str, typer.Argument(help="As a disclosure cites it; its first 8 digits do.")],
) -> None:
    """Print a plan that was in force, byte for byte as its file was.

    The exit code is 1 when no plan has the digest.

    Example: steward plan show 3f786850 > plan-then.toml
    """
    if len(digest) < SHORTEST:
        raise typer.BadParameter(f"at least {SHORTEST} digits", param_hint="DIGEST")
    found = asyncio.run(_with_digest(digest.lower()))
    if len({one.digest for one in found}) != 1:
        what = "several plans have" if found else "no plan that was in force here has"
        typer.echo(f"{what} a digest that begins so; `steward plan history` has all", err=True)
        raise typer.Exit(1)
    sys.stdout.buffer.write(found[0].text)
    sys.stdout.buffer.flush()


def history(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List every plan that was put in force: number, since when, by whom, SHA-256. The last one is.

    Examples: steward plan history · steward plan history --json
    """
    stored = asyncio.run(_history())
    if as_json:
        import orjson

        for one in stored:
            typer.echo(orjson.dumps(_document(one)).decode())
        return
    for one in stored:
        state = "in force" if one is stored[-1] else ""
        since = f"{one.applied_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{one.number:>4}  {since}  {one.digest}  {one.applied_by}  {state}".rstrip())


def _document(one: StoredPlan) -> dict[str, object]:
    return {
        "number": one.number,
        "digest": one.digest,
        "applied_at": one.applied_at.isoformat(),
        "applied_by": one.applied_by,
    }


@asynccontextmanager
async def _connected() -> AsyncIterator[Connection]:
    """As the service that the privacy office works through: every service has all plans."""
    from services.retention.settings import Settings
    from shared.runtime.database import connect_alone

    use_running_system()
    connection = await connect_alone(Settings.load(), service="retention")
    try:
        yield connection
    finally:
        await connection.close()


async def _with_digest(digest: str) -> list[StoredPlan]:
    from shared.privacy.stored_plans import with_digest

    async with _connected() as connection:
        return await with_digest(connection, digest)


async def _history() -> list[StoredPlan]:
    from shared.privacy.stored_plans import history as stored_history

    async with _connected() as connection:
        return await stored_history(connection)
