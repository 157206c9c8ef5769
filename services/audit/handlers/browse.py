"""Finds what the console shows: a page of entries, a person, what went to one recipient."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.audit.domain.entries import EntryFilter
from services.audit.domain.paging import Bounds, Page, Place, page_of, window_of
from services.audit.domain.recipient_history import RecipientDisclosure, recipient_history
from services.audit.handlers.read import WINDOW
from services.audit.store import outcomes, search
from services.audit.store.console import Period, disclosures_to
from shared.contract.types import SubjectId
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias, Person, only_one
from shared.runtime.database import Connection


async def find_page(connection: Connection, asked: EntryFilter, place: Place, *, size: int) -> Page:
    """A page of what a filter leaves. At most `WINDOW` entries are looked through for it."""
    bounds = await _bounds(connection, asked)
    window = window_of(place, bounds, WINDOW)
    look = search.newest if place.after is None else search.page
    found = await look(connection, asked, after=window.after, before=window.before, most=size + 1)
    return page_of(found, size, place, window, bounds)


async def _bounds(connection: Connection, asked: EntryFilter) -> Bounds:
    """All of the log or, of a span of time, where that lies in it."""
    if asked.since is None and asked.until is None:
        return Bounds(0, await search.log_size(connection))
    return await search.bounds_of(connection, asked.since, asked.until)


async def find_subjects(
    connection: Connection, privacy: Privacy, named: str
) -> Sequence[SubjectId]:
    """The subjects of a person who is named by an id or an e-mail address, also after an erasure;
    with those that proved to be the same person's. AliasError for what is neither,
    SeveralPeopleError for an address of several.
    """
    try:
        return await privacy.people.same_people(connection, SubjectId(UUID(named)))
    except ValueError:
        return await find_by_email(connection, privacy, named)


async def find_by_email(connection: Connection, privacy: Privacy, email: str) -> Person:
    """The subjects of the one person who has, or had, an address; nobody's: empty.

    SeveralPeopleError where it stands for several, AliasError for what is no address.
    """
    people = await privacy.people.everybody_ever(connection, Alias("email", email))
    return only_one(people) or ()


async def find_disclosures(
    connection: Connection, recipient: str, period: Period, *, before: int, most: int
) -> list[RecipientDisclosure]:
    """Disclosures to one recipient that began before an entry, the newest first."""
    counted = await disclosures_to(connection, recipient, period, before=before, most=most)
    ended = await outcomes(connection, [one.disclosure_id for one in counted])
    return recipient_history(counted, ended)
