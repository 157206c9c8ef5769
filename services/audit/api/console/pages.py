"""The pages: each reads what it shows in one read-only transaction, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.audit.api.console.desk import Desk
from services.audit.api.console.forms import (
    Form,
    Search,
    read_days,
    read_name,
    read_number,
    read_posted,
    read_search,
)
from services.audit.api.console.rendering import Words
from services.audit.domain.disclosure_chart import draw_chart
from services.audit.domain.entries import ENTRY_TYPES, EntryFilter, StoredEntry
from services.audit.domain.history import History
from services.audit.domain.listing import Line, UnreadableLine, data_of, line_of
from services.audit.domain.paging import Page
from services.audit.handlers.browse import find_disclosures, find_page, find_subjects
from services.audit.handlers.inspect import (
    inspect_checkpoints,
    inspect_entry,
    inspect_head,
    judge_head,
)
from services.audit.handlers.plans import Plans
from services.audit.handlers.read import history_of, readings_told_since
from services.audit.store import tree
from services.audit.store.console import (
    checkpoints_before,
    disclosures_per_day,
    whole_entry,
)
from services.audit.store.search import log_size
from shared.privacy.errors import AliasError, SeveralPeopleError
from shared.runtime.database import Connection

ON_A_PAGE: Final = 50
CHECKPOINTS_ON_A_PAGE: Final = 25
LARGEST: Final = (1 << 63) - 1
"""Below it is every number of an entry."""

_TYPES: Final = tuple(sorted(model.__name__ for model in ENTRY_TYPES))
_NOTHING: Final = "Nothing is recorded."


class NotThereError(Exception):
    """There is no page of this; the text is a sentence for who asked."""


class Pages:
    """Endpoints by the name of what they show."""

    def __init__(self, desk: Desk, environment: Environment) -> None:
        self._desk = desk
        self._environment = environment

    async def entries(self, request: Request) -> Response:
        """The search, and what it found."""
        search = read_search(request.query_params, self._desk.zone, _TYPES)
        page, lines, plans = Page((), None, None), [], None
        if not search.form.faults:
            async with self._desk.reading() as connection:
                asked = await self._meant(connection, search)
                page = await find_page(connection, asked, search.place, size=ON_A_PAGE)
                lines = [line_of(entry) for entry in page.entries]
                plans = await self._desk.plans(connection, map(_digest_of, lines))
        return self._page(
            "entries",
            plans=plans,
            status=400 if search.form.faults else 200,
            form=search.form,
            given=search.given,
            more=search.uses_more,
            page=page,
            lines=lines,
            types=_TYPES,
            plan=self._desk.privacy.plan,
        )

    async def _meant(self, connection: Connection, search: Search) -> EntryFilter:
        """A person is meant with all of their subjects, as by `steward audit replay --subject`."""
        if search.subject is None:
            return search.asked
        subject_ids = await find_subjects(connection, self._desk.privacy, str(search.subject))
        return replace(
            search.asked, subject_ids=tuple(subject_ids), readings_since=self._readings_since()
        )

    async def entry(self, request: Request) -> Response:
        """One entry, whole, and whether it is proven to be in the signed tree."""
        sequence: int = request.path_params["sequence"]
        async with self._desk.reading() as connection:
            size = await log_size(connection)
            row = await whole_entry(connection, sequence) if sequence < size else None
            if row is None:
                raise NotThereError(f"There is no entry {sequence:,}: the log has {size:,}.")
            entry = StoredEntry(sequence, row["body"])
            plans = await self._desk.plans(connection, [_digest_of(line_of(entry))])
        desk = self._desk
        inspected = await asyncio.to_thread(inspect_entry, row, desk.published, desk.keys)
        return self._page(
            "entry",
            plans=plans,
            entry=entry,
            data=data_of(entry),
            text=entry.body.decode(errors="backslashreplace"),
            inspected=inspected,
            size=size,
        )

    async def people(self, _: Request) -> Response:
        """The form that asks for a person."""
        return self._page("people", form=Form({}))

    async def find_person(self, request: Request) -> Response:
        """Leads to the person's page, whose address has no e-mail in it; writes nothing down."""
        named = (await read_posted(request)).get("person", "").strip()
        form = Form({})
        if not named:
            form.faults["person"] = "Give an e-mail address or the id of a data subject."
            return self._page("people", status=400, form=form)
        async with self._desk.reading() as connection:
            try:
                subject_ids = await find_subjects(connection, self._desk.privacy, named)
            except AliasError:
                form.faults["person"] = "This is neither an e-mail address nor a subject's id."
                return self._page("people", status=400, form=form)
            except SeveralPeopleError as error:
                form.faults["person"] = f"{error}."
                return self._page("people", status=400, form=form)
            found = await self._history(connection, subject_ids) if subject_ids else None
        if found is None:
            return self._nothing_recorded()
        return RedirectResponse(f"/people/{found.subject_id}", status_code=303)

    async def person(self, request: Request) -> Response:
        """Everything that the log says of one person: see `steward audit about`."""
        subject_id: UUID = request.path_params["subject"]
        async with self._desk.reading() as connection:
            subject_ids = await find_subjects(connection, self._desk.privacy, str(subject_id))
            found = await self._history(connection, subject_ids)
            if found is None:
                return self._nothing_recorded()
            plans = await self._desk.plans(connection, found.plan_digests)
        return self._page("person", plans=plans, history=found)

    async def _history(self, connection: Connection, subject_ids: Sequence[UUID]) -> History | None:
        return await history_of(connection, subject_ids, readings_since=self._readings_since())

    def _readings_since(self) -> datetime:
        return readings_told_since(self._desk.privacy.plan, self._desk.now())

    async def recipients(self, request: Request) -> Response:
        """The chart: what was disclosed on which day to whom."""
        days = read_days(request.query_params, self._desk.today, self._desk.zone)
        async with self._desk.reading() as connection:
            counts = await disclosures_per_day(connection, days.period)
        return self._page(
            "recipients",
            status=400 if days.form.faults else 200,
            days=days,
            form=days.form,
            chart=draw_chart(counts, days.first, days.last),
        )

    async def recipient(self, request: Request) -> Response:
        """What was disclosed to one recipient."""
        name = _recipient_name(request)
        days = read_days(request.query_params, self._desk.today, self._desk.zone)
        before = read_number(request.query_params, "before")
        async with self._desk.reading() as connection:
            counts = await disclosures_per_day(connection, days.period, name)
            found = await find_disclosures(
                connection, name, days.period, before=_below(before), most=ON_A_PAGE + 1
            )
            shown = found[:ON_A_PAGE]
            plans = await self._desk.plans(connection, [one.plan_digest for one in shown])
        return self._page(
            "recipient",
            plans=plans,
            status=400 if days.form.faults else 200,
            name=name,
            days=days,
            form=days.form,
            chart=draw_chart(counts, days.first, days.last),
            disclosures=shown,
            older=shown[-1].sequence if len(found) > ON_A_PAGE else None,
            newest=before is None,
        )

    async def checkpoints(self, request: Request) -> Response:
        """How the tree stands, and whether its checkpoints verify."""
        desk = self._desk
        before = read_number(request.query_params, "before")
        # What was announced before has to be published; what is published, in the database after.
        async with desk.reading() as connection:
            announced = (await tree.read(connection, -1)).announced
        head = await asyncio.to_thread(inspect_head, desk.published, desk.keys)
        published = -1 if head.checkpoint is None else head.checkpoint.size
        async with desk.reading() as connection:
            progress = await tree.read(connection, published)
            found = await checkpoints_before(connection, _below(before), CHECKPOINTS_ON_A_PAGE + 1)
        shown = found[:CHECKPOINTS_ON_A_PAGE]
        inspected = await asyncio.to_thread(
            inspect_checkpoints, shown, head, desk.published, desk.keys
        )
        more = len(found) > len(shown)
        return self._page(
            "checkpoints",
            head=head,
            verdict=judge_head(announced, head, progress),
            progress=progress,
            checkpoints=inspected,
            log=desk.keys[0],
            witnesses=[(key.name, head.cosigned_at(key)) for key in desk.keys[1:]],
            older=shown[-1].size if more else None,
            newest=before is None,
        )

    def told(self, status: int, title: str, *sentences: str, signed_in: bool = True) -> Response:
        """A page that says what is wrong and what to do; without links where they lead nowhere."""
        return self._page(
            "told", status=status, title=title, sentences=sentences, signed_in=signed_in
        )

    def _nothing_recorded(self) -> Response:
        # Known or not, it is the same answer: whoever has no entry has no entry.
        return self.told(404, _NOTHING, "The log has no entry about this person.")

    def _page(
        self,
        template: str,
        *,
        status: int = 200,
        plans: Plans | None = None,
        **shown: Any,  # noqa: ANN401 - a template's own values
    ) -> Response:
        """`plans`: those that what is shown cites; None: only the one in force has words for it."""
        desk = self._desk
        text = self._environment.get_template(f"{template}.html.j2").render(
            {"signed_in": True, **shown},
            words=Words(plans or Plans(desk.privacy.plan), desk.zone),
            organisation=desk.privacy.plan.organisation.name,
            origin=desk.keys[0].name,
        )
        return HTMLResponse(text, status)


def _digest_of(line: Line | UnreadableLine) -> str | None:
    return line.plan_digest if isinstance(line, Line) else None


def _below(before: int | None) -> int:
    return LARGEST if before is None else before


def _recipient_name(request: Request) -> str:
    name: str = request.path_params["name"]
    try:
        return read_name(name)
    except ValueError:
        raise NotThereError("There is no recipient of this name.") from None
