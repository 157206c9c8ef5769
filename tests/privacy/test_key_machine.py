"""Makers, users and destroyers of the same keys, and who wraps them anew, step by step, in any
order that hypothesis finds.

Each player has a connection and at most one transaction; whoever has to wait for another is left
waiting, and the others go on. What must hold is said by the players' own memory alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from shared.contract.types import Sealed, SubjectId
from shared.privacy import keyring, rotation
from shared.privacy.keyring import KeyName
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from shared.privacy.wrapping import KeyWrappers, LocalKey
from shared.runtime.database import connect_alone
from tests.conftest import SettingsFactory
from tests.privacy.conftest import NOW, TABLES
from tests.support.work import NO_KAFKA

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PEOPLE = [SubjectId(UUID(int=number)) for number in (1, 2)]
CATEGORIES = ("contact", "diet")
EVENTS = ("event:a", "event:b")
NAMES = list(product(PEOPLE, CATEGORIES, EVENTS))
SECONDS = 6
LATEST = NOW + timedelta(seconds=2 * SECONDS)
PURPOSE = "dietary-needs"
STEPS = 50
SHORT = 20
EXAMPLES = int(os.environ.get("KEY_RACES", SHORT))
"""`make key-races` plays many more."""

WORKERS = ("registration", "registration")
DESTROYERS = ("retention", "retention")
ROTATOR = len(WORKERS) + len(DESTROYERS)
"""The administrator, last among the players."""

a_worker = st.integers(0, len(WORKERS) - 1)
a_destroyer = st.integers(len(WORKERS), len(WORKERS) + len(DESTROYERS) - 1)
some_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True) | st.just(
    NAMES[:1]  # most races are about one key
)
a_cut_off = st.integers(0, SECONDS - 1).map(lambda second: NOW + timedelta(seconds=second))
# Half of the facts are later than any erasure: else there is soon nothing left to be read.
a_moment = st.integers(0, 2 * SECONDS - 1).map(lambda second: NOW + timedelta(seconds=second))
a_scope: st.SearchStrategy[KeyName] = st.sampled_from(NAMES[:1]) | st.tuples(
    st.sampled_from([None, *PEOPLE]),
    st.sampled_from([None, *CATEGORIES]),
    st.sampled_from([None, *EVENTS]),
).filter(lambda scope: scope != (None, None, None))


@dataclass(frozen=True)
class Value:
    """What somebody sealed: a fact of a moment, under the key of a name."""

    name: tuple[SubjectId, str, str]
    at: datetime
    sealed: Sealed

    @property
    def to_open(self) -> ToOpen:
        return ToOpen(self.name[0], self.name[1], self.sealed)


@dataclass(frozen=True)
class Erasure:
    """Keys that were destroyed up to a moment."""

    scope: KeyName
    cut_off: datetime

    def covers(self, name: tuple[SubjectId, str, str]) -> bool:
        return all(
            wanted is None or wanted == part for wanted, part in zip(self.scope, name, strict=True)
        )


@dataclass
class Player:
    """A connection, its transaction, and what it did in it."""

    connection: Connection
    transaction: asyncpg.transaction.Transaction | None = None
    doing: asyncio.Task[None] | None = None
    sealed: list[Value] = field(default_factory=list)
    read: set[Value] = field(default_factory=set)
    erased: list[Erasure] = field(default_factory=list)

    def forget(self) -> None:
        self.transaction = None
        self.sealed, self.read, self.erased = [], set(), []


class Shelf:
    """Where everybody finds the key-encryption keys."""

    def __init__(self) -> None:
        self._keys = [LocalKey(bytes(32))]

    def add(self) -> str:
        """Make the next one; its id."""
        self._keys.insert(0, LocalKey(len(self._keys).to_bytes(32, "big")))
        return self._keys[0].id

    async def read(self) -> Sequence[LocalKey]:
        return self._keys


@dataclass
class Table:
    """Where they play: a loop of its own, open connections, and Postgres as its administrator."""

    loop: asyncio.AbstractEventLoop
    privacy: Privacy
    shelf: Shelf
    administrator: Connection
    connections: Sequence[Connection]

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)


class KeyMachine(RuleBasedStateMachine):
    """What was committed is known in `values` and `erasures`."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self.players = [Player(connection) for connection in table.connections]
        self.values: list[Value] = []
        self.erasures: list[Erasure] = []
        table.run(self._empty())

    async def _empty(self) -> None:
        await self.table.administrator.execute(f"truncate {TABLES}")
        await self.table.privacy.check(self.table.connections[0])

    @rule(number=a_worker, names=some_names, at=a_moment)
    def make(self, number: int, names: list[tuple[SubjectId, str, str]], at: datetime) -> None:
        """Seal a fact of a moment under each of some names."""

        async def seal(player: Player) -> None:
            items = [ToSeal(*name, {"text": "x"}) for name in names]
            sealed = await self.table.privacy.seal(player.connection, items, at=at)
            player.sealed += [
                Value(name, at, value)
                for name, value in zip(names, sealed, strict=True)
                if value is not None
            ]

        self._begin(number, seal)

    @rule(number=a_worker)
    def use(self, number: int) -> None:
        """Open all there is; what a transaction has read or made, it can read till its end."""

        async def open_all(player: Player) -> None:
            values = [*self.values, *player.sealed]
            if not values:
                return
            items = [value.to_open for value in values]
            opened = await self.table.privacy.use(player.connection, PURPOSE, items)
            readable = {value for value, one in zip(values, opened, strict=True) if one is not None}
            assert readable >= player.read & set(values)
            assert readable >= set(player.sealed)
            player.read |= readable

        self._begin(number, open_all)

    @rule(number=a_destroyer, scope=a_scope, cut_off=a_cut_off)
    def destroy(self, number: int, scope: KeyName, cut_off: datetime) -> None:
        async def destroy_keys(player: Player) -> None:
            await keyring.destroy_keys(player.connection, [scope], cut_off=cut_off)
            player.erased.append(Erasure(scope, cut_off))

        self._begin(number, destroy_keys)

    @rule(number=a_destroyer, scope=a_scope, cut_off=a_cut_off)
    def destroy_and_commit(self, number: int, scope: KeyName, cut_off: datetime) -> None:
        self.destroy(number, scope, cut_off)
        self.commit(number)

    @rule(number=a_destroyer, scope=a_scope, cut_off=a_cut_off)
    def announce(self, number: int, scope: KeyName, cut_off: datetime) -> None:
        async def announce(player: Player) -> None:
            await keyring.announce_cut_off(player.connection, [scope], cut_off=cut_off)

        self._begin(number, announce)

    @rule()
    def replace_key_encryption_key(self) -> None:
        async def replace(player: Player) -> None:
            ring = await rotation.read_ring(player.connection)
            if not ring.replaced:
                await rotation.replace(player.connection, ring.current, self.table.shelf.add())

        self._begin(ROTATOR, replace)

    @rule()
    def wrap_a_page_anew(self) -> None:
        async def rewrap(player: Player) -> None:
            ring = await rotation.read_ring(player.connection)
            for before in ring.replaced:
                wrappers = KeyWrappers(self.table.shelf.read)
                await wrappers.make_current(ring.current)
                page = await rotation._page(player.connection, before, UUID(int=0))
                await rotation._rewrap_page(player.connection, wrappers, before, page)

        self._begin(ROTATOR, rewrap)

    @rule(number=a_worker | a_destroyer | st.just(ROTATOR))
    def commit(self, number: int) -> None:
        player = self.players[number]
        if player.doing is None and player.transaction is not None:
            self.table.run(self._end(player))

    @rule(number=a_worker | a_destroyer | st.just(ROTATOR))
    def roll_back(self, number: int) -> None:
        player = self.players[number]
        if player.doing is None and player.transaction is not None:
            self.table.run(player.transaction.rollback())
            player.forget()
            self.table.run(self._settle())

    def _begin(self, number: int, work: Callable[[Player], Coroutine[Any, Any, None]]) -> None:
        """Let a player do one thing, until it is done or somebody else is in the way."""
        player = self.players[number]
        if player.doing is None:
            self.table.run(self._do(player, work))

    async def _do(
        self, player: Player, work: Callable[[Player], Coroutine[Any, Any, None]]
    ) -> None:
        if player.transaction is None:
            player.transaction = player.connection.transaction()
            await player.transaction.start()
        player.doing = asyncio.create_task(work(player))
        await self._settle()

    async def _end(self, player: Player) -> None:
        assert player.transaction is not None
        await player.transaction.commit()
        self.values += player.sealed
        self.erasures += player.erased
        player.forget()
        await self._settle()

    async def _settle(self) -> None:
        """Until everybody who does something is done with it, or waits for somebody."""
        for player in self.players:
            while player.doing is not None and not player.doing.done():
                if await self._is_blocked(player):
                    break
                await asyncio.sleep(0.001)
            if player.doing is not None and player.doing.done():
                done, player.doing = player.doing, None
                await self._conclude(player, done)

    async def _conclude(self, player: Player, done: asyncio.Task[None]) -> None:
        try:
            done.result()
        except asyncpg.DeadlockDetectedError:
            # As in a service: rolled back, to be done again. The others may go on.
            assert player.transaction is not None
            await player.transaction.rollback()
            player.forget()
            await self._settle()

    async def _is_blocked(self, player: Player) -> bool:
        blocked: bool = await self.table.administrator.fetchval(
            "select cardinality(pg_blocking_pids($1)) > 0", player.connection.get_server_pid()
        )
        return blocked

    def teardown(self) -> None:
        """Everybody comes to an end, and then it must all be true."""
        self.table.run(self._come_to_an_end())
        self.table.run(self._finish_rotation())
        self.table.run(self._check())

    async def _finish_rotation(self) -> None:
        """From then on nobody needs a key-encryption key that was replaced."""
        administrator = self.table.administrator
        ring = await rotation.read_ring(administrator)
        wrappers = KeyWrappers(self.table.shelf.read)
        await wrappers.make_current(ring.current)
        for before in ring.replaced:
            await rotation.rewrap(administrator, wrappers, before, lambda _: None)
        needed = await administrator.fetch(
            "select distinct kek from keyring.data_key where wrapped is not null"
        )
        assert {row["kek"] for row in needed} <= {ring.current}

    async def _come_to_an_end(self) -> None:
        while any(player.doing or player.transaction for player in self.players):
            await self._settle()
            for player in self.players:
                if player.doing is None and player.transaction is not None:
                    await self._end(player)

    async def _check(self) -> None:
        connection = self.players[0].connection
        opened = await self.table.privacy.use(
            connection, PURPOSE, [value.to_open for value in self.values]
        )
        for value, one in zip(self.values, opened, strict=True):
            if any(e.covers(value.name) and value.at <= e.cut_off for e in self.erasures):
                assert one is None, "a fact from before an erasure can be read after it"
        await self._check_later_facts(connection)

    async def _check_later_facts(self, connection: Connection) -> None:
        """Of each name: a fact of the latest erasure adds nothing, a later one can be read."""
        for name in NAMES:
            moments = [erasure.cut_off for erasure in self.erasures if erasure.covers(name)]
            item = ToSeal(*name, {"text": "x"})
            if moments:
                sealed = await self.table.privacy.seal(connection, [item], at=max(moments))
                assert sealed == [None], "a fact from before an erasure was sealed after it"
            (sealed_later,) = await self.table.privacy.seal(connection, [item], at=LATEST)
            assert sealed_later is not None
            (one,) = await self.table.privacy.use(
                connection, PURPOSE, [Value(name, LATEST, sealed_later).to_open]
            )
            assert one is not None, "a fact from after every erasure cannot be read"


