"""Signs what has come, publishes it, and says so: one process at a time, in a loop.

Everything is made of what has been committed: what is cut off anywhere is made again, the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg
import structlog

from services.audit.domain.checkpoints import CheckpointError
from services.audit.domain.growth import Signed, sign
from services.audit.domain.merkle import leaf_hashes
from services.audit.domain.notes import SigningKey
from services.audit.handlers.guard import Guard
from services.audit.handlers.tiles import TileWriter
from services.audit.handlers.witnesses import Cosigner
from services.audit.store import bodies, tree
from services.audit.store.folder import FolderError, TileFolder
from shared.contract.audit import CheckpointPublished
from shared.messaging.subscription import Halted
from shared.messaging.unit_of_work import Begin
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.database import Connection, describe, is_transient

LOOK_EVERY_S: Final = 1.0
"""While nothing comes."""

GATHER_S: Final = 0.1
"""While something does: what is signed meanwhile is written together."""

TRY_AGAIN_S: Final = 2.0
MOST_CHECKPOINTS: Final = 32
"""That are published at once."""

HASHED_AT_ONCE: Final = 5_000
"""Entries of an earlier release that come into the tree in one transaction."""

Step = Literal["hashed", "signed", "written", "published", "announced"]
"""Moments between two steps: entries of an earlier release are in the tree; a checkpoint is signed;
its tiles are on disk; it is in the folder; it is in the outbox."""

Connect = Callable[[], "Awaitable[asyncpg.Connection[asyncpg.Record]]"]

_log = structlog.get_logger(__name__)


def no_steps(step: Step) -> None:
    """What real processes do there."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where the log is published, and who adds signatures to what lies there."""

    folder: TileFolder
    cosigner: Cosigner


class Publisher:
    """Each process runs one; one of them holds the lock, as long as its connection lives.

    Two at once, for a moment, would write the same files.
    """

    def __init__(
        self,
        key: SigningKey,
        guard: Guard,
        outlet: Outlet,
        connect: Connect,
        begin: Begin,
        interval_s: float,
        steps: Callable[[Step], None] = no_steps,
    ) -> None:
        self._key = key
        self._guard = guard
        self._outlet = outlet
        self._connect = connect
        self._begin = begin
        self._interval_s = interval_s
        self._steps = steps
        # By a clock that knows no time of day: whatever that one does, the next one is signed.
        self._seen = (-1, float("-inf"))

    async def run(self, loop: Loop) -> None:
        """Hold the lock or wait for it, until the process is to stop."""
        while not loop.stopping:
            try:
                await self._hold(loop)
            except Exception as error:  # noqa: BLE001 - what is not known is raised again
                self._tell(loop, error)
                await loop.pause(TRY_AGAIN_S)

    def _tell(self, loop: Loop, error: Exception) -> None:
        if isinstance(error, Halted):
            _log.error("the tree of the log is held back", why=str(error))
            loop.missing(str(error))
        elif isinstance(error, CheckpointError | FolderError):
            _log.error("the published folder cannot be used", why=str(error))
            loop.missing("the published folder of the log cannot be used: see the log")
        elif is_transient(error):
            _log.warning("the tree of the log has to wait", **describe(error))
            loop.missing("the database does not answer")
        else:
            raise error

    async def _hold(self, loop: Loop) -> None:
        connection = await self._connect()
        try:
            while not await tree.take_publishing(connection):
                await self._guard.read(connection)
                loop.ok()
                await loop.pause(LOOK_EVERY_S)
                if loop.stopping:
                    return
            writer = TileWriter(self._outlet.folder, self._key.verifier())
            writer.begin()
            while not loop.stopping:
                loop.beat()
                more = await self.publish_next(connection, writer)
                await self._outlet.cosigner.step()
                loop.ok()
                await loop.pause(GATHER_S if more else LOOK_EVERY_S)
        finally:
            # Not `close`, which waits for an answer: the lock must not outlive this process's use.
            connection.terminate()
            self._outlet.cosigner.leave()

    async def publish_next(self, connection: Connection, writer: TileWriter) -> bool:
        """Do the next part; whether there was any, so that more may have come meanwhile."""
        progress = await self._guard.read(connection)
        head = progress.head
        if head.tree.size < head.size:
            await self._hash_old()
            return True
        if head.size > head.signed and self._is_due(head.signed):
            await self.sign()
        after = min(writer.published, progress.announced)
        pending = await tree.checkpoints_after(connection, after, MOST_CHECKPOINTS)
        unpublished = [one for one in pending if one.size > writer.published]
        if unpublished:
            await writer.write(connection, unpublished)
            self._steps("written")
            await writer.publish(unpublished)
            self._steps("published")
        unannounced = [one for one in pending if one.size > progress.announced]
        if unannounced:
            await self._announce(unannounced)
        return bool(pending)

    def _is_due(self, signed: int) -> bool:
        now = asyncio.get_running_loop().time()
        seen, since = self._seen
        if signed > seen:
            self._seen = (signed, now)
            return False
        return now - since >= self._interval_s

    async def _hash_old(self) -> None:
        async with self._begin(now=utc_now()) as tx:
            head = await self._guard.lock(tx.connection)
            old = await bodies(tx.connection, head.tree.size, HASHED_AT_ONCE)
            await tree.grow(tx.connection, head, head.tree.extended(leaf_hashes(old)))
        self._steps("hashed")

    async def sign(self) -> None:
        """Sign what the log has now, unless that is signed."""
        async with self._begin(now=utc_now()) as tx:
            head = await self._guard.lock_growth(tx.connection)
            if head.size > head.signed:
                await tree.keep_checkpoint(tx.connection, sign(head.tree, self._key), tx.now)
        self._steps("signed")

    async def _announce(self, checkpoints: Sequence[Signed]) -> None:
        async with self._begin(now=utc_now()) as tx:
            for one in checkpoints:
                tx.say(CheckpointPublished(size=one.size, checkpoint=one.note.decode()), key=None)
            await tree.announce(tx.connection, checkpoints)
        self._steps("announced")
