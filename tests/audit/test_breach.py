"""A recipient lost data: who is affected, whom to notify, and until when."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest
from rich.console import Console

from services.audit.commands import app
from services.audit.commands.breach_document import SHOWN, Breach, breach_document
from services.audit.domain.breach import (
    Duty,
    Kind,
    Lost,
    LostCategory,
    alike,
    clock,
    consequences,
    duty_of,
)
from services.audit.handlers.plans import Plans
from shared.contract.audit import (
    DataDisclosed,
    DataDisclosedToAuthority,
    DataTransmitted,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureRefused,
    DisclosureWithheld,
    Entry,
)
from shared.documents.document import rendered
from shared.documents.terminal import print_document
from shared.privacy.plan import Plan, load_plan
from shared.runtime.settings import ServiceSettings
from tests.support.commands import command
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.log import appending_to
from tests.support.plans import PLAN, changed, written
from tests.support.work import Work

KNOWN = datetime(2026, 11, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MANDATE = """
[on_behalf.alumni]
describes = { fi = "Alumnitapahtumat", en = "Alumni events" }
agreement = "Agreement 12"

[on_behalf.alumni.controller]
name = "Example Alumni"
email = "alumni@example.org"

[authorities.police]"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PLAN)


def lost(*categories: str, people: int = 2, undelivered: int = 0) -> Lost:
    """Three records of people of whom the recipient has all of these categories."""
    subjects = b"".join(sorted(uuid4().bytes for _ in range(people)))
    groups = alike([(frozenset(categories), subjects)] if people else [])
    return Lost(3, 1, undelivered, NOON, NOON, {frozenset(categories): 3}, groups)


def breach(what: Lost, plan: Plan, *, recipient: str = "caterer", now: datetime = KNOWN) -> Breach:
    kinds: dict[str, Kind] = {"diet": "special", "contact": "ordinary", "gone": "unknown"}
    found = consequences(what, kinds, duty_of("third_party"), clock(KNOWN, now))
    return Breach(recipient, NOON, NOON + HOUR, what, found, Plans(plan))


def text(of: Breach) -> str:
    written = io.StringIO()
    print_document(breach_document(of), Console(file=written, width=200))
    return written.getvalue()


def test_the_notification_is_due_72_hours_after_it_was_known() -> None:
    running = clock(KNOWN, KNOWN + 10 * HOUR)
    assert (running.deadline, running.left) == (KNOWN + 72 * HOUR, 62 * HOUR)
    assert not clock(KNOWN, KNOWN + 72 * HOUR).is_over


def test_hours_are_hours_also_where_clocks_are_put_back() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo("Europe/Helsinki"))
    assert clock(before, before).deadline == datetime.fromisoformat("2026-10-27T11:00:00+02:00")


def test_a_late_notification_needs_reasons_for_the_delay(plan: Plan) -> None:
    late = breach(lost("diet"), plan, now=KNOWN + 75 * HOUR + timedelta(minutes=5))
    assert late.consequences.clock.is_over
    assert "Over by 3 h 5 min: the reasons for the delay go with it." in text(late)
    assert "71 h 0 min left." in text(breach(lost("diet"), plan, now=KNOWN + HOUR))


@pytest.mark.parametrize(
    ("what", "telling", "special", "unknown"),
    [
        (lost("contact", "diet"), "required", ("diet",), ()),
        (lost("contact"), "to_be_judged", (), ()),
        (lost("gone"), "to_be_judged", (), ("gone",)),
        (lost(people=0), "nobody", (), ()),
    ],
)
def test_special_categories_decide_that_people_are_told_and_anything_else_is_judged_by_somebody(
    what: Lost, telling: str, special: tuple[str, ...], unknown: tuple[str, ...], plan: Plan
) -> None:
    found = breach(what, plan).consequences
    assert (found.telling, found.special, found.unknown) == (telling, special, unknown)
    assert ("no plan says what gone is" in text(breach(what, plan))) == bool(unknown)


@pytest.mark.parametrize(
    ("role", "duty"),
    [
        ("processor", "ours"),
        ("participants", "ours"),
        ("joint_controller", "arrangement"),
        ("third_party", "theirs_first"),
        ("authority", "theirs_first"),
        (None, "unknown"),
    ],
)
def test_whose_the_notification_is_follows_from_the_recipients_role(
    role: str | None, duty: Duty
) -> None:
    assert duty_of(role) == duty


