"""What an operator does: calls commands, and looks until what was done has come about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from services.cli.root import app
from services.registration.settings import Settings
from tests.faults.world import World
from tests.support.commands import Answered, command

WITHIN_S = 60.0
"""The broker looks for what is too old half a minute after its start for the first time."""

LOOK_EVERY_S = 0.2


async def steward(world: World, *arguments: str, codes: Collection[int] = (0,)) -> Answered:
    """Run `steward ARGUMENTS`. Raises AssertionError for another exit code."""
    answered = await command(app, Settings.load(world.ground.environ), *arguments)
    assert answered.code in codes, f"steward {' '.join(arguments)}: {answered}"
    return answered


async def until_nothing(left: Callable[[], Awaitable[str]]) -> None:
    """Wait until nothing is left. Raises AssertionError with what is."""
    text = "nobody looked"
    try:
        async with asyncio.timeout(WITHIN_S):
            while text := await left():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(f"after {WITHIN_S:.0f} s: {text}") from None
