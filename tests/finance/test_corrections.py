"""What a correction leaves alone."""

from __future__ import annotations

from services.finance.handlers import Handlers
from tests.finance.test_invoices import (
    BILLING,
    billed,
    buyer,
    cancelled,
    invoice_id_of,
    seal,
    updated,
)
from tests.support.work import Work


async def test_a_correction_of_which_nothing_can_be_read_takes_no_name_away(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [message]))
    await work.do(handlers.correct_buyers, [updated(message, {})])
    assert await buyer(work, invoice) == BILLING


async def test_an_invoice_that_was_taken_back_goes_on_naming_whom_its_credit_note_names(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    message = await billed(registration_at_work)
    event, subject = message.data.event, message.data.subject_id
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [message]))
    note = invoice_id_of(await work.do(handlers.credit_invoices, [cancelled(message)]))
    personal = await seal(registration_at_work, subject, event, billing={"name": "New Canary Oy"})
    await work.do(handlers.correct_buyers, [updated(message, personal)])
    assert await buyer(work, invoice) == await buyer(work, note) == BILLING


async def test_corrections_of_the_very_second_count_in_the_order_in_which_they_came(
    work: Work, registration_at_work: Work, handlers: Handlers
) -> None:
    """Sources write seconds, and a form may have a second page."""
    message = await billed(registration_at_work)
    event, subject = message.data.event, message.data.subject_id
    invoice = invoice_id_of(await work.do(handlers.issue_invoices, [message]))
    for name in ("First Canary Oy", "Second Canary Oy"):
        personal = await seal(registration_at_work, subject, event, billing={"name": name})
        await work.do(handlers.correct_buyers, [updated(message, personal, hours=0)])
        assert await buyer(work, invoice) == {"name": name}
