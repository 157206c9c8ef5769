"""How lists reach their recipients: what is asked again before, where they go, what is in them."""

from __future__ import annotations

import asyncio
import csv
import io
from functools import partial
from typing import Final

from services.registration.domain.lists import cell
from services.registration.handlers.desk import Desk
from services.registration.handlers.handover import ask_again
from services.registration.settings import Settings
from shared.assembly import Parts
from shared.contract import consent, inbound, registration, retention
from shared.contract.types import SubjectId
from shared.messaging.hearing import LISTENS_FOR_S, groups_of, log_ends, passed_on
from shared.messaging.places import partitions_of
from shared.messaging.republishing import published
from shared.privacy.deliveries import Deliveries
from shared.privacy.handovers import Delivery
from shared.privacy.outgoing import OutgoingFolder
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool
from shared.runtime.log_ends import LogEnds, has_read

_MAY_SAY_NO: Final = groups_of("consent", inbound.CONTACTS, registration.TOPIC)
"""Heard by the consent service: a withdrawal comes by the one, and a no on a form, which counts
for the person everywhere, by the other.
"""


def deliveries_of(
    parts: Parts, settings: Settings, *, actor: str, within_s: float = LISTENS_FOR_S
) -> Deliveries:
    """Those of this service, into the folder of what goes out; `actor` is who delivers, and waits
    for so long until all is heard.
    """
    desk = Desk(parts.privacy)
    folder = OutgoingFolder(settings.outgoing, partial(csv_of, desk))
    return Deliveries(
        privacy=parts.privacy,
        begin=parts.work,
        begin_record=parts.record,
        ask_again=partial(ask_again, desk),
        log_ends=partial(ends_of_what_decides, parts.pool, settings.cluster, within_s),
        ports={"folder": folder},
        actor=actor,
    )


async def ends_of_what_decides(pool: Pool, cluster: Cluster, within_s: float) -> LogEnds:
    """Where the logs end that decide about disclosures, once they are read up to there; those of
    consents are missing where something may say no that the consent service has not passed on.
    Raises ConnectionError where Kafka does not answer.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    first = partitions_of(inbound.REGISTRATIONS, retention.TOPIC)
    ends = await log_ends(pool, cluster, first, within_s=within_s)
    async with pool.acquire() as connection:
        heard = await has_read(connection, ends)
    if not heard:
        return ends
    try:
        # It goes on for as long as facts leave, which may be minutes after Kafka was away.
        async with asyncio.timeout_at(until):
            left = await published(pool, registration.TOPIC, stands_for_s=within_s)
    except TimeoutError:
        return ends
    if left:
        return ends
    if not await passed_on(cluster, _MAY_SAY_NO, within_s=until - clock()):
        return ends
    consents = partitions_of(consent.TOPIC)
    return {**ends, **await log_ends(pool, cluster, consents, within_s=until - clock())}


def csv_of(desk: Desk, delivery: Delivery) -> bytes:
    """The list as a file. In clear: it leaves."""
    text = io.StringIO()
    csv.writer(text).writerows(rows(desk, delivery))
    return text.getvalue().encode()


def rows(desk: Desk, delivery: Delivery) -> list[list[str]]:
    """A row of field names, then one for each person, sorted. The last column has the disclosures
    that the row is of: the same row of the same disclosure was handed over before.
    """
    people: dict[SubjectId, dict[str, str]] = {}
    of: dict[SubjectId, list[str]] = {}
    for disclosure in delivery.disclosures:
        for subject_id, content in disclosure.released:
            revealed = {name: cell(value) for name, value in content.reveal().items()}
            people.setdefault(subject_id, {}).update(revealed)
            of.setdefault(subject_id, []).append(str(disclosure.id))
    given = {name for row in people.values() for name in row}
    known = desk.plan.recipients.get(delivery.recipient)
    order = desk.plan.fields if known is None else known.fields
    header = [name for name in order if name in given]
    lines = [
        [*(row.get(name, "") for name in header), " ".join(of[subject_id])]
        for subject_id, row in people.items()
    ]
    return [[*header, "disclosure"], *sorted(lines)]
