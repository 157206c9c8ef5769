from __future__ import annotations

from dataclasses import replace

from bench.tables import Table, Tables

ENTRIES = Table("audit", "entry", 1_000, 300_000, 200_000, 0, 2, ["fillfactor=90"])
FEW = replace(ENTRIES, service="registration", name="event", rows=9)
TABLES = Tables([ENTRIES, FEW])


def test_what_has_grown_with_registrations_is_told_from_what_has_not() -> None:
    assert TABLES.grown(10_000) == [ENTRIES]
    assert TABLES.grown(10_001) == []
    assert TABLES.grown(90) == [ENTRIES, FEW]


def test_the_size_of_a_table_has_its_indexes_in_it() -> None:
    assert ENTRIES.size == 500_000
    assert TABLES.largest("entry") == 0.5
    assert ENTRIES.about == {
        "rows": 1_000,
        "table_mb": 0.3,
        "index_mb": 0.2,
        "dead_rows": 0,
        "autovacuums": 2,
        "settings": ["fillfactor=90"],
    }
    assert TABLES.about("event") == {"registration": FEW.about}
