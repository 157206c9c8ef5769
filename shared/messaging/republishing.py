"""What a service has said, said again as it stands for readers who missed it, and seen to Kafka."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from shared.messaging import store
from shared.messaging.unit_of_work import Transaction
from shared.runtime.database import Pool
from shared.runtime.dwindling import STANDS_FOR_S, until_none_is_left

LOOK_EVERY_S: Final = 0.2

After = TypeVar("After")

Work: TypeAlias = Callable[[], AbstractAsyncContextManager[Transaction]]
"""Begins a transaction of the service, under the plan in force."""

SayNext: TypeAlias = Callable[[Transaction, After | None], Awaitable[tuple[int, After | None]]]
"""Says some facts, from after the last one of before (None: from the first); how many, and the last
one, None where nothing is left.
"""


@dataclass(frozen=True, slots=True)
class SaidAgain:
    """How many facts were said again, and how many of the topic are not with Kafka yet."""

    facts: int
    waiting: int

    @property
    def told(self) -> str:
        """For people: what was done, and what may be done next."""
        if self.waiting == 0:
            return f"{self.facts} facts are said again, and Kafka has them."
        return (
            f"{self.facts} facts are said again; {self.waiting} wait in the outbox, and Kafka takes"
            " none. Nothing is lost, but no partition that stands still may go on before they are"
            " out: `steward status` says what is missing. Then repeat this."
        )


async def say_again(work: Work, say_next: SayNext[After]) -> int:
    """Say all of one kind, a transaction at a time, so that nobody waits long; how many facts."""
    said, after = 0, None
    while True:
        async with work() as tx:
            some, after = await say_next(tx, after)
        said += some
        if after is None:
            return said


async def published(pool: Pool, topic: str, *, stands_for_s: float = STANDS_FOR_S) -> int:
    """Wait until Kafka has all that was said to the topic until now, as long as that goes on.

    How many facts are left where nothing has left for that long, mostly 0. A partition may go on
    only behind this: else its reader could be through before what it missed is there.
    """
    async with pool.acquire() as connection:
        last = await store.last_said(connection, topic)

    async def waiting() -> int:
        async with pool.acquire() as connection:
            return await store.waiting_to_be_said(connection, topic, last)

    return await until_none_is_left(waiting, every_s=LOOK_EVERY_S, stands_for_s=stands_for_s)
