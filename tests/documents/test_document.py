"""A document says the same as Markdown, as a page and on a terminal, and never as markup."""

from __future__ import annotations

import io
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from services.audit.commands import about_document
from services.cli.plan import words as plan_words
from shared.documents import words
from shared.documents.document import (
    Document,
    Entry,
    Fact,
    Said,
    Section,
    Table,
    cell,
    rendered,
)
from shared.documents.terminal import print_document
from shared.documents.words import Words, languages
from shared.privacy.plan import Period, RetentionClass

HOSTILE = "<script>alert(1)</script> *bold* [link](x) `code` a_b_c & more"


def document(text: str) -> Document:
    table = Table(text, (text, "b"), ((cell(text), cell((Said(text), Said("x", "fi")), text)),))
    section = Section(
        text,
        (text,),
        (text,),
        (Fact(text, (text, text)),),
        (Entry(text, (Fact(text, (text,)),)),),
        (table,),
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
    assert page.text.count(HOSTILE) == 18


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


def phrases(file: Path) -> dict[tuple[str, str], set[str]]:
    """Each phrase of a file, with the places that values go to."""
    return {
        (table, key): {part.partition("}")[0] for part in phrase.split("{")[1:]}
        for table, those in tomllib.loads(file.read_text("utf-8")).items()
        for key, phrase in those.items()
    }


@pytest.mark.parametrize(
    ("folder", "spoken"),
    [
        (Path(words.__file__).with_name("words"), ("en", "fi", "sv")),
        (plan_words.FOLDER, ("en", "fi")),
        (about_document.WORDS, ("en", "fi", "sv")),
    ],
    ids=["every document", "record and notice", "about a person"],
)
def test_every_language_has_the_same_phrases_with_the_same_places(
    folder: Path, spoken: tuple[str, ...]
) -> None:
    assert languages(folder) == spoken
    english = phrases(folder / "en.toml")
    for language in spoken:
        assert phrases(folder / f"{language}.toml") == english


def test_a_table_of_a_page_has_heads_that_print_again_and_languages_where_they_differ() -> None:
    page = rendered(document("x"), "html")
    assert page.count('<th role="columnheader" scope="col">') == 2
    assert "thead { display: table-header-group; }" in page
    assert '<div>x<span lang="fi">x</span></div><div>x</div>' in page


def test_a_page_is_whole_without_scripts_and_without_anything_from_elsewhere() -> None:
    page = rendered(document("x"), "html")
    found = Tags()
    found.feed(page)
    assert not {"script", "link", "img", "iframe", "form"} & set(found.tags)
    assert "http" not in page
    assert "url(" not in page
    assert "@page { size: A4" in page


def test_a_table_in_markdown_has_a_row_on_a_line() -> None:
    lines = rendered(document("x"), "md").splitlines()
    start = lines.index("| x | b |")
    assert lines[start + 1 : start + 3] == ["|---|---|", "| x | xx; x |"]


def test_what_a_document_says_is_no_markup_on_a_terminal() -> None:
    written = io.StringIO()
    print_document(document("[bold]x[/bold]"), Console(file=written, width=200))
    assert written.getvalue().count("[bold]x[/bold]") == 17


def test_nothing_that_a_document_says_is_cut_off_on_a_narrow_terminal() -> None:
    word = "y" * 50
    written = io.StringIO()
    print_document(document(word), Console(file=written, width=40))
    whole = written.getvalue()
    assert "…" not in whole
    assert whole.count("y") == 17 * len(word)


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
