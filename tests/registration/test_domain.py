"""Rules of registration: events, seats, forms, lists. No database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from services.registration.domain.events import (
    FULL,
    SEATED,
    Event,
    InLine,
    cancelled,
    change_refusal,
    changed,
    ended,
    given_back,
    moved_up,
    opened,
    refusal,
    seat,
    to_move_up,
)
from services.registration.domain.forms import (
    UNREGISTERED,
    Agreed,
    Content,
    FieldRule,
    Form,
    FormFault,
    Kept,
    Kind,
    merge,
    read,
    read_changes,
    refill,
)
from services.registration.domain.lists import cell, parts
from services.registration.domain.order import waves
from shared.contract.inbound import EventAnnounced, FormField
from shared.contract.types import EventId

BEGINS = datetime(2026, 10, 1, 6, tzinfo=UTC)
ENDS = BEGINS + timedelta(hours=8)


def offer(**over: object) -> EventAnnounced:
    data = {
        "event_number": "E-1",
        "sequence": 1,
        "title": {"en": "A day"},
        "unit": "events",
        "starts_at": BEGINS,
        "ends_at": ENDS,
        "time_zone": "Europe/Helsinki",
        "form": (),
        **over,
    }
    return EventAnnounced.model_validate(data)


def event(**over: object) -> Event:
    return opened(offer(**over), event_id=EventId(UUID(int=1)), source="event-forms")


class TestEvents:
    def test_older_news_changes_nothing(self) -> None:
        known = event(sequence=5)
        assert changed(known, offer(sequence=5, unit="training")) is known
        assert changed(known, offer(sequence=4, unit="training")) is known

    def test_news_makes_a_new_version(self) -> None:
        after = changed(event(), offer(sequence=2, capacity=10))
        assert (after.version, after.sequence, after.free) == (2, 2, 10)

    def test_the_same_said_again_is_no_new_version(self) -> None:
        after = changed(event(), offer(sequence=2))
        assert (after.version, after.sequence) == (1, 2)

    def test_a_cancelled_event_stays_cancelled(self) -> None:
        gone = cancelled(event(), BEGINS)
        assert gone.state().status == "cancelled"
        assert cancelled(gone, ENDS) is gone
        assert changed(gone, offer(sequence=9, capacity=3)) is gone

    def test_an_event_ends_once_its_end_has_passed(self) -> None:
        known = event()
        assert ended(known, ENDS - timedelta(seconds=1)) is known
        over = ended(known, ENDS)
        assert (over.status, over.version) == ("ended", 2)
        assert ended(over, ENDS) is over

    def test_an_event_whose_end_is_moved_is_open_again(self) -> None:
        over = ended(event(), ENDS)
        assert changed(over, offer(sequence=2, ends_at=ENDS + timedelta(1))).status == "open"
        assert changed(over, offer(sequence=2, capacity=9)).status == "ended"

    def test_closing_is_inclusive_and_the_end_is_not(self) -> None:
        closing = event(registration_closes_at=BEGINS)
        assert refusal(closing, BEGINS) is None
        assert refusal(closing, BEGINS + timedelta(seconds=1)) == "registration_closed"
        assert refusal(closing, ENDS) == "event_ended"
        assert change_refusal(closing, BEGINS + timedelta(seconds=1)) is None
        assert change_refusal(closing, ENDS) == "event_ended"
        assert change_refusal(cancelled(closing, BEGINS), BEGINS) == "event_cancelled"


class TestSeats:
    def test_who_comes_first_sits_and_the_next_wait_in_line(self) -> None:
        after, seats = seat(event(capacity=1, waiting_list=True), 3)
        assert seats == [SEATED, InLine(1, 1), InLine(2, 2)]
        assert (after.places_taken, after.waitlisted) == (1, 2)

    def test_without_a_waiting_list_the_event_is_full(self) -> None:
        after, seats = seat(event(capacity=1), 2)
        assert seats == [SEATED, FULL]
        assert after.is_full_for_good

    def test_nobody_new_goes_before_those_who_wait(self) -> None:
        full, _ = seat(event(capacity=1, waiting_list=True), 2)
        roomy = given_back(full, places=1, in_line=0)
        assert seat(roomy, 1)[1] == [InLine(2, 2)]

    def test_a_place_in_the_line_is_never_given_twice(self) -> None:
        waiting, _ = seat(event(capacity=1, waiting_list=True), 3)
        left = given_back(waiting, places=0, in_line=1)
        assert seat(left, 1)[1] == [InLine(2, 3)]

    def test_a_cancelled_event_moves_nobody_up(self) -> None:
        waiting, _ = seat(event(capacity=1, waiting_list=True), 3)
        assert to_move_up(cancelled(given_back(waiting, places=1, in_line=0), BEGINS)) == 0

    @given(
        capacity=st.none() | st.integers(1, 6),
        waiting_list=st.booleans(),
        steps=st.lists(
            st.tuples(
                st.sampled_from(["come", "leave", "leave line", "resize"]), st.integers(1, 5)
            ),
            max_size=40,
        ),
    )
    def test_seats_never_exceed_capacity_whatever_the_order(
        self, capacity: int | None, waiting_list: bool, steps: list[tuple[str, int]]
    ) -> None:
        now = event(capacity=capacity, waiting_list=waiting_list)
        for sequence, (step, number) in enumerate(steps, start=2):
            before = now
            if step == "come":
                now, seats = seat(now, number)
                seated = sum(one == SEATED for one in seats)
                assert now.places_taken == before.places_taken + seated
                assert len(seats) == number
                if now.offer.capacity is not None and seated:
                    assert now.places_taken <= now.offer.capacity
                continue
            if step == "leave":
                now = given_back(now, places=min(number, now.places_taken), in_line=0)
            elif step == "leave line":
                now = given_back(now, places=0, in_line=min(number, now.waitlisted))
            elif capacity is not None:
                now = changed(
                    now, offer(sequence=sequence, capacity=number, waiting_list=waiting_list)
                )
            now = moved_up(now, to_move_up(now))
            assert now.waitlisted >= 0
            if now.offer.capacity is not None:
                assert now.places_taken <= max(now.offer.capacity, before.places_taken)
                assert now.waitlisted == 0 or now.places_taken >= now.offer.capacity


NAME = FieldRule("name", "contact.name", "event-arrangement", "text", required=True)
EMAIL = FieldRule("email", "contact.email", "event-arrangement", "email")
SHARED = FieldRule("email", "networking.email", "networking", "email", only_with="sharing")
NEWS = FieldRule("email", "marketing.email", "marketing", "email", only_with="consent")
DIET = FieldRule("diet", "diet.text", "dietary-needs", "text", True, 10, only_with="consent")
FORM = Form.of([NAME, EMAIL, SHARED, NEWS, DIET], registered=["phone"])


def kept(result: Kept | FormFault) -> Kept:
    assert isinstance(result, Kept)
    return result


class TestForms:
    def test_only_what_is_declared_and_allowed_is_kept(self) -> None:
        answers = {"name": "A", "phone": "1", "shoe_size": "44", "diet": "none"}
        result = kept(read(FORM, answers, Agreed()))
        assert result.content == {"contact": {"name": "A"}}
        assert sorted(result.dropped) == ["diet.text", "phone", UNREGISTERED]

    def test_one_input_fills_every_field_that_was_agreed_to(self) -> None:
        answers = {"name": "A", "email": "a@example.org", "diet": "nuts"}
        agreed = Agreed({"marketing", "dietary-needs"}, {"contact.email"})
        assert kept(read(FORM, answers, agreed)).content == {
            "contact": {"name": "A", "email": "a@example.org"},
            "networking": {"email": "a@example.org"},
            "marketing": {"email": "a@example.org"},
            "diet": {"text": "nuts"},
        }

    def test_a_required_answer_is_missed_only_where_it_may_be_kept(self) -> None:
        assert isinstance(read(FORM, {"name": "A"}, Agreed()), Kept)
        missing = read(FORM, {"name": "A"}, Agreed({"dietary-needs"}))
        assert missing == FormFault("field_missing", "answers.diet is missing")

    def test_an_answer_that_is_not_kept_is_not_judged(self) -> None:
        assert isinstance(read(FORM, {"name": "A", "diet": ["x"]}, Agreed()), Kept)

    @pytest.mark.parametrize(
        ("kind", "good", "bad"),
        [
            ("text", ["a", "ä\nb"], [1, True, ["a"], {"a": 1}]),
            ("email", ["a@example.org", "ä+b@mail.example.org"], ["a", "a@b", "a b@example.org"]),
            ("phone", ["+358 40 123 4567", "040-1234567"], ["call me", "1", 401234567]),
            ("number", [1, 2.5, "3", "-4.5"], ["many", True, "nan", "1e999", [1]]),
            ("boolean", [True, False], ["true", 1]),
            ("date", ["2026-10-01"], ["1.10.2026", 20261001, "2026-13-01"]),
        ],
    )
    def test_an_answer_is_of_its_type(
        self, kind: Kind, good: list[JsonValue], bad: list[JsonValue]
    ) -> None:
        rule = FieldRule("x", "contact.name", "p", kind)
        form = Form.of([rule])
        for value in good:
            result = read(form, {"x": value}, Agreed())
            assert isinstance(result, Kept), value
        for value in bad:
            fault = read(form, {"x": value}, Agreed())
            assert isinstance(fault, FormFault), value
            assert fault.reason == "field_invalid"
            assert fault.detail.startswith("answers.x ")

    def test_an_answer_has_a_greatest_length(self) -> None:
        fault = read(FORM, {"name": "A", "diet": "n" * 11}, Agreed({"dietary-needs"}))
        assert fault == FormFault("field_invalid", "answers.diet is longer than 10 characters")

    def test_an_answer_is_one_of_the_choices_where_there_are_some(self) -> None:
        rule = FieldRule("room", "stay.room", "p", "text", choices=("single", "double"))
        form = Form.of([rule])
        assert isinstance(read(form, {"room": "single"}, Agreed()), Kept)
        for value in ("suite", "Single"):
            fault = read(form, {"room": value}, Agreed())
            assert fault == FormFault("field_invalid", "answers.room is none of the choices")
        assert isinstance(read_changes(form, {"room": ""}, Agreed()), Kept)

    def test_a_change_touches_what_it_names_alone(self) -> None:
        result = kept(read_changes(FORM, {"email": "b@example.org"}, Agreed()))
        assert result.content == {"contact": {"email": "b@example.org"}}
        assert merge({"name": "A", "email": "a"}, result.content["contact"]) == {
            "name": "A",
            "email": "b@example.org",
        }

    def test_a_blank_change_takes_the_value_away_unless_it_is_required(self) -> None:
        result = kept(read_changes(FORM, {"email": ""}, Agreed()))
        assert merge({"name": "A", "email": "a"}, result.content["contact"]) == {"name": "A"}
        assert isinstance(read_changes(FORM, {"name": None}, Agreed()), FormFault)

    def test_what_was_taken_back_is_kept_no_more_and_can_still_be_taken_away(self) -> None:
        agreed = Agreed({"dietary-needs"}, {"networking.email"}, {"dietary-needs", "networking"})
        answers: dict[str, JsonValue] = {"email": "b@example.org", "diet": "nuts"}
        result = kept(read_changes(FORM, answers, agreed))
        assert result.content == {"contact": {"email": "b@example.org"}}
        assert sorted(result.dropped) == ["diet.text", "marketing.email", "networking.email"]
        result = kept(read_changes(FORM, {"diet": " "}, agreed))
        assert (result.content, result.dropped) == ({"diet": {"text": None}}, [])

    def test_a_yes_is_needed_for_what_is_kept_alone(self) -> None:
        agreed = Agreed({"marketing", "dietary-needs"}, {"contact.email"})
        without, with_all = (
            kept(read(FORM, {"name": "A", "diet": "nuts", **more}, agreed))
            for more in ({}, {"email": "a@example.org"})
        )
        assert FORM.agreed_for(without, agreed) == {"dietary-needs"}
        assert FORM.agreed_for(with_all, agreed) == {"dietary-needs", "networking", "marketing"}

    def test_a_category_rests_on_agreement_where_nothing_else_fills_it(self) -> None:
        rests = {name for name in ("contact", "marketing", "diet") if FORM.rests_on_agreement(name)}
        assert rests == {"marketing", "diet"}
        both = Form.of([EMAIL, FieldRule("x", "contact.x", "p", "text", only_with="consent")])
        assert not both.rests_on_agreement("contact")

    def test_a_category_is_filled_again_from_the_same_inputs(self) -> None:
        content: Content = {"contact": {"name": "A", "email": "b@example.org"}}
        assert refill(FORM, "marketing", content, Agreed({"marketing"})) == {
            "email": "b@example.org"
        }
        assert refill(FORM, "marketing", content, Agreed()) == {}

    @given(
        answers=st.dictionaries(
            st.sampled_from(["name", "email", "diet", "phone", "x", "marketing.email"]),
            st.none() | st.booleans() | st.text(max_size=12) | st.just("a@example.org"),
        ),
        purposes=st.sets(st.sampled_from(["marketing", "dietary-needs", "networking"])),
        shared=st.sets(st.sampled_from(["contact.email", "networking.email", "diet.text"])),
    )
    def test_no_undeclared_field_survives(
        self, answers: dict[str, str | bool | None], purposes: set[str], shared: set[str]
    ) -> None:
        rules = {rule.field: rule for rules in FORM.rules.values() for rule in rules}
        for reading in (read, read_changes):
            result = reading(FORM, answers, Agreed(purposes, shared))
            if isinstance(result, FormFault):
                continue
            for category, content in result.content.items():
                for name, value in content.items():
                    rule = rules[f"{category}.{name}"]
                    if value is None:
                        assert reading is read_changes, "what is taken away is not kept"
                        continue
                    assert value == answers[rule.input]
                    assert rule.only_with != "consent" or rule.purpose in purposes
                    assert rule.only_with != "sharing" or shared


class TestLists:
    RULES = (
        FieldRule("name", "contact.name", "event-arrangement", "text"),
        FieldRule("email", "contact.email", "event-arrangement", "email"),
        FieldRule("diet", "diet.text", "dietary-needs", "text"),
    )
    PURPOSES = {"dietary-needs": ("diet", "contact"), "catering": ("contact",)}  # noqa: RUF012 - read only

    def test_a_list_has_what_plan_and_form_both_allow(self) -> None:
        (part,) = parts(self.PURPOSES, ["contact.name", "diet.text", "stay.nights"], self.RULES)
        assert part.purpose == "dietary-needs"
        assert part.fields == ("contact.name", "diet.text")
        assert part.own == {"diet"}

    def test_a_form_that_asks_nothing_for_a_recipient_gives_it_nothing(self) -> None:
        assert parts({"transport": ("transport",)}, ["transport.pickup"], self.RULES) == []

    @pytest.mark.parametrize("value", ["=1+1", "+358", "-1", "@x", "\tx", "\rx"])
    def test_no_cell_is_a_formula(self, value: str) -> None:
        assert cell(value) == "'" + value

    def test_other_cells_are_as_they_are(self) -> None:
        assert [cell(value) for value in ("ä", None, 2, True)] == ["ä", "", "2", "True"]


@given(st.lists(st.integers(0, 5)))
def test_waves_keep_the_order_of_each_key(items: list[int]) -> None:
    numbered = list(enumerate(items))
    cut = waves(numbered, key=lambda item: item[1])
    assert sorted(item for wave in cut for item in wave) == numbered
    for wave in cut:
        assert len({key for _, key in wave}) == len(wave)
    for key in set(items):
        order = [number for wave in cut for number, one in wave if one == key]
        assert order == sorted(order)


def test_a_form_field_of_the_contract_can_be_a_key() -> None:
    """The rules of a form are kept by the form itself."""
    declared = FormField(name="a", field="contact.name", purpose="event-arrangement")
    assert hash((declared,)) == hash((declared.model_copy(),))
