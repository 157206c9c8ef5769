"""Commands that the pages name exist as they are named, and where somebody is to type them, stand
there whole: in blocks, and in tables that say what to do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from typer._click import ClickException, Command, Context

from tests.conftest import ROOT
from tests.support.command_tree import is_group, tree

PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")))
TREE = tree()
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
SPAN = re.compile(r"`(steward [a-z][^`]*)`")
# What a shell does with a command's words begins with one of these.
END = re.compile(r"\s(?:#|\||>|&&|\\$)|[);]")


@dataclass(frozen=True)
class Named:
    """A command as a page has it; `whole` where it can be typed as it stands there."""

    page: str
    text: str
    whole: bool


def named(page: str, text: str) -> Iterator[Named]:
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            for found in re.finditer(r"(?:^|[\s(])(steward [a-z].*)", line.split("  #")[0]):
                yield Named(page, END.split(found.group(1))[0], whole=True)
    header = ""
    for line in BLOCK.sub("", text).splitlines():
        header = (header or line) if line.startswith("|") else ""
        for span in SPAN.findall(line):
            yield Named(page, END.split(span)[0], whole=header.endswith("| do |"))


def all_named() -> list[Named]:
    return sorted(
        {one for page in PAGES for one in named(page, (ROOT / page).read_text("utf-8"))},
        key=lambda one: (one.page, one.text),
    )


def wrong(one: Named) -> str | None:
    """What is wrong with it, by the command line's own rules."""
    words = shlex.split(one.text)[1:]
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in TREE:
        path, words = (*path, words[0]), words[1:]
    command = TREE[path]
    if is_group(command):
        return f"no command {words[0]}" if words and re.match(r"[a-z-]+$", words[0]) else None
    return wrong_words(command, [word for word in words if word != "…"], whole=one.whole)


def wrong_words(command: Command, words: list[str], *, whole: bool) -> str | None:
    context = Context(command)
    try:
        given, more, _ = command.make_parser(context).parse_args(list(words))
    except ClickException as error:
        return error.format_message()
    missing = [
        parameter.name
        for parameter in command.params
        if parameter.required and not given.get(parameter.name or "")
    ]
    if more:
        return f"too much: {' '.join(more)}"
    return f"without {', '.join(map(str, missing))}" if whole and missing else None


def test_the_search_finds_what_is_wrong() -> None:
    page = (
        "```sh\necho X | steward audit about - --since DAY | less  # as text\n"
        "steward plan diff\n```\n"
        "`steward plan diff` says\n"
        "| it says | do |\n| `steward keys rotten` | `steward plan apply --dry`, `steward logs` |\n"
    )
    assert [(one.text, wrong(one)) for one in named("page", page)] == [
        ("steward audit about - --since DAY", None),
        ("steward plan diff", "without old, new"),
        ("steward plan diff", None),
        ("steward keys rotten", "no command rotten"),
        ("steward plan apply --dry", "No such option: --dry (Possible options: --dry-run, --yes)"),
        ("steward logs", "without service"),
    ]


@pytest.mark.parametrize("one", all_named(), ids=lambda one: f"{one.page}: {one.text}")
def test_a_command_can_be_typed_as_the_page_has_it(one: Named) -> None:
    assert wrong(one) is None


@pytest.mark.parametrize("page", PAGES)
def test_a_program_of_kafka_is_told_where_the_brokers_are(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    commands = re.findall(r"\bkafka-[a-z-]+\.sh --?[^`\n]*", text)
    assert [one for one in commands if "--bootstrap-server " not in one] == []
