"""What can be seen of a process that stands still."""

from __future__ import annotations

import asyncio

from shared.runtime.tasks import where_tasks_stand


async def _outer(forever: asyncio.Event, inside: asyncio.Event) -> None:
    await _inner(forever, inside)


async def _inner(forever: asyncio.Event, inside: asyncio.Event) -> None:
    inside.set()
    await forever.wait()


async def test_a_task_that_waits_is_told_with_every_call_that_it_waits_in() -> None:
    forever, inside = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(_outer(forever, inside), name="waits for ever")
    await inside.wait()
    calls = where_tasks_stand()["waits for ever"]
    assert [call.rpartition(" ")[2] for call in calls] == ["_outer", "_inner", "wait"]
    assert calls[0].startswith("runtime/test_tasks.py:")
    task.cancel()
    await asyncio.wait([task])
    assert "waits for ever" not in where_tasks_stand()
