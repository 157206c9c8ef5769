"""What does not add up is said, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from services.cli.demo import DemoError, Handover, _settle, unlogged
from services.cli.reckoning import Books, Handed, Progress, Reckoning

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


def test_a_service_is_settled_when_it_has_taken_and_said_everything() -> None:
    progress = Progress("consent", done=5, there=5, outbox=0, dead=1, parked=0)
    assert progress.settled
    assert not replace(progress, there=6).settled
    assert not replace(progress, outbox=1).settled


class Standstill(Books):
    """A system in which one service never gets on."""

    def __init__(self) -> None:
        pass

    async def progress(self, heard: object) -> list[Progress]:
        done = Progress("consent", done=5, there=5, outbox=0, dead=0, parked=0)
        return [done, replace(done, service="finance", done=4)]


async def test_a_demonstration_that_does_not_get_on_ends_and_names_who_is_behind() -> None:
    with pytest.raises(DemoError, match=r"not done: finance$"):
        await _settle(Standstill(), within_s=0.01)
