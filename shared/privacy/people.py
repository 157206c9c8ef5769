"""Who is who, as a service asks the keyring: everybody is known there by keyed digests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.contract.types import SubjectId
from shared.privacy import subjects
from shared.privacy.in_force import InForce
from shared.privacy.subjects import Alias, Pepper, Person
from shared.privacy.wrapping import Random
from shared.runtime.database import Connection, queries
from shared.runtime.ids import OWN_BYTES, SHARED_BYTES, random_ids

_sql = queries("queries.sql", __file__)


class People:
    """Finds and makes the subjects that aliases lead to, in the caller's transaction."""

    def __init__(self, in_force: InForce, peppers: Sequence[bytes], random: Random) -> None:
        """`peppers` newest first."""
        self._in_force = in_force
        self._peppers = tuple(Pepper(pepper) for pepper in peppers)
        self._random = random

    async def identify(
        self, connection: Connection, people: Sequence[Sequence[Alias]]
    ) -> list[SubjectId]:
        """Find or make the subject of each person, whom one or more aliases describe.

        A known person number decides. Else the e-mail (where there is none, the telephone) does,
        unless its subject already has another number from the same source: then they are two
        people with one address, and a new subject is made. One round trip; concurrent calls agree.
        AliasError for an alias that cannot be normalised.
        """
        batch = subjects.batch(
            people, peppers=self._peppers, region=self._in_force.plan.organisation.region
        )
        if not batch.persons:
            return []
        identified = await self._identify(connection, batch)
        return [identified[person] for person in batch.person_of]

    async def rehearse(self, connection: Connection) -> None:
        """Let a connection know what identifying and finding everybody ask, about nobody."""
        await self._identify(connection, subjects.batch((), peppers=self._peppers, region=""))
        await self.everybody(connection, ())

    async def _identify(self, connection: Connection, batch: subjects.Batch) -> list[SubjectId]:
        candidates = random_ids(self._random(SHARED_BYTES + OWN_BYTES * len(batch.rounds)))
        found = _sql.identify(
            connection,
            persons=batch.persons,
            kinds=batch.kinds,
            sources=batch.sources,
            digests=batch.digests,
            ranks=batch.ranks,
            rounds=batch.rounds,
            candidates=candidates,
            old_digests=batch.old_digests,
            old_places=batch.old_places,
            made_with=self._peppers[0].id,
        )
        identified = [SubjectId(candidate) for candidate in candidates]
        async for person, subject_id in found:
            identified[person - 1] = subject_id
        return identified

    async def add(
        self, connection: Connection, known_by: Sequence[tuple[SubjectId, Alias]]
    ) -> list[bool]:
        """Let each address or telephone number stand for a subject, besides whom it stands for: it
        leads there where nobody has it. Whether it does so now: not for the erased. One round trip.

        AliasError for an alias that cannot be normalised.
        """
        if not known_by:
            return []
        asked = [self.digests_of(alias) for _, alias in known_by]
        places = _sql.add_aliases(
            connection,
            subject_ids=[subject_id for subject_id, _ in known_by],
            kinds=[alias.kind for _, alias in known_by],
            digests=[newest for newest, *_ in asked],
            old_digests=[digest for _, *old in asked for digest in old],
            old_places=[place for place, (_, *old) in enumerate(asked, 1) for _ in old],
            made_with=self._peppers[0].id,
        )
        added = {place async for (place,) in places}
        return [place in added for place in range(1, len(known_by) + 1)]

    async def everybody(
        self, connection: Connection, aliases: Sequence[Alias]
    ) -> list[tuple[Person, ...]]:
        """The people whom each alias stands for, whom it leads to first; none where nobody is
        known by it. Several have one address where their numbers tell them apart. Makes nothing.
        """
        asked = [self.digests_of(alias) for alias in aliases]
        digests = [digest for versions in asked for digest in versions]
        known: dict[bytes, dict[UUID, list[SubjectId]]] = {}
        async for digest, person, subject_id in _sql.find_everybody(connection, digests=digests):
            known.setdefault(digest, {}).setdefault(person, []).append(SubjectId(subject_id))
        found = []
        for versions in asked:
            people: dict[UUID, list[SubjectId]] = {}
            for digest in versions:
                people |= known.get(digest, {})
            found.append(tuple(tuple(subject_ids) for subject_ids in people.values()))
        return found

    async def everybody_ever(self, connection: Connection, alias: Alias) -> tuple[Person, ...]:
        """The people whom an alias stands for, erased or not, and stood for before an erasure.

        Only for the service that keeps the log: that one can answer for as long as it is kept.
        """
        people: dict[UUID, list[SubjectId]] = {}
        digests = self.digests_of(alias)
        async for person, subject_id in _sql.find_everybody_ever(connection, digests=digests):
            people.setdefault(person, []).append(SubjectId(subject_id))
        return tuple(tuple(subject_ids) for subject_ids in people.values())

    async def same_people(self, connection: Connection, subject_id: SubjectId) -> Person:
        """The person whose subject it is, by whichever of several that proved to be the same."""
        rows = _sql.same_people(connection, subject_ids=[subject_id])
        return tuple([SubjectId(row["subject_id"]) async for row in rows])

    async def others(
        self, connection: Connection, subject_ids: Collection[SubjectId]
    ) -> dict[SubjectId, list[SubjectId]]:
        """Of each of these the other subjects that proved to be the same person; without those who
        have none. One round trip.
        """
        found: dict[SubjectId, list[SubjectId]] = {}
        async for subject_id, other in _sql.others_of(connection, subject_ids=list(subject_ids)):
            found.setdefault(SubjectId(subject_id), []).append(SubjectId(other))
        return found

    def digests_of(self, alias: Alias) -> list[bytes]:
        """What the keyring may know the alias by: under each pepper, the newest first.

        AliasError for an alias that cannot be normalised.
        """
        text = subjects.written(alias, region=self._in_force.plan.organisation.region)
        return [pepper.digest_of(text) for pepper in self._peppers]

    @property
    def newest_pepper(self) -> str:
        """The id of the pepper that new aliases are digested with."""
        return self._peppers[0].id
