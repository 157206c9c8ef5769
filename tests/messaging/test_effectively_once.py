"""What reading and writing through messaging promises, on Kafka and on its substitute."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from shared.contract.message import Message
from shared.messaging.redrive import Redrive
from shared.messaging.steps import Step
from shared.messaging.subscription import Halted
from shared.runtime.unavailable import UnavailableError
from tests.support.clusters import Sent
from tests.support.messaging import SCHEMA, CrashAt, World, until, until_assigned

STEPS: list[Step] = [
    "taken",
    "claimed",
    "handled",
    "committed",
    "offset_committed",
    "read",
    "sent",
    "deleted",
]


CRASHES_WITHIN_S = 30.0


def mixed(count: int) -> list[Sent]:
    """Some of everything, over ten keys; every seventh comes twice."""
    sent: list[Sent] = []
    for number in range(count):
        key = f"key-{number % 10}"
        sent.append(Sent(key, number))
        if number % 7 == 0:
            sent.append(Sent(key, number))
        if number % 11 == 0:
            sent.append(Sent(key, number, kind="Boring", id=f"boring-{number}"))
    return sent


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_messages_of_a_key_keep_their_order(world: World) -> None:
    keys = [f"key-{number}" for number in range(20)]
    await world.send(*(Sent(key, number) for number in range(10) for key in keys))
    async with world.running():
        await world.settled(200)
    assert await world.effects() == {key: list(range(10)) for key in keys}
    assert await world.said() == {key: list(range(10)) for key in keys}
    assert await world.outcomes() == {"accepted": 200}


async def test_what_is_sent_twice_has_its_effect_once(world: World) -> None:
    messages = [Sent(f"key-{number}", number) for number in range(30)]
    await world.send(*messages, *messages)
    async with world.running():
        await world.taken(60)
        await world.send(*messages)
        await world.settled(90)
    assert await world.effects() == {f"key-{number}": [number] for number in range(30)}
    assert await world.said() == await world.effects()
    assert await world.outcomes() == {"accepted": 30, "duplicate": 60}


async def test_an_identity_with_another_body_is_a_dead_letter(world: World) -> None:
    await world.send(Sent("a", 1, id="x"), Sent("a", 2, id="x"), Sent("a", 3, id="y"))
    async with world.running():
        await world.taken(3)
        await world.send(Sent("a", 4, id="y"), Sent("a", 5, id="z"))
        await world.taken(5)
    assert await world.effects() == {"a": [1, 3, 5]}
    assert [letter["reason"] for letter in await world.dead_letters()] == ["identity_reused"] * 2


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("times", [1, 2])
async def test_a_crash_at_any_step_changes_nothing_in_the_end(
    world: World, step: Step, times: int
) -> None:
    sent = mixed(60)
    crash = CrashAt(step, times)
    async with world.running(crash):
        happened = asyncio.create_task(crash.happened.wait())
        # Two batches at least, so that each step comes twice: all at once would be one.
        for batch, end in enumerate((20, 40), 1):
            await world.send(*sent[end - 20 : end])
            done = asyncio.create_task(world.settled(end))
            await asyncio.wait((done, happened), return_when=asyncio.FIRST_COMPLETED)
            # Kafka is told of positions only now and then, after what they lead to.
            came = asyncio.create_task(crash.came(times - batch))
            await asyncio.wait((came, happened), return_when=asyncio.FIRST_COMPLETED)
            await cancel(done, came)
        async with asyncio.timeout(CRASHES_WITHIN_S):
            await happened
    await world.send(*sent[40:])
    async with world.running():
        await world.settled(len(sent))
    expected = {f"key-{key}": list(range(key, 60, 10)) for key in range(10)}
    assert await world.effects() == expected
    assert await world.said() == expected
    assert await world.outcomes() == {"accepted": 60, "duplicate": 9, "ignored": 6}


async def test_one_message_at_fault_does_not_hold_up_its_neighbours(world: World) -> None:
    await world.send(*(Sent(f"key-{n}", n, "fail" if n == 37 else "write") for n in range(100)))
    async with world.running():
        await world.settled(100)
    expected = {f"key-{number}": [number] for number in range(100) if number != 37}
    assert await world.effects() == expected
    assert await world.said() == expected
    (letter,) = await world.dead_letters()
    assert (letter["reason"], letter["detail"]) == ("told_to_fail", "do says so")
    assert (letter["type"], letter["status"]) == ("Told", "dead")


async def test_a_marked_message_needs_no_search(world: World) -> None:
    await world.send(*(Sent(f"key-{n}", n, "mark" if n == 37 else "write") for n in range(100)))
    async with world.running():
        await world.taken(100)
    handled = [number for call in world.calls for number in call]
    assert sorted(handled) == list(range(100)), "each message was given to the handler once"
    assert await world.outcomes() == {"accepted": 99, "dead_letter": 1}


async def test_two_percent_bad_messages_in_a_batch_lose_no_other(world: World) -> None:
    sent = [
        Sent(f"key-{n}", n, ("write", "fail", "mark")[n % 3] if n % 50 < 2 else "write")
        for n in range(600)
    ]
    await world.send(*sent)
    async with world.running():
        await world.settled(600)
    good = {str(one.key): [one.number] for one in sent if one.do == "write"}
    assert await world.effects() == good
    assert await world.said() == good
    assert await world.outcomes() == {"accepted": len(good), "dead_letter": 600 - len(good)}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Sent("k", 0, body=b"{", id="b1"), "json_broken"),
        (Sent("k", 0, body=b"\xff\xfe", id="b2"), "not_utf8"),
        (Sent("k", 0, kind="Unheard", id="b3"), "type_unknown"),
        (Sent("k", 0, kind="Written", id="b4"), "field_missing"),
        (Sent("k", 0, body=b'{"number": "many"}', id="b5"), "field_invalid"),
    ],
)
async def test_what_cannot_be_read_is_a_dead_letter_and_parks_nothing(
    world: World, bad: Sent, reason: str
) -> None:
    await world.send(Sent("k", 1), bad, Sent("k", 2))
    async with world.running():
        await world.taken(3)
    assert await world.effects() == {"k": [1, 2]}
    (letter,) = await world.dead_letters()
    assert letter["reason"] == reason
    assert letter["key_reference"] == world.service.sealer.reference(b"k")
    assert (letter["type"] is None) != (letter["type_reference"] is None)


async def test_messages_wait_behind_a_failed_one_of_their_key(world: World) -> None:
    await world.send(Sent("a", 1), Sent("a", 2, "fail"), Sent("a", 3), Sent("b", 4))
    async with world.running():
        await world.taken(4)
        await world.send(Sent("a", 5), Sent("a", 6, kind="Urgent", id="u"), Sent("b", 7))
        await world.taken(7)
    assert await world.effects() == {"a": [1, 6], "b": [4, 7]}
    assert await world.outcomes() == {"accepted": 4, "dead_letter": 1, "parked": 2}


async def test_redrive_handles_a_key_in_order_and_lets_it_pass_again(world: World) -> None:
    await world.send(Sent("a", 1, "fail"), Sent("a", 2), Sent("a", 3, "fail"), Sent("a", 4))
    async with world.running():
        await world.taken(4)
        head = (await world.dead_letters())[0]
        again = await Redrive(world.service, world.tools()).run([head["id"]])
        assert (again.handled, [one.reason for one in again.failed]) == (0, ["told_to_fail"])
        world.mended = True
        result = await Redrive(world.service, world.tools()).run([head["id"]])
        assert (result.handled, list(result.failed)) == (4, [])
        await world.send(Sent("a", 5))
        await world.settled(5)
    assert await world.effects() == {"a": [1, 2, 3, 4, 5]}
    assert await world.said() == {"a": [1, 2, 3, 4, 5]}
    assert await world.outcomes() == {"accepted": 5}


async def test_the_first_failure_of_a_redrive_is_the_new_head(world: World) -> None:
    await world.send(Sent("a", 1, "fail"), Sent("a", 2, "fail"), Sent("a", 3))
    async with world.running():
        await world.taken(3)
        head = (await world.dead_letters())[0]

        async def mend_the_first(messages: Sequence[Message[Any]]) -> None:
            world.mended = messages[0].data.number == 1

        world.before_handling = mend_the_first
        result = await Redrive(world.service, world.tools()).run([head["id"]])
    assert (result.handled, len(result.failed)) == (1, 1)
    assert await world.effects() == {"a": [1]}
    statuses = [(one["status"], one["holds_key"]) for one in await world.dead_letters()]
    assert statuses == [("dead", True), ("parked", False)]
    assert await world.outcomes() == {"accepted": 1, "dead_letter": 1, "parked": 1}


async def test_whoever_has_no_say_over_a_key_holds_it_after_no_redrive_either(world: World) -> None:
    await world.send(Sent("a", 1, "fail"), Sent("a", 2, "stray"), Sent("a", 3))
    async with world.running():
        await world.taken(3)
        head = (await world.dead_letters())[0]

        async def mend_the_first(messages: Sequence[Message[Any]]) -> None:
            world.mended = messages[0].data.number == 1

        world.before_handling = mend_the_first
        result = await Redrive(world.service, world.tools()).run([head["id"]])
        assert (result.handled, [one.reason for one in result.failed]) == (2, ["told_to_mark"])
        await world.send(Sent("a", 4))
        await world.taken(4)
    assert await world.effects() == {"a": [1, 3, 4]}
    (stray,) = await world.dead_letters()
    assert (stray["status"], stray["holds_key"]) == ("dead", False)
    assert await world.outcomes() == {"accepted": 3, "dead_letter": 1}


async def test_what_comes_after_a_redrive_that_failed_waits_on(world: World) -> None:
    """Nothing waited behind it by then."""
    await world.send(Sent("a", 1, "fail"))
    async with world.running():
        await world.taken(1)
        head = (await world.dead_letters())[0]
        result = await Redrive(world.service, world.tools()).run([head["id"]])
        assert (result.handled, len(result.failed)) == (0, 1)
        await world.send(Sent("a", 2))
        await world.taken(2)
    assert await world.effects() == {}
    assert await world.outcomes() == {"dead_letter": 1, "parked": 1}


async def test_redrive_while_messages_of_the_key_arrive_keeps_the_order(world: World) -> None:
    await world.send(Sent("a", 0, "fail"))
    async with world.running():
        await world.taken(1)
        world.mended = True
        head = (await world.dead_letters())[0]

        async def keep_sending() -> None:
            for number in range(1, 100):
                await world.send(Sent("a", number))

        async def keep_redriving() -> None:
            while not sending.done() or await world.dead_letters():
                ids = [one["id"] for one in await world.dead_letters()] or [head["id"]]
                await Redrive(world.service, world.tools()).run(ids)

        sending = asyncio.create_task(keep_sending())
        await keep_redriving()
        await world.settled(100)
    assert await world.effects() == {"a": list(range(100))}
    assert await world.said() == {"a": list(range(100))}


async def test_a_batch_waits_for_a_database_that_is_away(world: World) -> None:
    failures = 5

    async def cut_off(messages: Sequence[Message[Any]]) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            await world.admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = $1 and pid <> pg_backend_pid()",
                f"steward_{SCHEMA}",
            )

    world.before_handling = cut_off
    await world.send(*(Sent(f"key-{n}", n) for n in range(50)))
    async with world.running() as process:
        await world.settled(50)

        async def ready() -> bool:
            return not process.heartbeats.not_ready()

        await until(ready)
    assert await world.effects() == {f"key-{n}": [n] for n in range(50)}
    assert await world.said() == await world.effects()
    assert await world.outcomes() == {"accepted": 50}


async def test_a_deadlock_is_nobodys_fault(world: World) -> None:
    once = [asyncpg.DeadlockDetectedError("told to")]

    async def deadlock(messages: Sequence[Message[Any]]) -> None:
        if once:
            raise once.pop()

    world.before_handling = deadlock
    await world.send(*(Sent(f"key-{n}", n) for n in range(10)))
    async with world.running():
        await world.taken(10)
    assert await world.outcomes() == {"accepted": 10}


@pytest.mark.parametrize("kind", [Halted, UnavailableError])
async def test_what_may_not_go_on_waits_and_says_why_and_nothing_becomes_a_dead_letter(
    world: World, kind: type[Exception]
) -> None:
    held = True

    async def hold(messages: Sequence[Message[Any]]) -> None:
        if held:
            raise kind("because of this")

    world.before_handling = hold
    await world.send(Sent("a", 1), Sent("a", 2))
    async with world.running() as process:

        async def said() -> bool:
            return process.heartbeats.not_ready().get("batch") == "because of this"

        await until(said)
        assert await world.outcomes() == {}
        held = False
        await world.taken(2)
    assert await world.outcomes() == {"accepted": 2}


async def test_a_database_that_was_not_migrated_makes_no_dead_letters(world: World) -> None:
    """A process of a newer release asks it for what nobody has made yet."""
    await world.admin.execute("alter table effect rename column number to numbered")
    await world.send(Sent("a", 1), Sent("a", 2))
    async with world.running() as process:

        async def said() -> bool:
            why = process.heartbeats.not_ready().get("batch")
            return why == "the database lacks what this release asks of it"

        await until(said)
        assert await world.outcomes() == {}
        await world.admin.execute("alter table effect rename column numbered to number")
        await world.taken(2)
    assert await world.outcomes() == {"accepted": 2}


@pytest.mark.parametrize(
    "error", [Halted("because of this"), asyncpg.UndefinedColumnError("because of this")]
)
async def test_a_redrive_that_may_not_go_on_leaves_the_letter_as_it_is(
    world: World, error: Exception
) -> None:
    await world.send(Sent("a", 1, "fail"))
    async with world.running():
        await world.taken(1)
        (before,) = await world.dead_letters()

        async def hold(messages: Sequence[Message[Any]]) -> None:
            raise error

        world.before_handling = hold
        with pytest.raises(type(error), match="because of this"):
            await Redrive(world.service, world.tools()).run([before["id"]])
    assert await world.dead_letters() == [before]


async def test_a_commit_that_fails_for_one_message_condemns_that_one(world: World) -> None:
    """No savepoint shows it: the constraint is checked when the transaction commits."""
    await world.admin.execute(
        "alter table effect add constraint small exclude using btree (number with =)"
        " where (number = 7) deferrable initially deferred"
    )
    await world.send(*(Sent(f"key-{n}", n) for n in (1, 7, 2)), Sent("key-x", 7), Sent("key-y", 3))
    async with world.running():
        await world.taken(5)
    outcomes = await world.outcomes()
    assert outcomes == {"accepted": 4, "dead_letter": 1}
    (letter,) = await world.dead_letters()
    assert letter["reason"] == "handler_failed"
    assert "23P01" in letter["detail"]


async def test_a_stop_leaves_nothing_half_done(world: World) -> None:
    await world.send(*(Sent(f"key-{n % 10}", n) for n in range(200)))
    for _ in range(3):
        async with world.running() as process:
            await until_assigned(process)
    async with world.running():
        await world.settled(200)
    expected = {f"key-{key}": list(range(key, 200, 10)) for key in range(10)}
    assert await world.effects() == expected
    assert await world.said() == expected
