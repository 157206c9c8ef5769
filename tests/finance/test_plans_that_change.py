"""Registrations that carry what only an earlier plan let finance open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from services.finance.handlers import Handlers
from shared.contract.types import SubjectId
from tests.finance.test_invoices import BILLING, CONTACT, buyer, invoice_id_of, seal, updated
from tests.support.applied import apply
from tests.support.facts import event_state, registered
from tests.support.plans import changed
from tests.support.work import Work

_OPENED = '[services.finance.grants]\ninvoicing = ["billing", "contact"]'
NO_BILLING = changed((_OPENED, _OPENED.replace('"billing", ', "")))


async def test_who_waited_for_a_place_is_invoiced_with_what_may_still_be_opened(
    work: Work, registration_at_work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, billing=BILLING, contact=CONTACT)
    await apply(database, tmp_path, NO_BILLING)
    message = registered(event, subject_id=subject, personal=personal)
    effect = await work.do(handlers.issue_invoices, [message])
    assert await buyer(work, invoice_id_of(effect)) == {"name": CONTACT["name"]}


@pytest.mark.parametrize("given", [{"billing": BILLING}, {}], ids=["billing", "contact-alone"])
async def test_a_correction_names_nobody_else_where_billing_data_may_not_be_opened_any_more(
    work: Work,
    registration_at_work: Work,
    handlers: Handlers,
    database: str,
    tmp_path: Path,
    given: Mapping[str, Mapping[str, str]],
) -> None:
    event, subject = event_state(), SubjectId(uuid4())
    personal = await seal(registration_at_work, subject, event, contact=CONTACT, **given)
    message = registered(event, subject_id=subject, personal=personal)
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [message]))
    await apply(database, tmp_path, NO_BILLING)
    married = {**CONTACT, "name": "Aino Toinen"}
    personal |= await seal(registration_at_work, subject, event, contact=married)
    await work.do(handlers.correct_buyers, [updated(message, personal)])
    assert await buyer(work, invoice) == (BILLING if given else {"name": "Aino Toinen"})
