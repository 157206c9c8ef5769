from __future__ import annotations

from itertools import chain

import pytest

from bench.plans.__main__ import AGAIN, FOLDER, PORTIONS, by_topic, portions
from bench.plans.log import explained
from bench.plans.names import abridged, by_name, statements, telling, written
from examples.day import Day
from examples.lines import CONTACTS

EVERYBODY = "begin conclude figures hold_plan read_lane say_followed"
HOT = {
    "registration": """
        parked_among park bury claimed_bodies forget identify make_keys make_record_key open_keys
        open_record_keys answered_references events_by_reference events_by_id lock_events
        people_at_events registrations_by_reference whereabouts events_of_registrations keep_counts
        change_registrations cancel_registrations add_declined add_waiting
        take_waiting_for_registrations keep_consents consents_of
        events_to_end events_to_clear ready_events ready_registrations any_waited_since
    """,
    "consent": """
        parked_among forget identify find_everybody find_everybody-001 make_keys others_of
        others_of-001 record lock_states keep_contacts correct_contacts drop_contacts wait_no_longer
    """,
    "finance": """
        forget make_keys open_keys limits_of lock_series advance_series invoiced to_credit issue
        keep_buyers nameless correctable buyers_of
    """,
    "retention": "keep_anchors anchors_of put",
    "audit": """
        forget lock_tree known_ids grow_tree read_tree keep_checkpoint checkpoints_after bodies
        announce
    """,
}
"""What services ask with each batch of a usual day, and every few seconds, by service; with a
number, what a function asks.
"""

LOG = """\
812 postgres LOG:  checkpoint complete
813 steward_consent LOG:  duration: 1.50 ms  plan:
\tQuery Text: select p.topic, p.partition, p.next_offset
\tfrom position p
\tPlan of nobody  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1.00 loops=1)
\t  Buffers: shared hit=2
814 steward_finance LOG:  duration: 0.25 ms  plan:
\tQuery Text: select 1
\tResult  (cost=0.00..0.01 rows=1 width=4) (actual time=0.1..0.1 rows=1.00 loops=1)
814 steward_finance CONTEXT:  SQL statement "select 1"
\tPL/pgSQL function keyring.make_keys(uuid[],text[]) line 12 at SQL statement
815 steward_finance LOG:  something else
"""


@pytest.mark.parametrize("service", HOT)
def test_every_hot_statement_has_its_plan_written_down(service: str) -> None:
    hot = {*EVERYBODY.split(), *HOT[service].split()}
    named = {name.partition("-")[0] for name in hot}
    assert named <= set(statements().values()), "what has another name now"
    planned = {file.stem for file in (FOLDER / service).iterdir()}
    assert not hot - planned, "run python -m bench.plans"


def test_contacts_come_in_portions_with_registrations_that_were_there_before() -> None:
    registered, contacts = by_topic(Day(2_000, seed=1).lines())
    parts = list(portions(contacts, registered))
    assert len(parts) == PORTIONS
    assert [line for line in chain(*parts) if line.topic == CONTACTS] == contacts
    again = [line for line in chain(*parts) if line.topic != CONTACTS]
    assert again == registered[: PORTIONS * AGAIN]


def test_plans_are_read_with_their_statement_and_service() -> None:
    first, second = explained(LOG.splitlines())
    assert (first.service, first.milliseconds) == ("consent", 1.5)
    assert first.statement == "select p.topic, p.partition, p.next_offset\nfrom position p"
    assert first.plan.splitlines()[1] == "  Buffers: shared hit=2"
    assert (second.service, second.function, second.line) == ("finance", "make_keys", 12)


def test_a_statement_of_a_function_of_plain_sql_is_told_by_its_number() -> None:
    log = """\
7 steward_consent LOG:  duration: 0.25 ms  plan:
\tQuery Text: select 1
\tResult  (cost=0.00..0.01 rows=1 width=4) (actual time=0.1..0.1 rows=1.00 loops=1)
7 steward_consent CONTEXT:  SQL function "find_everybody" statement 1
"""
    assert list(by_name(explained(log.splitlines()), {})) == [("consent", "find_everybody-001")]


def test_statements_are_known_by_what_the_files_of_queries_say() -> None:
    names = statements()
    (begin,) = (text for text, name in names.items() if name == "begin")
    assert "insert into inbox" in begin
    (one,) = [one for one in explained(LOG.splitlines()) if one.function is None]
    assert by_name([one], {written(one.statement): "positions"}) == {
        ("consent", "positions"): [one]
    }


def test_what_stands_in_no_file_is_left_out_unless_a_function_runs_it() -> None:
    assert list(by_name(explained(LOG.splitlines()), {})) == [("finance", "make_keys-012")]


def test_the_plan_that_is_shown_is_of_a_large_batch() -> None:
    (one, _) = explained(LOG.splitlines())
    timed = [type(one)("consent", float(number), "", "") for number in range(100)]
    assert telling(timed).milliseconds == 90


def test_long_lists_of_values_are_counted() -> None:
    plan = "Index Cond: (id = ANY ('{" + ",".join(map(str, range(100, 150))) + "}'::bigint[]))"
    assert abridged(plan) == "Index Cond: (id = ANY ('{50 values}'::bigint[]))"
