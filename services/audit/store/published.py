"""What is published of the log, which no database may fall behind or contradict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from services.audit.domain.checkpoints import (
    Checkpoint,
    is_of_log,
    newest,
    open_checkpoint,
)
from services.audit.domain.notes import VerifierKey
from services.audit.store.folder import TileFolder

ReadTopic = Callable[[], Awaitable[Sequence[bytes]]]


class Published:
    """The newest checkpoint that anybody can have seen: in the folder, or in the topic.

    The topic is read once, before the first answer; the folder each time, since another process may
    publish. What was seen once is remembered.
    """

    def __init__(self, folder: TileFolder, key: VerifierKey, read_topic: ReadTopic) -> None:
        self._folder = folder
        self._key = key
        self._read_topic = read_topic
        self._topic_is_read = False
        self._seen: Checkpoint | None = None
        self._note: bytes | None = None

    async def newest(self) -> Checkpoint | None:
        """The checkpoint of the largest tree; None where nothing is published yet.

        Raises CheckpointError (one was not signed by this log's key, or two contradict each other),
        FolderError, and what reading the topic raises.
        """
        found = [] if self._seen is None else [self._seen]
        if not self._topic_is_read:
            notes = await self._read_topic()
            found += [self._open(note) for note in notes if is_of_log(note, self._key)]
        note = self._folder.checkpoint()
        if note is not None and note != self._note:
            found.append(self._open(note))
        self._seen = newest(found)
        self._topic_is_read, self._note = True, note
        return self._seen

    def _open(self, note: bytes) -> Checkpoint:
        return open_checkpoint(note, self._key)
