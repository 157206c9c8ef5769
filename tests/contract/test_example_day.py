"""The day that is shipped: what it holds, and that it says rightly what is to become of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from examples import bad
from examples.command import app
from examples.day import OPENS, Day
from examples.lines import Line
from examples.offers import moment
from services.cli.inbound_lines import read_line
from shared.contract.codec import decode
from shared.contract.inbound import EventAnnounced, RegistrationSubmitted
from shared.contract.message import Message, Undecodable
from shared.privacy.plan import load_plan
from tests.support.records import MadeRecord

EXAMPLES = Path("examples")
Decoded = tuple[Line, Message[Any] | Undecodable]


@pytest.fixture(scope="module")
def day() -> list[Decoded]:
    made = []
    for line in Day(2_000, seed=1).lines():
        sent = read_line(line.text)
        assert sent.topic == line.topic
        record = MadeRecord(sent.value, sent.headers, sent.key, sent.topic)
        made.append((line, decode(record)))
    return made


def messages(day: list[Decoded]) -> Iterator[tuple[Line, Message[Any]]]:
    for line, decoded in day:
        if isinstance(decoded, Message):
            yield line, decoded


def test_the_shipped_day_is_what_the_generator_makes(tmp_path: Path) -> None:
    lines, expected = tmp_path / "day.jsonl", tmp_path / "expected.json"
    arguments = ["--output", str(lines), "--expected", str(expected)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert lines.read_bytes() == (EXAMPLES / "day.jsonl").read_bytes()
    assert expected.read_bytes() == (EXAMPLES / "expected.json").read_bytes()


def test_another_seed_gives_another_day_with_the_same_kinds() -> None:
    one, other = (list(Day(200, seed=seed).lines()) for seed in (1, 2))
    assert {line.text for line in one} != {line.text for line in other}
    assert {line.kind for line in one} >= BAD_KINDS
    assert {line.kind for line in other} >= BAD_KINDS


BAD_KINDS = {line.kind for make in bad.KINDS for line in make(Day(200, seed=1))}


def test_what_cannot_be_decoded_is_what_the_day_says(day: list[Decoded]) -> None:
    for line, decoded in day:
        if isinstance(decoded, Undecodable):
            assert (line.outcome, line.reason) == ("dead_letter", decoded.reason), line.kind


def test_what_is_to_be_accepted_is_valid_and_its_source_may_send_it(day: list[Decoded]) -> None:
    plan = load_plan(Path("plan.toml"))
    for line, decoded in day:
        if line.outcome in {"accepted", "refused", "waiting", "duplicate"}:
            assert isinstance(decoded, Message), line.kind
            assert plan.admit(decoded) is None, line.kind


def test_consents_answer_wordings_of_the_plan(day: list[Decoded]) -> None:
    plan = load_plan(Path("plan.toml"))
    for line, message in messages(day):
        for answer in getattr(message.data, "consents", ()):
            known = plan.wording(answer.wording, answer.language)
            assert (known is not None) == (line.kind != "unknown_wording")


def test_there_is_everything_that_a_day_brings(day: list[Decoded]) -> None:
    offered = {
        message.data.event_number: message.data
        for _, message in messages(day)
        if isinstance(message.data, EventAnnounced)
    }
    assert len(offered) == 5
    assert len({event.form for event in offered.values()}) >= 4
    assert {event.fee is None for event in offered.values()} == {True, False}
    sources = {message.envelope.source for _, message in messages(day)}
    assert (
        len(sources & {source.uri for source in load_plan(Path("plan.toml")).sources.values()}) == 3
    )
    given = Counter(
        (answer.purpose, answer.given)
        for _, message in messages(day)
        if isinstance(message.data, RegistrationSubmitted)
        for answer in message.data.consents
    )
    assert given[("marketing", True)] > 100
    assert given[("marketing", False)] > 100
    names = {
        str(message.data.answers.get("name"))
        for _, message in messages(day)
        if isinstance(message.data, RegistrationSubmitted)
    }
    assert any("ä" in name.lower() for name in names)
    assert any(not name.isascii() and "é" in name for name in names)


def test_two_in_a_hundred_are_bad(day: list[Decoded]) -> None:
    assert sum(line.kind in BAD_KINDS for line, _ in day) >= 40


def test_every_domain_is_reserved_for_examples() -> None:
    text = (EXAMPLES / "day.jsonl").read_text("utf-8")
    domains = re.findall(r"(?:@|https?://)([^\s\"\\/,;]+)", text)
    assert domains
    for domain in domains:
        assert re.search(r"(^|\.)example(\.(org|com|net))?$", domain), domain


def test_expected_numbers_add_up() -> None:
    expected: dict[str, Any] = orjson.loads((EXAMPLES / "expected.json").read_bytes())
    totals: Counter[str] = Counter()
    for topic in expected["topics"].values():
        assert topic["received"] == sum(topic["outcomes"].values())
        totals.update(topic["outcomes"])
    assert totals.total() == expected["messages"] == sum(expected["kinds"].values())
    assert totals["refused"] == sum(expected["refused"].values())
    assert totals["dead_letter"] == sum(expected["dead_letters"].values())
    assert expected["events"]["EV-2026-102"]["waitlisted"] > 0
    assert expected["refused"]["event_full"] > 0


def test_a_day_of_a_million_is_made_line_by_line() -> None:
    day = Day(1_000_000, seed=1)
    assert sum(1 for _ in islice(day.lines(), 1_000)) == 1_000
    assert day.time() < moment(day.on, OPENS) + timedelta(minutes=1)


@pytest.mark.parametrize("option", [["--registrations", "0"], ["--on", "tomorrow"]])
def test_wrong_options_are_refused(option: list[str]) -> None:
    assert CliRunner().invoke(app, option).exit_code == 2
