"""The whole of it: a marked day, a search everywhere, an erasure, and a search again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from aiokafka import AIOKafkaProducer

from examples.lines import Line
from services.cli.inbound_lines import read_line
from shared.contract.topics import TOPICS
from shared.messaging.kafka import KafkaTransport
from shared.messaging.offsets import bounds_of, open_reader
from shared.runtime.settings import ServiceSettings
from tests.canary.commands import Operator, search_lists
from tests.canary.console import search_console
from tests.canary.day import FOLLOWED, MarkedDay
from tests.canary.doors import search_doors
from tests.canary.erasure import (
    all_keys,
    erase,
    find_subject,
    kept_about,
    keys_in_the_system,
    opened_by_any,
    still_on_disk,
    wrapped_keys_of,
)
from tests.canary.marks import Mark, Marks
from tests.canary.places import (
    METRICS,
    OUTPUTS,
    PAGES,
    TRACES,
    search_at_rest,
    segments_of_inbound,
)
from tests.canary.plants import WHERE, plant
from tests.canary.searcher import Searcher
from tests.canary.stack import Stack, running_stack
from tests.canary.survey import May, Row, Survey, anyones
from tests.canary.watch import Watch
from tests.faults.hostile import Mutant, mutated
from tests.support.any_records import send_any
from tests.support.collector import has_way
from tests.support.waiting import eventually

Say = Callable[[str], None]

SEED: Final = 7

FROM_REGISTRATION_TO_LOG: Final = (
    ("registration", "process inbound.registrations"),
    ("consent", "process registration"),
    ("audit", "process audit"),
)
"""Spans, by service and name, of somebody who registers and consents."""


@dataclass(slots=True)
class Result:
    """What a run found. It passed when `failures` is empty."""

    after_the_day: dict[str, Row] = field(default_factory=dict)
    after_erasure: dict[str, Row] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    people: int = 0
    messages: int = 0
    values: int = 0
    """Sealed values about the person who was erased."""
    keys: int = 0
    """Keys that were tried on each of them."""
    wrapped: int = 0
    """Keys of that person, which are destroyed."""
    wrapped_left: int = 0
    """Those of which PostgreSQL's files still hold the bytes, wrapped: in the WAL until it is
    reused, in pages until the space is. Without the key-encryption key they open nothing."""


async def run(registrations: int, *, few: bool = False, say: Say = lambda _: None) -> Result:
    """Do it all. `few`: with those commands only that touch personal data most."""
    marks = Marks.make(os.urandom)
    say("starting everything")
    async with running_stack() as stack:
        return await _Run(stack, marks, Searcher(marks), say).do(registrations, few=few)


@dataclass
class _Run:
    stack: Stack
    marks: Marks
    searcher: Searcher
    say: Say
    result: Result = field(default_factory=Result)
    _sent: set[int | None] = field(default_factory=set)
    """Whose marks are in what was sent."""

    async def do(self, registrations: int, *, few: bool) -> Result:
        day = MarkedDay(self.marks, registrations, SEED)
        with Watch(self.searcher, self.stack.lasting_folders()) as watch:
            await plant(self.stack, self.marks, watch)
            await self._send_day(day)
            first = await self._search_after_the_day(few=few)
            await self._erase(day, few=few)
        first.add(watch.survey)
        self._judge(first, "after the day")
        self._judge_sight(first)
        self._judge_people(first)
        self.result.after_the_day = first.rows
        return self.result

    async def _send_day(self, day: MarkedDay) -> None:
        self.say("sending the day")
        file = self.stack.outside / "day.jsonl"
        lines = [line.text for line in (*day.lines(), *day.mistakes())]
        file.write_bytes(b"\n".join(lines))
        self._sent = {found.mark.person for found in self.searcher.search([file.read_bytes()])}
        said = await self.stack.steward("send", str(file))
        if said.code:
            raise RuntimeError("the day could not be sent")
        mutants = _mutants(lines)
        await _send_mutants(self.stack.system.cluster.bootstrap_servers, mutants)
        self.result.messages, self.result.people = len(lines) + len(mutants), len(day.people)
        await self.stack.settle()

    async def _search_after_the_day(self, *, few: bool) -> Survey:
        survey = Survey(self.searcher)
        self.say("running commands")
        operator = Operator(self.stack, self.marks, survey)
        await operator.search_commands(few=few)
        self.result.failures += operator.unexpected
        self.say("asking over HTTP")
        await search_doors(self.stack.system.service_ports, self.marks, survey)
        if not few:
            await search_console(self.stack, self.marks, survey)
        self.say("searching files and tables")
        await search_at_rest(self.stack, survey, anyones)
        return survey

    async def _erase(self, day: MarkedDay, *, few: bool) -> None:
        self.say("erasing one person")
        subject_id = await find_subject(self.stack, self.marks.email_of(FOLLOWED))
        kept = await kept_about(self.stack, FOLLOWED, subject_id, self.searcher)
        before = [key.key for key in (await all_keys(self.stack)).values()]
        if not kept or opened_by_any(kept, before) != len(kept):
            self.result.failures.append("not every value of the person opened before the erasure")
        wrapped = await wrapped_keys_of(self.stack, subject_id)
        said = await erase(self.stack, self.marks.email_of(FOLLOWED))
        if said.code or await wrapped_keys_of(self.stack, subject_id):
            self.result.failures.append("steward keys destroy did not destroy the person's keys")
        self.say("letting the inbound topics pass")
        newcomers = len(day.people) + 1

        def is_new(mark: Mark) -> bool:
            return mark.person is not None and mark.person >= newcomers

        await self._let_inbound_pass(day, is_new)
        keys = await keys_in_the_system(self.stack)
        self.result.values, self.result.keys = len(kept), len(keys)
        if opened := opened_by_any(kept, keys):
            self.result.failures.append(f"{opened} values of an erased person can be opened")
        if anew := await kept_about(self.stack, FOLLOWED, subject_id, self.searcher):
            told = f"{len(anew)} values about an erased person are sealed with a key that is there"
            self.result.failures.append(told)
        self.say("searching again")
        survey = Survey(self.searcher)
        survey.look(OUTPUTS, "steward keys destroy", [said.out, said.complaint])
        if not few:
            await search_lists(self.stack, survey, lambda mark: mark.person != FOLLOWED)
        await search_at_rest(self.stack, survey, is_new)
        self._judge(survey, "after the erasure")
        self.result.wrapped = len(wrapped)
        self.result.wrapped_left = still_on_disk(self.stack.postgres_folder, wrapped)
        self.result.after_erasure = survey.rows

    async def _let_inbound_pass(self, day: MarkedDay, may: May) -> None:
        """What was processed is deleted as the services do it after hours; and others come."""
        await self.stack.let_inbound_pass()
        inbound = [topic for topic in TOPICS if topic.inbound]
        partitions = [(topic.name, n) for topic in inbound for n in range(topic.partitions)]
        cluster = self.stack.system.cluster
        async with open_reader(cluster) as reader:
            bounds = await bounds_of(reader, partitions)
        transport = KafkaTransport(ServiceSettings.load(self.stack.ground.environ))
        await transport.delete_before(
            {one: found.end for one, found in bounds.items() if found.end}
        )
        await _send_to_each_partition(
            cluster.bootstrap_servers, list(day.others(inbound[0].partitions))
        )
        await self.stack.settle()
        await eventually(lambda: self._are_inbound(may))

    def _are_inbound(self, may: May) -> bool:
        """Whether those who may be in inbound segments are all who are left there."""
        survey = Survey(self.searcher)
        for file in segments_of_inbound(self.stack):
            survey.look_at_file("", file, "", may)
        return not survey.leaks

    def _judge(self, survey: Survey, when: str) -> None:
        self.result.failures += [
            f"{when}: {leak} ({times} times)"
            for leak, times in sorted(survey.leaks.items(), key=str)
        ]

    def _judge_sight(self, survey: Survey) -> None:
        self.result.failures += [
            f"blind: what was planted was not found in {place}"
            for place in WHERE
            if place not in survey.rows or not survey.rows[place].planted
        ]
        self.result.failures += [
            f"blind: there was nothing to be searched in {place}"
            for place in (METRICS, OUTPUTS, PAGES, TRACES)
            if not survey.rows[place].bytes
        ]
        if not has_way(self.stack.collector.spans(), FROM_REGISTRATION_TO_LOG):
            self.result.failures.append("blind: no trace leads from a registration to the log")

    def _judge_people(self, survey: Survey) -> None:
        """Everybody whom we sent came in: else nothing is known of what became of them."""
        came = {mark.person for mark in survey.allowed}
        if missing := self._sent - came:
            told = len(self._sent)
            self.result.failures.append(f"blind: {len(missing)} of {told} people never came in")


def _mutants(lines: Sequence[bytes]) -> list[Mutant]:
    """Each line as it would be if something had gone wrong on its way."""
    random = Random(SEED)  # noqa: S311 - repeatable on purpose
    records = map(read_line, lines)
    return [
        mutated(random, Mutant(one.topic, one.key, one.value, list(one.headers))) for one in records
    ]


async def _send_mutants(servers: str, mutants: Iterable[Mutant]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5) as producer:
        deliveries = [await send_any(producer, one.topic, one.record) for one in mutants]
        await asyncio.gather(*deliveries)


async def _send_to_each_partition(servers: str, lines: Sequence[tuple[Line, Line]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for partition, both in enumerate(lines):
            for line in both:
                record = read_line(line.text)
                await producer.send_and_wait(
                    record.topic,
                    record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=partition,
                )