def test_who_is_to_be_notified_comes_from_the_plan(plan: Plan, tmp_path: Path) -> None:
    said = text(breach(lost("contact", "diet"), plan))
    for one in (
        "Personal data lost by Example Catering Ltd",
        "Office of the Data Protection Ombudsman",
        "dpo@example.org",
        "The recipient's first",
        "special categories were lost: Special diet",
    ):
        assert one in said
    assert "Controllers" not in said
    changed_plan = load_plan(written(tmp_path, changed(("\n[authorities.police]", MANDATE))))
    assert "alumni@example.org: without undue delay" in text(breach(lost("diet"), changed_plan))


def test_a_document_shows_some_subjects_and_says_how_many_more_there_are(plan: Plan) -> None:
    many = breach(lost("diet", people=SHOWN + 2), plan)
    ids = [str(one) for one in many.lost.alike[0].subject_ids()]
    said = rendered(breach_document(many), "html")
    assert [one in said for one in ids] == [True] * SHOWN + [False] * 2
    assert "and 2 more: --json has all" in said


def test_people_and_records_of_a_category_are_those_of_every_set_that_has_it() -> None:
    one, two, three = (uuid4().bytes for _ in range(3))
    both = frozenset({"contact", "diet"})
    groups = alike([(both, one), (frozenset({"contact"}), two), (both, three)])
    found = Lost(2, 0, 0, NOON, NOON, {frozenset({"contact"}): 4, both: 2}, groups)
    assert (found.people, found.records) == (3, 6)
    assert found.categories == (LostCategory("contact", 3, 6), LostCategory("diet", 2, 2))
    assert [one.categories for one in groups] == [("contact",), ("contact", "diet")]


def arguments(*more: str, recipient: str = "caterer") -> tuple[str, ...]:
    span = ("--since", "2026-09-01", "--until", "2026-09-02")
    return ("breach", "--recipient", recipient, *span, *more)


async def test_who_is_affected_is_everybody_whose_data_arrived_or_may_have(
    work: Work, settings: ServiceSettings
) -> None:
    both, one, unsure, not_arrived, withheld = (uuid4() for _ in range(5))
    calls = [uuid4() for _ in range(4)]
    name = {"categories": ["contact"], "fields": ["contact.name"]}
    entries = (
        make_entry(DataDisclosed, subject_id=both, disclosure_id=calls[0]),
        make_entry(DataTransmitted, subject_id=one, disclosure_id=calls[0], **name),
        make_entry(DataDisclosed, subject_id=both, disclosure_id=calls[1], **name),
        make_entry(DataDisclosed, subject_id=unsure, disclosure_id=calls[2], **name),
        make_entry(DataDisclosed, subject_id=not_arrived, disclosure_id=calls[3]),
        make_entry(DisclosureFailed, disclosure_id=calls[0], at=NOON),
        make_entry(DisclosureDelivered, disclosure_id=calls[0], at=NOON + HOUR),
        make_entry(DisclosureDelivered, disclosure_id=calls[1]),
        make_entry(DisclosureFailed, disclosure_id=calls[3]),
        make_entry(DataDisclosed, subject_id=withheld, disclosure_id=calls[0]),
        make_entry(
            DisclosureWithheld, subject_id=withheld, disclosure_id=calls[0], may_have_reached=False
        ),
        make_entry(
            DisclosureWithheld, subject_id=unsure, disclosure_id=calls[2], may_have_reached=True
        ),
        make_entry(DisclosureRefused),
        make_entry(DataDisclosed, recipient="hotel"),
        make_entry(DataDisclosed, at=NOON + timedelta(days=2)),
        make_entry(
            DataDisclosedToAuthority, recipient="police", law="Police Act", request_reference="A-1"
        ),
    )
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    done = await command(app, settings, *arguments("--json"))
    assert done.code == 0, done.err
    found = orjson.loads(done.out)
    assert (found["people"], found["records"], found["disclosures"]) == (3, 4, 3)
    assert (found["unconfirmed"], found["undelivered"]) == (1, 1)
    assert found["categories"] == [
        {"category": "contact", "kind": "ordinary", "people": 3, "records": 4},
        {"category": "diet", "kind": "special", "people": 1, "records": 1},
    ]
    assert {tuple(a["categories"]): {*map(UUID, a["subject_ids"])} for a in found["affected"]} == {
        ("contact",): {one, unsure},
        ("contact", "diet"): {both},
    }
    assert found["notify"]["people"] == "required"
    assert 71.9 < found["notify"]["hours_left"] <= 72
    said = await command(app, settings, *arguments("--known-at", "2026-09-10"))
    assert (said.code, "Over by" in said.out, str(both) in said.out) == (0, True, True)
    police = orjson.loads(
        (await command(app, settings, *arguments("--json", recipient="police"))).out
    )
    assert (police["people"], police["records"]) == (1, 1)
    nobody = await command(app, settings, *arguments(recipient="bus-company"))
    assert (nobody.code, "Whom to notify" in nobody.out) == (1, False)


