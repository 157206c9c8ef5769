"""How many entries a second the audit log takes: appended, under the tree, signed and published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from random import Random
from uuid import UUID

from bench.ground import Ground
from bench.load import Record
from bench.processes import cpu_seconds, own_cpu_seconds, server_processes
from bench.registry import Measured, benchmark
from bench.stage import Stage
from bench.steward import Clocked
from services.audit.app import open_service
from services.audit.domain.checkpoints import parse_checkpoint
from services.audit.domain.growth import SIGN_EVERY
from services.audit.domain.notes import parse_note
from services.audit.settings import Settings
from services.audit.store.folder import TileFolder
from shared.contract import audit
from shared.contract.codec import encode
from shared.contract.message import Outgoing
from shared.contract.types import DisclosureId, EventId, SubjectId
from shared.messaging.application import compose
from shared.messaging.kafka import KafkaTransport
from shared.messaging.processing import Tools
from shared.runtime.clock import utc_now
from shared.runtime.ids import new_id

STAGE = "audit"
APPEND = "audit-append"
PEOPLE = 50
"""In one disclosure: so many entries have its id."""

LOOK_EVERY_S = 0.02
WITHIN_S = 600.0


@benchmark(APPEND, unit="entries/s", aim=20_000, repeated=True)
async def append(ground: Ground) -> Measured:
    """From the first entry that the service takes to the checkpoint that is published of the last.

    Entries that no thousand is full of are not waited for: their checkpoint comes by time. Beside
    it, processor time for an entry: of the service, with its start, and of the servers.
    """
    stage = await ground.stage(STAGE)
    many = ground.sizes.entries
    folder = TileFolder(stage.secrets.path.parent / "audit")
    before = _published(folder)
    await stage.produce(entries(stage.next_serials(many), many, utc_now()))
    clocked, servers = Clocked(), server_processes(stage)
    own, others = own_cpu_seconds(), {name: cpu_seconds(one) for name, one in servers.items()}
    async with asyncio.timeout(WITHIN_S):
        size, ended_at = await _append(stage, folder, before + many, clocked)
    rate = (size - before) / (ended_at - clocked.began_at)
    cost = {name: cpu_seconds(one) - others[name] for name, one in servers.items()}
    cost["service"] = own_cpu_seconds() - own
    details = {f"{name}_us": round(spent / many * 1e6, 1) for name, spent in cost.items()}
    return Measured([rate], {"entries": many, **details})


async def _append(
    stage: Stage, folder: TileFolder, size: int, clocked: Clocked
) -> tuple[int, float]:
    """Run the service until all but the rest of a thousand is published; how many, and when."""
    settings = stage.settings(Settings, log_level="warning")
    async with open_service(settings) as service:
        application = compose(service, KafkaTransport(settings), Tools(steps=clocked.step))
        running = asyncio.create_task(application.run())
        try:
            while (published := _published(folder)) <= size - SIGN_EVERY:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(LOOK_EVERY_S)
            return published, time.perf_counter()
        finally:
            application.stop()
            await running


def entries(first: int, many: int, at: datetime) -> Iterator[Record]:
    """So many disclosures of one person each, as the registration service says them."""
    random = Random(first)  # noqa: S311 - the same load each time
    events = [EventId(_id(random)) for _ in range(5)]
    disclosure = DisclosureId(_id(random))
    for number in range(many):
        if number % PEOPLE == 0:
            disclosure = DisclosureId(_id(random))
        entry = audit.DataDisclosed(
            at=at,
            actor="cli:operator",
            plan_digest="ab" * 32,
            service="registration",
            disclosure_id=disclosure,
            subject_id=SubjectId(_id(random)),
            recipient="caterer",
            purpose="event-catering",
            legal_basis="explicit-consent",
            categories=("contact", "diet"),
            fields=("contact.name", "diet.text"),
            event_id=events[number % len(events)],
            content_digest="cd" * 32,
        )
        said = encode(Outgoing(entry, None), id=new_id(), source="/steward/registration", now=at)
        headers = [(name, value.encode()) for name, value in said.headers.items()]
        yield audit.TOPIC, None, said.value, headers


def _id(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def _published(folder: TileFolder) -> int:
    note = folder.checkpoint()
    return 0 if note is None else parse_checkpoint(parse_note(note).text).size
