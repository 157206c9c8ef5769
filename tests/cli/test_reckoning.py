"""What does not add up is said, number by number."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from services.cli.demo import DemoError, Handover, _report, _settle, unlogged
from services.cli.reckoning import Books, Handed, Progress, Reckoning
from tests.cli.tables import numbers, rows

BALANCED = Reckoning(
    received={"inbound.registrations": 10, "inbound.contacts": 3},
    outcomes={
        "inbound.registrations": {"accepted": 5, "refused": 2, "waiting": 1, "duplicate": 2},
        "inbound.contacts": {"dead_letter": 2, "parked": 1},
    },
    declined={"event_full": 2},
    faults={"json_broken": 1, "field_missing": 1},
    parked=1,
    waiting=1,
)
PASSED_OVER = {
    "received": {**BALANCED.received, "inbound.contacts": 4},
    "outcomes": {
        **BALANCED.outcomes,
        "inbound.contacts": {**BALANCED.outcomes["inbound.contacts"], "ignored": 1},
    },
}
LIST = Handover("E-1", "caterer", "d-1", people=3)
LOGGED = Handed("d-1", "caterer", "dietary-needs", entries=3, people=3, refused=0)


def test_numbers_that_add_up_leave_nothing_to_say() -> None:
    assert BALANCED.discrepancies() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"received": {"inbound.registrations": 11, "inbound.contacts": 3}},
            "inbound.registrations: 11 received, 10 have an outcome",
        ),
        ({"declined": {}}, "refused: the services counted 2, there are 0"),
        ({"faults": {"json_broken": 3}}, "dead_letter: the services counted 2, there are 3"),
        (PASSED_OVER, "inbound.contacts: 1 ignored, and nothing from upstream may be"),
        ({"parked": 0}, "parked: the services counted 1, there are 0"),
        ({"waiting": 2}, "waiting: the services counted 1, there are 2"),
    ],
)
def test_a_number_that_is_off_is_named(change: Mapping[str, object], said: str) -> None:
    assert replace(BALANCED, **change).discrepancies() == [said]  # type: ignore[arg-type] # any field


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        (LOGGED, []),
        (None, ["caterer of E-1 got 3 people; the log has 0 entries about 0"]),
        (
            replace(LOGGED, entries=4),
            ["caterer of E-1 got 3 people; the log has 4 entries about 3"],
        ),
        (
            replace(LOGGED, people=2),
            ["caterer of E-1 got 3 people; the log has 3 entries about 2"],
        ),
    ],
)
def test_a_list_whose_people_have_not_one_entry_each_is_named(
    logged: Handed | None, said: list[str]
) -> None:
    assert unlogged([LIST], [] if logged is None else [logged]) == said


@dataclass
class Told(Books):
    """Says what it is told to."""

    told: Reckoning
    logged: Sequence[Handed]

    async def reckon(self) -> Reckoning:
        return self.told

    async def disclosures(self) -> list[Handed]:
        return list(self.logged)


async def test_every_number_is_shown_with_its_name_and_that_all_adds_up() -> None:
    shown = io.StringIO()
    await _report(Console(file=shown, width=100), Told(BALANCED, [LOGGED]), [LIST])
    tables = rows(shown.getvalue())
    assert numbers(tables, 3) == {
        "received": 13,
        "accepted": 5,
        "refused": 2,
        "waiting": 1,
        "duplicate": 2,
        "dead letter": 2,
        "parked": 1,
        "sum": 13,
    }
    assert numbers(tables, 2) == {"event full": 2, "field missing": 1, "json broken": 1}
    assert [row for row in tables if len(row) == 6] == [
        ["caterer", "dietary-needs", "3", "3", "0", "d-1"]
    ]
    assert "every message has one outcome" in shown.getvalue()


@pytest.mark.parametrize(
    ("reckoning", "logged", "said"),
    [
        (replace(BALANCED, parked=0), [LOGGED], "parked: the services counted 1, there are 0"),
        (BALANCED, [], "caterer of E-1 got 3 people; the log has 0 entries about 0"),
    ],
)
async def test_a_demonstration_whose_numbers_do_not_add_up_fails(
    reckoning: Reckoning, logged: Sequence[Handed], said: str
) -> None:
    with pytest.raises(DemoError) as caught:
        await _report(Console(quiet=True), Told(reckoning, logged), [LIST])
    assert str(caught.value) == said


def test_a_service_is_settled_when_it_has_taken_and_said_everything() -> None:
    progress = Progress("consent", done=5, there=5, outbox=0, dead=1, parked=0)
    assert progress.settled
    assert not replace(progress, there=6).settled
    assert not replace(progress, outbox=1).settled


class Standstill(Books):
    """A system in which one service never gets on."""

    def __init__(self) -> None:
        pass

    async def progress(self) -> list[Progress]:
        done = Progress("consent", done=5, there=5, outbox=0, dead=0, parked=0)
        return [done, replace(done, service="finance", done=4)]


async def test_a_demonstration_that_does_not_get_on_ends_and_names_who_is_behind() -> None:
    with pytest.raises(DemoError, match=r"not done: finance$"):
        await _settle(Standstill(), within_s=0.01)