async def test_what_failed_and_may_have_arrived_counts_as_not_confirmed(
    work: Work, settings: ServiceSettings
) -> None:
    failures: tuple[dict[str, object], ...] = (
        {"reason": "not-written", "may_have_reached": True},
        {"reason": "interrupted"},
        {"reason": "delivery-failed"},
        {"reason": "interrupted", "may_have_reached": False},
        {"reason": "not-written"},
    )
    calls, subjects = [uuid4() for _ in failures], [uuid4() for _ in failures]
    entries: list[Entry] = [
        make_entry(DataDisclosed, subject_id=subject, disclosure_id=call)
        for subject, call in zip(subjects, calls, strict=True)
    ]
    entries += [
        make_entry(DisclosureFailed, disclosure_id=call, **why)
        for call, why in zip(calls, failures, strict=True)
    ]
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    found = orjson.loads((await command(app, settings, *arguments("--json"))).out)
    (affected,) = found["affected"]
    assert {*map(UUID, affected["subject_ids"])} == {*subjects[:3]}
    assert (found["records"], found["disclosures"]) == (3, 3)
    assert (found["unconfirmed"], found["undelivered"]) == (3, 2)


@pytest.mark.parametrize("last_word", [DisclosureFailed, DisclosureDelivered, None])
async def test_whoever_was_withheld_too_late_counts_whatever_became_of_the_others(
    work: Work, settings: ServiceSettings, last_word: type[Entry] | None
) -> None:
    call, too_late, in_time, other = (uuid4() for _ in range(4))
    entries: list[Entry] = [
        make_entry(DataDisclosed, subject_id=subject, disclosure_id=call)
        for subject in (too_late, in_time, other)
    ]
    entries += [
        make_entry(
            DisclosureWithheld, subject_id=one, disclosure_id=call, may_have_reached=one == too_late
        )
        for one in (too_late, in_time)
    ]
    if last_word is not None:
        entries.append(make_entry(last_word, disclosure_id=call, reason="not-written"))
    await work.do(appending_to(work), [Facts().message(entry) for entry in entries])
    found = orjson.loads((await command(app, settings, *arguments("--json"))).out)
    (affected,) = found["affected"]
    failed = last_word is DisclosureFailed
    assert {*map(UUID, affected["subject_ids"])} == {too_late, *([] if failed else [other])}
    assert found["disclosures"] == 1
    assert found["unconfirmed"] == (2 if last_word is None else 1)
    assert found["undelivered"] == (1 if failed else 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (arguments(recipient="caterrer"), "did you mean caterer?"),
        (arguments("--until", "2026-08-31"), "has to be before --until"),
        (arguments("--since", "yesterday"), "expected a day or a moment"),
        (arguments("--known-at", "2999-01-01"), "later than now"),
    ],
    ids=["unknown recipient", "empty span", "no day", "known in future"],
)
async def test_what_cannot_be_answered_exits_with_2_and_says_why(
    given: tuple[str, ...], said: str, settings: ServiceSettings
) -> None:
    done = await command(app, settings, *given)
    assert done.code == 2
    assert said in " ".join(done.err.replace("│", " ").split())
    assert "caterrer" not in done.err
