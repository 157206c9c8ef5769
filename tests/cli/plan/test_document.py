from __future__ import annotations

import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from services.cli.plan import words
from services.cli.plan.words import LANGUAGES, Words
from shared.documents.document import Document, Entry, Fact, Section, rendered
from shared.privacy.plan import Period, RetentionClass

HOSTILE = "<script>alert(1)</script> *bold* [link](x) `code` a_b_c & more"


def document(text: str) -> Document:
    section = Section(
        text, (text,), (text,), (Fact(text, (text, text)),), (Entry(text, (Fact(text, (text,)),)),)
    )
    return Document("en", text, text, (section,), text)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_what_the_plan_says_is_no_markup_in_html() -> None:
    page = Tags()
    page.feed(rendered(document(HOSTILE), "html"))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 13


def test_what_the_plan_says_is_no_markup_in_markdown() -> None:
    lines = rendered(document(HOSTILE), "md").splitlines()
    assert not [line for line in lines if "<script" in line.replace("\\<", "")]
    assert "\\*bold\\*" in lines[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# no heading", "\\# no heading"),
        ("- no point", "\\- no point"),
        ("2. no number", "2\\. no number"),
        ("1234567-1", "1234567-1"),
        ("two\n\nparagraphs", "two paragraphs"),
    ],
)
def test_a_text_begins_no_block_in_markdown(text: str, shown: str) -> None:
    written = rendered(Document("en", "x", text, (), "x"), "md")
    assert written.splitlines()[2] == shown


def test_each_heading_of_markdown_stands_alone() -> None:
    lines = rendered(document("x"), "md").split("\n")
    for place, line in enumerate(lines[1:], 1):
        if line.startswith("#"):
            assert lines[place - 1] == lines[place + 1] == ""
    assert "\n\n\n" not in "\n".join(lines)


def test_every_language_has_the_same_phrases_with_the_same_places() -> None:
    def keys(language: str) -> dict[tuple[str, str], set[str]]:
        file = Path(words.__file__).with_name(f"{language}.toml")
        tables = tomllib.loads(file.read_text("utf-8"))
        return {
            (table, key): {part.partition("}")[0] for part in phrase.split("{")[1:]}
            for table, phrases in tables.items()
            for key, phrase in phrases.items()
        }

    english = keys("en")
    for language in LANGUAGES:
        assert keys(language) == english


@pytest.mark.parametrize(
    ("period", "english", "finnish"),
    [
        ("P6M", "6 months", "6 kuukautta"),
        ("P1Y", "1 year", "1 vuosi"),
        ("P1Y1M14D", "1 year and 1 month and 14 days", "1 vuosi ja 1 kuukausi ja 14 päivää"),
    ],
)
def test_a_period_is_said_as_people_say_it(period: str, english: str, finnish: str) -> None:
    assert Words("en").period(Period.parse(period)) == english
    assert Words("fi").period(Period.parse(period)) == finnish


def test_what_is_kept_for_no_time_is_kept_until_something_happens() -> None:
    kept = RetentionClass.model_validate({"anchor": "consent_withdrawal", "period": "P0D"})
    assert Words("en").kept(kept) == "until consent is withdrawn"
    assert Words("fi").kept(kept) == "suostumuksen peruuttamiseen asti"
