"""Who is who, as tests ask it."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contract.types import SubjectId
from shared.privacy.people import People
from shared.privacy.subjects import Alias
from shared.runtime.database import Connection


async def whom_it_leads_to(
    people: People, connection: Connection, aliases: Sequence[Alias]
) -> list[SubjectId | None]:
    """The subject that each alias leads to first; None where nobody is known by it."""
    everybody = await people.everybody(connection, aliases)
    return [persons[0][0] if persons else None for persons in everybody]
