"""`steward keys rotate`: another key-encryption key for the whole ring, while services run.

Each step leaves the database so that the next run knows where to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import orjson
import typer

from services.cli.office import Office, open_office
from services.cli.progress import progress_bar
from shared.contract.audit import KeysRotated
from shared.local.administrator import connected
from shared.privacy.key_sources import in_folder, retire_files
from shared.privacy.rotation import Ring, count_wrapped, read_ring, replace, rewrap
from shared.runtime.clock import utc_now
from shared.runtime.confirming import see_that_somebody_is_asked
from shared.runtime.database import Administrator
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings

NO_NEWER = (
    "there is no newer key-encryption key than the current one: make the next one where it is kept,"
    " let every service find both, then run this again (docs/keys.md)"
)
BUSY = "the work of a service does not come to its end: nothing changed, run this again"
KEPT = "nothing changed"
ENDED = (
    "nothing else was left to do of the rotation that ended within the last day: run this again for"
    " another one"
)
ALTERED = (
    "{many} keys do not unwrap, for which the replaced key-encryption key is needed still: `steward"
    " keys check` names them. All others are wrapped anew; run this again once these are restored,"
    " or destroyed"
)
LATELY: Final = timedelta(days=1)
"""Who finds a command killed runs it again sooner than this; who rotates once a year, later."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation works with, and how it was asked for."""

    office: Office
    administrator: Administrator
    settings: ServiceSettings
    yes: bool
    as_json: bool

    @property
    def folder(self) -> SecretsFolder:
        return SecretsFolder(self.settings.secrets)

    def say(self, text: str) -> None:
        """Tell a person; where a program reads the output, beside it."""
        typer.echo(text, err=self.as_json)


def run_rotate(*, yes: bool, as_json: bool) -> int:
    """Begin a rotation, or bring one to its end that was begun; the exit code."""
    if not yes:
        see_that_somebody_is_asked(as_json=as_json)
    return asyncio.run(_run(yes=yes, as_json=as_json))


async def _run(*, yes: bool, as_json: bool) -> int:
    settings = ServiceSettings.load()
    async with open_office() as office, connected(settings) as administrator:
        rotation = Rotation(office, administrator, settings, yes, as_json)
        ring = await read_ring(administrator)
        if not ring.replaced:
            # Killed behind its last transaction: nothing but the files was left. What was retired
            # long ago lies here because another machine rotated: that is another rotation.
            lately = ring.was_rotated_since(utc_now() - LATELY)
            if lately and (put_aside := _put_aside(rotation, ring.retired)):
                _tell(rotation, [], put_aside)
                return 0
            if not await _replace(rotation, ring):
                typer.echo(KEPT, err=True)
                return 1
            ring = await read_ring(administrator)
        entries, altered = await _rewrap(rotation, ring)
        retired = {entry.replaced for entry in entries}
        put_aside = _put_aside(rotation, retired | ring.retired.keys())
    if altered:
        typer.echo(ALTERED.format(many=f"{altered:,}"), err=True)
        return 1
    _tell(rotation, entries, put_aside)
    return 0


async def _replace(rotation: Rotation, ring: Ring) -> bool:
    """Make the newest key-encryption key current; whether it is."""
    newest = await _newest(rotation, ring)
    if newest is None:
        typer.echo(NO_NEWER, err=True)
        return False
    if not rotation.yes and not typer.confirm("Wrap every key by it?", err=rotation.as_json):
        return False
    try:
        await replace(rotation.administrator, ring.current, newest)
    except asyncpg.LockNotAvailableError:
        typer.echo(BUSY, err=True)
        return False
    return True


async def _newest(rotation: Rotation, ring: Ring) -> str | None:
    """The id of one that is newer than the current one, made where that can be done here."""
    wrappers = rotation.office.parts.wrappers
    newest = (await wrappers.read())[0]
    if newest == ring.current and in_folder(rotation.settings):
        path = rotation.folder.path / rotation.folder.new_key_encryption_key()
        rotation.say(
            f"{path} is made: back it up now, and copy it to the folder of secrets of every"
            " machine. Without it no personal data can be read; services that do not find it wait"
        )
        newest = (await wrappers.read())[0]
    # One that was retired may be known to others: to it nothing leads back.
    return None if newest == ring.current or newest in ring.retired else newest


async def _rewrap(rotation: Rotation, ring: Ring) -> tuple[Sequence[KeysRotated], int]:
    """Wrap anew what was wrapped before, and record it; and how many keys nobody can unwrap."""
    wrappers = rotation.office.parts.wrappers
    await wrappers.make_current(ring.current)
    altered = 0
    for before in ring.replaced:
        total = await count_wrapped(rotation.administrator, before)
        with progress_bar("wrapping keys", total) as progress:
            altered += await rewrap(rotation.administrator, wrappers, before, progress)
    async with rotation.office.work() as tx:
        return await rotation.office.privacy.retire_replaced(tx), altered


def _put_aside(rotation: Rotation, retired: Collection[str]) -> list[Path]:
    return retire_files(rotation.folder, retired) if in_folder(rotation.settings) else []


def _tell(rotation: Rotation, entries: Sequence[KeysRotated], put_aside: Sequence[Path]) -> None:
    if rotation.as_json:
        document = {
            "rotated": [
                {
                    "key_encryption_key": entry.key_encryption_key,
                    "replaced": entry.replaced,
                    "keys": entry.keys,
                }
                for entry in entries
            ],
            "put_aside": [str(path) for path in put_aside],
        }
        typer.echo(orjson.dumps(document).decode())
        return
    for entry in entries:
        typer.echo(
            f"{entry.keys:,} keys were wrapped anew, by the key-encryption key"
            f" {entry.key_encryption_key[:8]}; none needs {entry.replaced[:8]} any more, and that"
            " is recorded"
        )
    for path in put_aside:
        typer.echo(f"{path} is put aside: older backups of the database need it")
    if not entries:
        typer.echo(ENDED)
