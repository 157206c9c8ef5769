from __future__ import annotations

from bench.plans.log import explained
from bench.plans.names import abridged, by_name, statements, telling, written

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


def test_plans_are_read_with_their_statement_and_service() -> None:
    first, second = explained(LOG.splitlines())
    assert (first.service, first.milliseconds) == ("consent", 1.5)
    assert first.statement == "select p.topic, p.partition, p.next_offset\nfrom position p"
    assert first.plan.splitlines()[1] == "  Buffers: shared hit=2"
    assert (second.service, second.function, second.line) == ("finance", "make_keys", 12)


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
