"""Numbers, tax and reference numbers of invoices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.finance.domain import (
    Charge,
    FinancialYear,
    accounting_content,
    charge_of,
    credit,
    issue,
    percent_text,
    reference_number,
    uncharged,
    value_added_tax,
)
from shared.contract.types import EventId, Money, RegistrationId, SubjectId
from tests.support.facts import NOON, event_state

YEAR = FinancialYear(date(2026, 12, 31))


def euros(minor_units: int) -> Money:
    return Money(minor_units=minor_units, currency="EUR")


def charge(fee: int = 10_000) -> Charge:
    return Charge(
        RegistrationId(uuid4()),
        SubjectId(uuid4()),
        EventId(uuid4()),
        "training",
        euros(fee),
        "standard",
    )


# 1234561 is the example that is given for the rule. The other by hand: 7*1 + 7*6 + 3*2 + 7*2 = 69.
@pytest.mark.parametrize(
    ("base", "expected"), [("123456", "1234561"), ("2026000001", "20260000011")]
)
def test_a_reference_number_ends_with_its_check_digit(base: str, expected: str) -> None:
    assert reference_number(base) == expected


@given(st.integers(100, 10**19 - 1))
def test_weighted_from_the_right_a_reference_number_comes_to_a_full_ten(base: int) -> None:
    reference = reference_number(str(base))
    assert 4 <= len(reference) <= 20
    digits = [int(digit) for digit in reversed(reference)]
    # The check digit itself has weight 1: then 7, 3, 1 from the right.
    weights = [1, *([7, 3, 1] * 7)]
    weighted = sum(digit * weight for digit, weight in zip(digits, weights, strict=False))
    assert weighted % 10 == 0


@given(st.integers(100, 10**18), st.integers(0, 18), st.integers(1, 9))
def test_one_wrong_digit_is_found_out(base: int, place: int, by: int) -> None:
    reference = reference_number(str(base))
    place %= len(reference)
    wrong = (int(reference[place]) + by) % 10
    mistyped = f"{reference[:place]}{wrong}{reference[place + 1 :]}"
    if mistyped[0] != "0":
        assert reference_number(mistyped[:-1]) != mistyped


@pytest.mark.parametrize("base", ["", "12", "0012", "1" * 20, "12a4", "-123", "١٢٣٤"])
def test_what_makes_no_reference_number_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="3 to 19 digits"):
        reference_number(base)


@pytest.mark.parametrize(
    ("net", "percent", "vat"),
    [
        (10_000, "25.5", 2_550),
        (4_990, "25.5", 1_272),  # 1272.45
        (1_000, "25.55", 256),  # 255.5: half is rounded up
        (2, "25", 1),  # 0.5
        (-2, "25", -1),  # and away from zero for a credit note
        (10_000, "0", 0),
        (333, "13.5", 45),  # 44.955
    ],
)
def test_tax_is_rounded_half_up_to_minor_units(net: int, percent: str, vat: int) -> None:
    assert value_added_tax(euros(net), Decimal(percent)) == euros(vat)


@given(st.integers(1, 10**12), st.decimals(0, 99, places=2))
def test_a_credit_note_takes_back_the_very_tax_of_its_invoice(net: int, percent: Decimal) -> None:
    assert value_added_tax(euros(-net), percent).minor_units == -(
        value_added_tax(euros(net), percent).minor_units
    )


def test_an_event_without_a_fee_charges_nothing() -> None:
    ids = RegistrationId(uuid4()), SubjectId(uuid4())
    assert charge_of(*ids, event_state(fee=None, vat_class=None)) is None
    assert charge_of(*ids, event_state(fee=euros(0))) is None
    assert charge_of(*ids, event_state(fee=euros(1))) is not None


def test_invoices_are_numbered_on_without_a_gap() -> None:
    charges = [charge(), charge(), charge()]
    invoices = issue(
        charges,
        year=YEAR,
        last=41,
        percents={"standard": Decimal("25.5")},
        ids=[uuid4() for _ in charges],
        now=NOON,
    )
    assert [invoice.number for invoice in invoices] == ["2026000042", "2026000043", "2026000044"]
    assert [invoice.registration_id for invoice in invoices] == [
        one.registration_id for one in charges
    ]
    assert {invoice.vat for invoice in invoices} == {euros(2_550)}
    assert invoices[0].reference == reference_number("2026000042")


def test_a_credit_note_takes_back_all_of_its_invoice_under_a_number_of_its_own() -> None:
    (invoice,) = issue(
        [charge(4_990)],
        year=YEAR,
        last=0,
        percents={"standard": Decimal("25.5")},
        ids=[uuid4()],
        now=NOON,
    )
    next_year = FinancialYear(date(2027, 12, 31))
    (note,) = credit([invoice], year=next_year, last=6, ids=[uuid4()], now=NOON)
    assert (note.kind, note.credits, note.number) == (
        "credit_note",
        invoice.invoice_id,
        "2027000007",
    )
    assert note.net.minor_units + invoice.net.minor_units == 0
    assert note.vat.minor_units + invoice.vat.minor_units == 0
    assert note.fact.credits == invoice.invoice_id


def test_a_registration_is_charged_once() -> None:
    one, two = charge(), charge()
    assert uncharged([one, two, one], ()) == [one, two]
    assert uncharged([one, two], {one.registration_id}) == [two]


def test_accounting_keeps_what_an_invoice_needs_and_no_more() -> None:
    known = {"name": "N", "email": "e@example.org", "phone": "1", "address": None}
    assert accounting_content(known) == {"name": "N"}


@pytest.mark.parametrize(
    ("percent", "text"), [("25.5", "25.5"), ("25.50", "25.5"), ("0", "0"), ("10", "10")]
)
def test_a_percentage_is_written_as_documents_do(percent: str, text: str) -> None:
    assert percent_text(Decimal(percent)) == text
