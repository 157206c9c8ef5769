"""Inbox, outbox, relay and dead letters in any order, with crashes between steps, beside a model.

Tables are real ones in Postgres; Kafka is the substitute. What was taken is known from the stored
positions alone: all else has to agree with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.contract import audit
from shared.contract.message import Message
from shared.messaging.dead_letters import Discarder, discard_dead_letters
from shared.messaging.redrive import Redrive
from shared.messaging.steps import Step
from shared.runtime.database import Connection
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.clusters import Do, MemoryCluster, Sent
from tests.support.messaging import SCHEMA, Crash, CrashAt, World, open_world

KEYS = ("a", "b", "c", "d")
FAILING = ("fail", "mark")


@dataclass
class SomePlan:
    """It never changes."""

    number: int = 1
    digest: str = "00"

    async def hold(self, _: Connection) -> None: ...


OPERATOR = Discarder(SCHEMA, "cli:operator", SomePlan())

Place = tuple[int, int]
"""The number of a partition and an offset there."""


@dataclass
class Model:
    """What is to become of messages that were taken."""

    known: set[int] = field(default_factory=set)
    done: dict[str, list[int]] = field(default_factory=dict)
    waiting: dict[str, list[Sent]] = field(default_factory=dict)
    """By key: the one that failed, and those that wait behind it."""

    def take(self, message: Sent) -> None:
        """It is handled, once, or waits where one of its key does."""
        if message.number in self.known:
            return
        self.known.add(message.number)
        key = message.key or ""
        if key in self.waiting or message.do in FAILING:
            self.waiting.setdefault(key, []).append(message)
        else:
            self.done.setdefault(key, []).append(message.number)

    def redrive(self, *, mended: bool) -> None:
        """Each key up to the first that fails again."""
        for key, messages in self.waiting.items():
            while messages and (mended or messages[0].do not in FAILING):
                self.done.setdefault(key, []).append(messages.pop(0).number)
        self._forget_empty()

    def discard(self, number: int) -> None:
        """It never was; what waits behind it waits on."""
        for messages in self.waiting.values():
            messages[:] = [one for one in messages if one.number != number]
        self._forget_empty()

    def _forget_empty(self) -> None:
        self.waiting = {key: messages for key, messages in self.waiting.items() if messages}


class Machine(RuleBasedStateMachine):
    """One service. Nothing runs between rules: what a crash left is found by the next one.

    How much was taken before a crash differs from run to run, and Hypothesis must draw the same all
    the same: no rule is kept from it, and no choice bounded, by what waits.
    """

    database: str
    settings: ServiceSettings

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.cluster = MemoryCluster()
        self.cluster.broker.create_topic(audit.TOPIC, 1)
        self.model = Model()
        self.discarded = 0
        self.sent: list[Sent] = []
        self.taken: dict[Place, Sent] = {}
        opened = open_world(self.cluster, self.database, self.settings)
        self.world: World = self.run(self.stack.enter_async_context(opened))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it gives
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            self.run(self._settle())
            assert self.run(self.world.said()) == self.model.done
            told = {dict(one.headers)["ce_id"] for one in self.cluster.broker.records(audit.TOPIC)}
            assert len(told) == self.discarded
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    # Upstream

    @rule(
        some=st.lists(
            st.tuples(
                st.sampled_from(KEYS),
                st.sampled_from(("write", "write", "write", "decline", "fail", "mark")),
            ),
            min_size=1,
            max_size=12,
        )
    )
    def send(self, some: list[tuple[str, Do]]) -> None:
        first = len({one.number for one in self.sent})
        self._send([Sent(key, first + n, do) for n, (key, do) in enumerate(some)])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        self._send([data.draw(st.sampled_from(self.sent))])

    def _send(self, messages: Sequence[Sent]) -> None:
        self.sent += messages
        self.run(self.world.send(*messages))

    # The service

    @rule()
    def run_to_the_end(self) -> None:
        self.run(self._settle())

    @rule(step=st.sampled_from(get_args(Step)), times=st.integers(1, 3))
    def run_to_a_crash(self, step: Step, times: int) -> None:
        self.run(self._settle(CrashAt(step, times)))

    async def _settle(self, crash: CrashAt | None = None) -> None:
        async with self.world.running(crash):
            done = asyncio.create_task(self.world.settled(len(self.sent)))
            ends = [done]
            if crash is not None:
                ends.append(asyncio.create_task(_happened(crash)))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if crash is None:
                done.result()
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        await self._note_taken()

    async def _note_taken(self) -> None:
        """Positions say what was taken; in that order the model has it now."""
        rows = await self.world.admin.fetch("select partition, next_offset from position")
        ends = {row["partition"]: row["next_offset"] for row in rows}
        by_identity: dict[bytes | None, Sent] = {
            dict(one.headers)["ce_id"]: one for one in self.sent
        }
        for record in self.cluster.broker.records(self.world.inbound):
            place = (record.partition, record.offset)
            if record.offset < ends.get(record.partition, 0) and place not in self.taken:
                message = by_identity[dict(record.headers)["ce_id"]]
                self.taken[place] = message
                self.model.take(message)

    # The operator

    @rule(mended=st.booleans())
    def redrive(self, mended: bool) -> None:
        if not self.model.waiting:
            return
        self.world.mended = mended
        self.run(self._redrive())
        self.model.redrive(mended=mended)
        self.world.mended = False

    @rule()
    def redrive_to_a_crash(self) -> None:
        """In the first handler: what it wrote is not there afterwards."""
        if not self.model.waiting:
            return

        async def crash(messages: Sequence[Message[Any]]) -> None:
            raise Crash

        self.world.before_handling = crash
        with pytest.raises(Crash):
            self.run(self._redrive())
        self.world.before_handling = None

    async def _redrive(self) -> None:
        ids = [one["id"] for one in await self.world.dead_letters()]
        await Redrive(self.world.service, self.world.tools()).run(ids)

    @rule(which=st.integers(0, 99))
    def discard(self, which: int) -> None:
        if not self.model.waiting:
            return
        letters = self.run(self.world.dead_letters())
        letter = letters[which % len(letters)]
        assert self.run(discard_dead_letters(self.world.pool, [letter["id"]], OPERATOR)) == 1
        self.discarded += 1
        self.model.discard(self.taken[letter["partition"], letter["record_offset"]].number)

    # What holds whenever nothing runs

    @invariant()
    def effects_are_those_of_the_model(self) -> None:
        assert self.run(self.world.effects()) == self.model.done

    @invariant()
    def dead_letters_are_those_of_the_model(self) -> None:
        found: dict[str, list[int]] = {}
        for letter in self.run(self.world.dead_letters()):
            message = self.taken[letter["partition"], letter["record_offset"]]
            found.setdefault(message.key or "", []).append(message.number)
        waiting = {key: [one.number for one in some] for key, some in self.model.waiting.items()}
        assert found == waiting

    @invariant()
    def every_message_taken_has_one_outcome(self) -> None:
        assert sum(self.run(self.world.outcomes()).values()) == len(self.taken)


async def _happened(crash: CrashAt) -> None:
    await crash.happened.wait()


def test_whatever_happens_in_any_order_each_message_has_its_effect_once(
    database: str, service_settings: SettingsFactory
) -> None:
    settings = service_settings(SCHEMA, kafka_bootstrap_servers="127.0.0.1:1", batch_max_records=4)
    kind = type("MachineHere", (Machine,), {"database": database, "settings": settings})
    run_state_machine_as_test(
        kind,
        settings=hypothesis_settings(
            max_examples=20,
            stateful_step_count=18,
            deadline=None,
            # A failure mostly shows by waiting in vain: to look for a smaller one takes too long.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
