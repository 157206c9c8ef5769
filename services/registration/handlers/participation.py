"""The fact that says how a person takes part: with a place, or in line for one."""

from __future__ import annotations

from services.registration import store
from shared.contract.registration import (
    EventState,
    ParticipantRegistered,
    RegistrationWaitlisted,
)


def participation(
    row: store.NewRegistration | store.Placed, event: EventState, position: int | None
) -> ParticipantRegistered | RegistrationWaitlisted:
    """`position` (from 1) is the place in the waiting list; None: the person has a place."""
    said = {
        "registration_id": row.id,
        "subject_id": row.subject_id,
        "event": event,
        "language": row.language,
        "source": row.source,
        "personal": row.personal,
        "consents": row.consents,
    }
    if position is None:
        waited_since = row.waited_since if isinstance(row, store.Placed) else None
        return ParticipantRegistered.of(
            said | {"registered_at": row.at, "collected_at": waited_since}
        )
    return RegistrationWaitlisted.of(said | {"position": position, "waitlisted_at": row.at})
