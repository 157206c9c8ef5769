"""Who is meant by an address: one person, or it has to be said which."""

from __future__ import annotations

from uuid import UUID

from services.registration.handlers.desk import Desk
from shared.privacy.subjects import Alias, Person, only_one
from shared.runtime.database import Connection


async def person_meant(
    desk: Desk, connection: Connection, email: str, subject_id: UUID | None
) -> Person | None:
    """Who has the address, of several the one whom the id names; None: nobody.

    SeveralPeopleError where those are several, AliasError for what is no address.
    """
    (people,) = await desk.privacy.people.everybody(connection, [Alias("email", email)])
    return only_one([person for person in people if subject_id is None or subject_id in person])
