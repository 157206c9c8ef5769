"""Whether this database is the one that the published checkpoints are of."""

from __future__ import annotations

import structlog
from aiokafka.errors import KafkaError

from services.audit.domain.checkpoints import Checkpoint, CheckpointError
from services.audit.domain.growth import (
    Head,
    Refused,
    refuse_foreign_database,
    refuse_growth,
)
from services.audit.store import tree
from services.audit.store.folder import FolderError
from services.audit.store.published import Published
from services.audit.store.tree import Progress
from shared.messaging.subscription import Halted
from shared.runtime.database import Connection

_log = structlog.get_logger(__name__)


class Guard:
    """Asked before anything is appended or signed. Everything here raises `Halted`."""

    def __init__(self, published: Published) -> None:
        self._published = published

    async def lock(self, connection: Connection) -> Head:
        """The head, which nobody else moves or signs until the transaction ends."""
        published = await self._newest()
        head, signed_root = await tree.lock(connection, _size(published))
        return _approved(head, published, signed_root)

    async def lock_growth(self, connection: Connection) -> Head:
        """The same, of a log that entries may be appended to."""
        head = await self.lock(connection)
        try:
            refuse_growth(head)
        except Refused as refused:
            raise Halted(str(refused)) from None
        return head

    async def read(self, connection: Connection) -> Progress:
        """How far everything is, without a lock."""
        published = await self._newest()
        progress = await tree.read(connection, _size(published))
        _approved(progress.head, published, progress.signed_root)
        return progress

    async def _newest(self) -> Checkpoint | None:
        try:
            return await self._published.newest()
        except (CheckpointError, FolderError) as error:
            _log.error("what is published of the log cannot be used", why=str(error))
            raise Halted("what is published of the log cannot be used: see the log") from None
        except (KafkaError, TimeoutError):
            raise Halted("Kafka does not answer: published checkpoints are not known") from None


def _size(published: Checkpoint | None) -> int:
    return -1 if published is None else published.size


def _approved(head: Head, published: Checkpoint | None, signed_root: bytes | None) -> Head:
    try:
        refuse_foreign_database(head, published, signed_root)
    except Refused as refused:
        raise Halted(str(refused)) from None
    return head
