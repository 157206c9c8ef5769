from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench.__main__ import RESULTS
from bench.registry import Row
from bench.report import PAGE, SLOWER, filled

ROW = Row(
    name="start",
    value=13.0,
    unit="s",
    aim=12,
    better="lower",
    met=False,
    runs=[12.0, 13.0, 14.0],
    spread=2 / 13,
)


def test_the_page_has_the_figures_that_were_measured() -> None:
    page = PAGE.read_text("utf-8")
    measured = [orjson.loads(file.read_bytes()) for file in (RESULTS, SLOWER)]
    assert filled(page, *measured) == page, "run python -m bench.report"


def test_a_table_says_what_was_missed() -> None:
    page = filled("before\n<!-- figures: all -->\nold\n<!-- end -->\nafter\n", [ROW])
    assert "| `start` | 13.00 s | 15% | ≤ 12: **missed** |  |\n<!-- end -->\nafter\n" in page
    assert "old" not in page


def test_a_row_has_what_a_slower_machine_came_to_beside_it() -> None:
    slower = ROW.copy()
    slower["value"] = 40.0
    page = filled("<!-- figures: all -->\n<!-- end -->", [ROW], [slower])
    assert "| ≤ 12: **missed** | 40.00: **missed** |" in page


def test_tables_are_told_with_what_they_were_seen_in() -> None:
    about = {"rows": 9, "table_mb": 1.5, "index_mb": 0.5, "dead_rows": 0, "autovacuums": 2}
    kept, inbox = ROW.copy(), ROW.copy()
    kept |= {"name": "kept-size", "details": {"audit.entry": about | {"settings": []}}}
    inbox |= {"name": "inbox-size", "details": {"registration": about | {"settings": ["a=1"]}}}
    page = filled("<!-- figures: tables -->\n<!-- end -->", [kept, inbox])
    assert "| `registration.inbox`, filled | 9 | 1.5 | 0.5 | 0 | 2 | `a=1` |\n" in page
    assert "| `audit.entry` | 9 | 1.5 | 0.5 | 0 | 2 | the server's |\n" in page


def test_a_place_for_figures_that_there_are_not_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- figures: nothing -->\n<!-- end -->", [])


def test_the_plots_are_of_the_curves_that_were_measured(tmp_path: Path) -> None:
    from bench.curves import CURVES
    from bench.plots import FOLDER, draw

    drawn = draw(orjson.loads(CURVES.read_bytes()), tmp_path)
    differ = [file.name for file in drawn if file.read_bytes() != (FOLDER / file.name).read_bytes()]
    assert not differ, "run python -m bench.plots"
    assert {file.name for file in drawn} == {file.name for file in FOLDER.iterdir()}


def test_equal_figures_draw_equal_plots(tmp_path: Path) -> None:
    from bench.plots import draw

    throughput = {"batch": 10, "steward": 1.0, "bare_loop": 2.0}
    load = {"share": 0.5, "registrations_a_second": 10.0, "p50_ms": 5.0, "p99_ms": 9.0}
    curves = {"throughput": [throughput], "latency": [load]}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one, two = (draw(curves, tmp_path / folder) for folder in ("one", "two"))  # type: ignore[arg-type]  # as JSON gives it
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
