"""Whether everything is heard that may put off that something is due, through all who pass it on.

Whoever registers says yes to `registration`, which tells `consent`, which tells `retention`; who
answers says it to `consent`. A yes that lies with one of them is unknown to the schedule.

Not waited for is a registration that itself waits for its event to be announced (ADR 103).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.cli.choosing import settings_of
from services.cli.office import SERVICE, Office
from shared.contract import inbound
from shared.contract.services import service_named
from shared.contract.topics import topic
from shared.messaging import store
from shared.messaging.hearing import LISTENS_FOR_S, log_ends
from shared.messaging.places import partitions_of
from shared.messaging.republishing import published
from shared.runtime.cluster import Cluster
from shared.runtime.database import Connection, Pool, open_pool
from shared.runtime.log_ends import has_read

NOT_HEARD: Final = (
    "the {service} service has not read, handled or passed on yet what may put off that something"
    " is due (`steward status` shows what holds it up): try again"
)
LIES: Final = (
    "the {service} service has a dead letter from {topic}, or what waits behind one, that may put"
    " off that something is due: redrive or discard it (`steward dead-letters list`), and try again"
)

PUT_OFF: Final[Mapping[str, Collection[str]]] = {
    inbound.REGISTRATIONS: (
        inbound.EventAnnounced.message_type,
        inbound.EventCancellationRequested.message_type,
    )
}
"""The types by which an upstream says when an event ends. What else nobody could read yet has
sealed nothing.
"""

WAITS_S: Final = LISTENS_FOR_S
"""For a service to read on, and for what it says to reach Kafka."""


class NotNowError(Exception):
    """Nobody knows what is due; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Hearer:
    """A service that has to have read these topics to their ends, and where what it says goes."""

    service: str
    topics: Sequence[str]
    pool: Pool
    cluster: Cluster


@asynccontextmanager
async def open_hearers(office: Office) -> AsyncIterator[Sequence[Hearer]]:
    """Connect as each of them, in the order in which one tells the other, and close at the end."""
    of_schedule = service_named(SERVICE).hears
    async with AsyncExitStack() as stack:

        async def hearer(service: str, *topics: str) -> Hearer:
            settings = settings_of(service)
            pool = await open_pool(settings, service=service, max_size=1)
            stack.push_async_callback(pool.close)
            return Hearer(service, topics, pool, settings.cluster)

        yield (
            await hearer("registration", "inbound.registrations"),  # an event may have moved
            await hearer("consent", "inbound.contacts", "registration"),  # somebody may say yes
            Hearer(SERVICE, of_schedule, office.parts.pool, settings_of(SERVICE).cluster),
        )


async def see_all_heard(hearers: Sequence[Hearer]) -> None:
    """Wait a little until all is heard that was said until now. Raises NotNowError where it is not,
    and ConnectionError where Kafka does not answer.
    """
    for hearer in hearers:
        partitions = partitions_of(*hearer.topics)
        ends = await log_ends(hearer.pool, hearer.cluster, partitions, within_s=WAITS_S)
        async with hearer.pool.acquire() as connection:
            heard = await has_read(connection, ends)
            await _see_that_nothing_lies(connection, hearer)
        # What it made of that is with Kafka before the next one is asked where its topics end.
        if heard and hearer is not hearers[-1]:
            heard = not await published(hearer.pool, hearer.service, stands_for_s=WAITS_S)
        if not heard:
            raise NotNowError(NOT_HEARD.format(service=hearer.service))


async def _see_that_nothing_lies(connection: Connection, hearer: Hearer) -> None:
    """Raises NotNowError where something that puts off what is due lies as a dead letter, or behind
    one: whatever one of our services said, and of upstream when an event ends.
    """
    for name in hearer.topics:
        types = PUT_OFF.get(name, ()) if topic(name).inbound else None
        if await store.lies(connection, name, types):
            raise NotNowError(LIES.format(service=hearer.service, topic=name))
