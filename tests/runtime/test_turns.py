"""Long work and whoever shares its event loop."""

from __future__ import annotations

import asyncio

from shared.runtime.turns import in_turns


async def test_parts_are_all_of_it_in_order_and_no_larger_than_asked() -> None:
    assert [list(part) async for part in in_turns(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [list(part) async for part in in_turns(range(0), 3)] == []


async def test_who_is_ready_runs_between_the_parts() -> None:
    seen: list[str] = []

    async def other() -> None:
        while "end" not in seen:
            seen.append("other")
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async for part in in_turns(range(3), 1):
        seen += map(str, part)
    seen.append("end")
    await task
    assert seen == ["0", "other", "1", "other", "2", "other", "end"]
