"""Whose no it is on a form that leads to no registration."""

from __future__ import annotations

from collections.abc import Iterable

from services.registration import store
from services.registration.handlers.addresses import is_alias
from services.registration.handlers.desk import Desk
from services.registration.handlers.ready import Answered, FormReader, Submission, aliases_of
from shared.contract.types import SubjectId
from shared.messaging.unit_of_work import Transaction


async def who_says_no(
    desk: Desk,
    tx: Transaction,
    reader: FormReader,
    declined: Iterable[tuple[Submission, store.KnownEvent]],
) -> dict[bytes, SubjectId]:
    """By the references of those whose form has a no and tells who they are: the subject. Nobody is
    made known: whoever is not has said no yes that the no would take back.
    """
    forms = [
        form
        for request, known in declined
        if desk.noes(request) is not None
        and isinstance(form := reader.read(request, known), Answered)
    ]
    asked = [(form, alias) for form in forms for alias in aliases_of(form) if is_alias(desk, alias)]
    if not asked:
        return {}
    found = await desk.privacy.people.everybody(tx.connection, [alias for _, alias in asked])
    whose: dict[bytes, SubjectId] = {}
    for (form, _), people in zip(asked, found, strict=True):
        if people:  # the first decides, as it does for who gets a place: the source's own number
            whose.setdefault(form.request.reference, people[0][0])
    return whose
