"""What no checkpoint is over yet: the topic alone knows whether the log has it as it was said.

Up to the newest checkpoint the signed tree tells. Behind it a superuser could change, remove or
move an entry and make the head of the tree fit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field

from services.audit.domain.entries import LogEntry, entries_of
from services.audit.domain.verification import Finding, Findings
from services.audit.store.database_log import DatabaseLog, Place, Unsigned
from shared.contract.message import Record

TOPIC = "topic audit"

ReadTopic = Callable[[int, int], AsyncIterator[Sequence[Record]]]
"""Records of the topic from an offset up to another, in order; fewer where it ends before."""


@dataclass
class UnsignedVerifier:
    """Compares the topic with what the database has behind its newest checkpoint."""

    log: DatabaseLog
    read: ReadTopic
    findings: Findings
    _matched: set[int] = field(default_factory=set)
    _last: int = -1

    async def run(self, unsigned: Unsigned) -> None:
        """`unsigned`: see there. Raises what reading raises."""
        async for records in self.read(unsigned.begin, unsigned.end):
            await self._compare(entries_of(records), unsigned)
        async for places in self.log.places(unsigned.first, unsigned.size):
            for place in places:
                if place.sequence not in self._matched:
                    await self._look_for(place)

    async def _compare(self, entries: Sequence[LogEntry], unsigned: Unsigned) -> None:
        found = await self.log.places_of([entry.id for entry in entries])
        missing = [entry.topic_offset for entry in entries if entry.id not in found]
        excused = await self.log.set_aside(missing) if missing else ()
        for entry in entries:
            place = found.get(entry.id)
            if place is None:
                self._tell_missing(entry, excused)
            # What was said twice is in the log as it came first.
            elif place.topic_offset == entry.topic_offset and place.sequence < unsigned.size:
                self._match(entry, place)

    def _tell_missing(self, entry: LogEntry, excused: Collection[int]) -> None:
        if entry.topic_offset not in excused:
            what = f"the database does not have the entry at offset {entry.topic_offset:,}"
            self.findings.add(Finding(TOPIC, what))

    def _match(self, entry: LogEntry, place: Place) -> None:
        self._matched.add(place.sequence)
        if place.body != entry.body:
            self._add(place, f"it has other bytes than the topic at offset {place.topic_offset:,}")
        if place.sequence < self._last:
            self._add(place, "it does not stand where it stands in the topic")
        self._last = max(self._last, place.sequence)

    async def _look_for(self, place: Place) -> None:
        """What was a dead letter at first stands behind what came later in the topic."""
        offset = place.topic_offset
        async for records in self.read(offset, offset + 1):
            for entry in entries_of(records):
                if entry.body == place.body:
                    return
        self._add(place, f"the topic does not have it at offset {offset:,}")

    def _add(self, place: Place, what: str) -> None:
        self.findings.add(Finding(self.log.where, what, entry=place.sequence))