@contextmanager
def playing(database: str, plan: Plan, service_settings: SettingsFactory) -> Iterator[Table]:
    """Connections of every player, on a loop of their own."""

    async def connect(service: str) -> Connection:
        given = service_settings(
            service, kafka_bootstrap_servers=NO_KAFKA, session_timeout_ms=120_000
        )
        return await connect_alone(given, service=service)

    async def close(table: Table) -> None:
        for connection in (*table.connections, table.administrator):
            await connection.close(timeout=5)

    shelf = Shelf()
    privacy = Privacy(
        plan,
        service="registration",
        wrappers=KeyWrappers(shelf.read),
        peppers=[bytes(32)],
        reference_key=bytes(32),
    )
    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    administrator = run(asyncpg.connect(database))
    # Whoever is in a circle is to be told soon, and not in a second.
    name = run(administrator.fetchval("select current_database()"))
    run(administrator.execute(f'alter database "{name}" set deadlock_timeout = 10'))
    connections = [run(connect(service)) for service in (*WORKERS, *DESTROYERS)]
    connections.append(run(asyncpg.connect(database)))
    table = Table(loop, privacy, shelf, administrator, connections)
    try:
        yield table
    finally:
        run(close(table))
        loop.close()


def test_whatever_the_order_erased_is_erased_and_what_is_in_use_is_readable(
    database: str, plan: Plan, service_settings: SettingsFactory
) -> None:
    with playing(database, plan, service_settings) as table:
        run_state_machine_as_test(
            lambda: KeyMachine(table),  # type: ignore[arg-type]  # anything that makes one
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=EXAMPLES == SHORT,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
