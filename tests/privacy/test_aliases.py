from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.privacy.errors import AliasError
from shared.privacy.subjects import (
    Alias,
    Pepper,
    batch,
    normalise_email,
    normalise_person_number,
    normalise_phone,
    written,
)


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        (" Maija@Example.ORG\n", "maija@example.org"),
        ("first.last+tag@example.org", "first.last+tag@example.org"),
        ("ÄIJÄ@example.org", "äijä@example.org"),
        ("a\u0308ija\u0308@example.org", "äijä@example.org"),
        ("info@Äijä.example", "info@xn--ij-uiac.example"),
        ("info@ÄIJÄ.example", "info@xn--ij-uiac.example"),
        ("info@xn--ij-uiac.example", "info@xn--ij-uiac.example"),
        ("o'neill@example.org", "o'neill@example.org"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_e_mail_has_one_way_to_be_written(address: str, normal: str) -> None:
    assert normalise_email(address) == normal


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@",
        "@b.org",
        "no address",
        "a b@example.org",
        "a@b c",
        "a@-b.org",
        "a@b..org",
        "a@b.org.",
        "a\x00@b.org",
        "a@" + "b" * 64 + ".org",
        "a" * 321 + "@example.org",
        "a@\u2029.org",
        "\ud800@example.org",
    ],
)
def test_what_is_no_e_mail_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(AliasError) as error:
        normalise_email(address)
    assert len(address) < 3 or address not in str(error.value)


@given(st.emails())
def test_normalising_an_e_mail_twice_changes_nothing(address: str) -> None:
    once = normalise_email(address)
    assert normalise_email(once) == once
    assert normalise_email(f"  {once.upper()}\t") == once


@given(st.text(min_size=1), st.sampled_from(["example.org", "ä.example", "ΣΑΣ.example"]))
def test_any_text_either_normalises_for_good_or_is_refused(local: str, domain: str) -> None:
    try:
        once = normalise_email(f"{local}@{domain}")
    except AliasError:
        return
    assert normalise_email(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert normalise_email(unicodedata.normalize("NFD", once)) == once


@pytest.mark.parametrize(
    "number", ["040 123 4567", "+358 40 123 4567", "00358401234567", "+358-40-1234567"]
)
def test_a_telephone_number_is_written_as_e_164(number: str) -> None:
    assert normalise_phone(number, region="FI") == "+358401234567"


@pytest.mark.parametrize("number", ["", "12", "call me", "+999 1", "0401234567890123456789"])
def test_what_is_no_telephone_number_is_refused(number: str) -> None:
    with pytest.raises(AliasError):
        normalise_phone(number, region="FI")


@given(st.text(min_size=1, max_size=50))
def test_a_person_number_either_keeps_its_case_or_is_refused(number: str) -> None:
    try:
        once = normalise_person_number(number)
    except AliasError:
        return
    assert normalise_person_number(once) == once
    assert once == unicodedata.normalize("NFC", number).strip()


@pytest.mark.parametrize("number", ["", "  ", "a\x1fb", "\x00", "\ud800"])
def test_a_person_number_is_visible_text(number: str) -> None:
    with pytest.raises(AliasError):
        normalise_person_number(number)


def test_one_value_of_two_kinds_or_sources_is_two_aliases() -> None:
    texts = {
        written(alias, region="FI")
        for alias in (
            Alias("person_number", "1", "short-courses"),
            Alias("person_number", "1", "event-forms"),
            Alias("person_number", "+358401234567", "event-forms"),
            Alias("phone", "+358401234567"),
        )
    }
    assert len({Pepper(b"p" * 32).digest_of(text) for text in texts}) == 4


@pytest.mark.parametrize(
    "alias",
    [Alias("email", "a@example.org", "website"), Alias("person_number", "1")],
)
def test_a_source_belongs_to_person_numbers_only(alias: Alias) -> None:
    with pytest.raises(AliasError):
        written(alias, region="FI")


def test_people_who_share_an_alias_take_turns() -> None:
    address = Alias("email", "a@example.org")
    first = Alias("person_number", "1", "website")
    second = Alias("person_number", "2", "website")
    made = batch(
        [[first, address], [address], [Alias("email", "A@example.org")], [second]],
        peppers=[Pepper(b"n" * 32), Pepper(b"o" * 32)],
        region="FI",
    )
    assert made.person_of == [0, 1, 1, 2]
    assert made.rounds == [1, 2, 1]
    assert made.ranks == [1, 2, 2, 1]
    assert made.old_places == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "aliases",
    [[], [Alias("person_number", "1", "website"), Alias("person_number", "2", "website")]],
)
def test_a_person_without_alias_or_with_two_numbers_is_a_mistake(aliases: list[Alias]) -> None:
    with pytest.raises(AliasError):
        batch([aliases], peppers=[Pepper(bytes(32))], region="FI")
