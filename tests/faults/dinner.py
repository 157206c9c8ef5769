"""Somebody at the counter, who hands the list of the dinner over again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import orjson

from services.registration.commands.counter import Counter, Wish, hand_over
from services.registration.settings import Settings
from shared.privacy.handover import TRY_LASTS
from shared.runtime.clock import utc_now
from tests.faults.load import DINNER

EVERY_S = 0.5


class Desk:
    """Works as `steward registration disclose` does. `done` holds what it was told to be done."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._list = folder / "caterer.csv"
        self.done: list[str] = []

    async def work(self, until: Callable[[], bool]) -> None:
        """Hand over, and where that fails come back and do it once more."""
        while not until():
            try:
                async with AsyncExitStack() as stack:
                    counter = await stack.enter_async_context(Counter.open(self._settings))
                    while not until():
                        await self._hand_over(counter)
                        await asyncio.sleep(EVERY_S)
            except Exception:  # noqa: BLE001 - the database is away, in one of many ways
                await asyncio.sleep(EVERY_S)
        while not await self._saw_to_what_is_left():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(EVERY_S)

    async def _saw_to_what_is_left(self) -> bool:
        """Do what the service does with what is in nobody's hands any more, before its time."""
        try:
            async with Counter.open(self._settings) as counter:
                later = replace(counter.deliveries, now=lambda: utc_now() + TRY_LASTS)
                while await later.deliver_due() is not None:
                    pass
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    async def _hand_over(self, counter: Counter) -> None:
        wish = Wish(DINNER.number, "caterer", self._list)
        summary = await hand_over(counter, wish, as_json=True)
        self.done += [one["disclosure"] for one in orjson.loads(summary)["disclosures"]]
