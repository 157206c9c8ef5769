"""Partitions that stand still because their log lacks what is to be read next."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from shared.messaging.places import Partition
from shared.runtime.health import Heartbeats

_log = structlog.get_logger(__name__)


class Gaps:
    """Those of one process. Readiness names each, until it is closed."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self._open: set[Partition] = set()

    def __iter__(self) -> Iterator[Partition]:
        return iter(tuple(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, partition: object) -> bool:
        return partition in self._open

    def open(self, partition: Partition) -> None:
        """The log does not have the offset that is to be read next; told once."""
        if partition not in self._open:
            topic, number = partition
            _log.error("the log does not have what is to be read next", topic=topic, part=number)
            self._open.add(partition)
            self._heartbeats.missing(
                _name(partition), "stands still: its log does not have the stored position"
            )

    def close(self, partition: Partition) -> None:
        """It is read on, or by another process."""
        self._open.discard(partition)
        self._heartbeats.ok(_name(partition))


def _name(partition: Partition) -> str:
    topic, number = partition
    return f"{topic}[{number}]"
