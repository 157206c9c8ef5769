"""A long run in parts: what a registration took in each, and over all of them."""

from __future__ import annotations

import pytest

from bench.system import Part, Run
from bench.tables import Tables

RUN = Run(
    [
        Part(1_000, 2.0, {"consent": 0.1, "postgres": 0.3}),
        Part(3_000, 5.0, {"consent": 0.6, "postgres": 0.6}),
    ],
    {},
    Tables([]),
)


def test_each_part_is_a_run_and_each_process_is_told_over_all_of_them() -> None:
    measured = RUN.costs(["consent", "postgres"])
    assert measured.runs == pytest.approx([400, 400])
    assert measured.details == {"consent": 175.0, "postgres": 225.0}
    assert RUN.registrations == 4_000


def test_only_the_processes_that_are_asked_for_count() -> None:
    measured = RUN.costs(["consent"])
    assert measured.runs == pytest.approx([100, 200])
    assert measured.details == {"consent": 175.0}
