"""Somebody at the counter, who hands the list of the dinner over again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import orjson
from aiokafka.errors import KafkaError

from services.registration.commands.counter import Counter, NotDeliveredError, Wish, hand_over
from services.registration.settings import Settings
from shared.privacy.handover import TRY_LASTS
from shared.runtime.clock import utc_now
from shared.runtime.database import is_transient
from tests.faults.load import DINNER

EVERY_S = 0.5

LEAVES_NOTHING_WITHIN_S = 90.0
"""From the end of a load, when servers are there, until no list is in anybody's hands."""


class Desk:
    """Works as `steward registration disclose` does. `done` holds what it was told to be done."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self.list = folder / "caterer.csv"
        self.done: list[str] = []
        self.failed: Exception | None = None
        """Why handing over did not work the last time that it did not."""

    async def hand_over(self) -> None:
        """Hand over once; raises whatever comes in between."""
        async with Counter.open(self._settings) as counter:
            await self._hand_over(counter)

    async def work(self, until: Callable[[], bool]) -> None:
        """Hand over, and where a server is away come back and do it once more.

        Raises what no server can be blamed for, and TimeoutError where lists are left at the end.
        """
        while not until():
            try:
                async with AsyncExitStack() as stack:
                    counter = await stack.enter_async_context(Counter.open(self._settings))
                    while not until():
                        await self._hand_over(counter)
                        await asyncio.sleep(EVERY_S)
            except Exception as error:
                if not _passes(error):
                    raise
                self.failed = error
                await asyncio.sleep(EVERY_S)
        async with asyncio.timeout(LEAVES_NOTHING_WITHIN_S):
            while not await self._saw_to_what_is_left():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(EVERY_S)

    async def _saw_to_what_is_left(self) -> bool:
        """Do what the service does with what is in nobody's hands any more, before its time."""
        try:
            async with Counter.open(self._settings) as counter:
                later = replace(counter.deliveries, now=lambda: utc_now() + TRY_LASTS)
                while await later.deliver_due() is not None:
                    pass
        except Exception as error:
            if not _passes(error):
                raise
            return False
        return True

    async def _hand_over(self, counter: Counter) -> None:
        wish = Wish(DINNER.number, "caterer", self.list)
        summary = await hand_over(counter, wish, as_json=True)
        self.done += [one["disclosure"] for one in orjson.loads(summary)["disclosures"]]


def _passes(error: Exception) -> bool:
    """Whether it is of a server that is away, or of a service that has not read all yet."""
    return is_transient(error) or isinstance(error, KafkaError | NotDeliveredError)
