"""What Kafka is told of positions: how far a service has read, once what it said of that is there.

Other services wait for it (`hearing.passed_on`), and tools show a group's lag by it. No service
begins by it: where it reads on is in its own database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from shared.messaging import store
from shared.runtime.application import Loop
from shared.runtime.database import Pool
from shared.runtime.periodic import keep_trying

if TYPE_CHECKING:
    from shared.messaging.consumer import Consumer
    from shared.messaging.places import Partition

LOOK_EVERY_S: Final = 0.5
"""Each time costs the broker as much as some dozens of facts, and whoever hands out a list waits so
long at most for a service that is not behind.
"""


class KafkaTold:
    """Of one consumer: positions that Kafka is still to be told."""

    def __init__(self) -> None:
        self._noted: dict[Partition, int] = {}
        self._due: dict[Partition, int] = {}

    @property
    def due(self) -> Mapping[Partition, int]:
        """What was there to be told when it was asked for last."""
        return self._due

    def note(self, offsets: Mapping[Partition, int]) -> None:
        """What is before these is done, and what was said of it is in the outbox."""
        self._noted |= offsets

    def ask(self) -> bool:
        """Whether there is anything to tell; it is `due` from then on."""
        self._due, self._noted = self._due | self._noted, {}
        return bool(self._due)

    def done(self) -> None:
        """What was due has been told."""
        self._due = {}

    def forget(self) -> None:
        """Whoever has the partitions now tells what comes of them."""
        self._noted, self._due = {}, {}


class Telling:
    """Tells Kafka what the consumers of a process have done. Every process runs one."""

    def __init__(self, pool: Pool, consumers: Collection[Consumer]) -> None:
        self._pool = pool
        self._consumers = consumers
        self._waiting: Sequence[Consumer] = ()
        self._last_said = 0

    async def run(self, loop: Loop) -> None:
        """Until the process is to stop."""
        await keep_trying(loop, self.tell, LOOK_EVERY_S)

    async def tell(self) -> bool:
        """Tell what was noted before what is in the outbox was said, once that has left it. False:
        there is nothing to do at once.
        """
        # Before the outbox is looked at: what was said of what they noted is in it by then.
        noted = () if self._waiting else [one for one in self._consumers if one.told.ask()]
        if not noted and not self._waiting:
            return False
        async with self._pool.acquire() as connection:
            first, last = await store.outbox_span(connection)
        if noted:
            self._waiting, self._last_said = noted, last
        if first > self._last_said:
            for consumer in self._waiting:
                await consumer.tell_kafka()
            self._waiting = ()
        return False
