"""Entries into the log and the tree over them, and a signature when many have come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.audit.domain.entries import LogEntry, NoEntryError, log_entry, news_of
from services.audit.domain.growth import SIGN_EVERY, Head, sign
from services.audit.domain.merkle import leaf_hashes
from services.audit.domain.notes import SigningKey
from services.audit.handlers.guard import Guard
from services.audit.store import append, known_bodies, tree
from shared.contract.message import Message
from shared.messaging.unit_of_work import Transaction


class Appender:
    """The one way into the log, for one writer at a time."""

    def __init__(self, key: SigningKey, guard: Guard) -> None:
        self._key = key
        self._guard = guard

    async def append(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Append what the log does not have yet, in the order of the topic, without a gap.

        Raises `Halted` where the database is not the one that the published checkpoints are of.
        """
        entries = _entries(tx, messages)
        connection = tx.connection
        head = await self._guard.lock_growth(connection)
        # Behind the lock: whoever had it before us may have appended some of the same.
        known = await known_bodies(connection, [entry.id for _, entry in entries])
        fresh = []
        news = news_of((entry for _, entry in entries), known)
        for (message, entry), found in zip(entries, news, strict=True):
            if found == "fresh":
                fresh.append(entry)
            elif found == "again":
                tx.had(message)
            else:
                reused = "an entry of the same id has another body"
                tx.dead_letter(message, "identity_reused", reused)
        if fresh:
            await self._grow(tx, head, fresh)

    async def _grow(self, tx: Transaction, head: Head, fresh: Sequence[LogEntry]) -> None:
        connection = tx.connection
        await append(connection, head.size, fresh)
        grown = head.tree.extended(leaf_hashes(entry.body for entry in fresh))
        await tree.grow(connection, head, grown)
        if grown.size - max(head.signed, 0) >= SIGN_EVERY:
            await tree.keep_checkpoint(connection, sign(grown, self._key), tx.now)


def _entries(
    tx: Transaction, messages: Sequence[Message[Any]]
) -> list[tuple[Message[Any], LogEntry]]:
    """What can be entries, in the order of the topic; the others become dead letters."""
    entries = []
    for message in sorted(messages, key=lambda message: message.record.offset):
        try:
            entries.append((message, log_entry(message)))
        except NoEntryError as error:
            tx.dead_letter(message, error.reason, str(error))
    return entries
