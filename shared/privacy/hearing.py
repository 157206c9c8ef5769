"""Whether this service has heard what may decide about a disclosure: positions beside log ends."""

from __future__ import annotations

from shared.privacy.disclosure import DisclosureRequest, topics_that_decide
from shared.privacy.plan import Plan
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)


async def is_behind(
    connection: Connection, plan: Plan, service: str, request: DisclosureRequest
) -> bool:
    """Whether something that may decide was said before `request.log_ends` and is not heard yet.

    So it is where nobody looked where the logs end.
    """
    if request.request_reference is not None:
        return False
    topics = topics_that_decide(plan, service, request.purpose)
    ends = request.log_ends or {}
    if not ends.keys() >= set(topics):
        return True
    logs = [(topic, part, end) for topic in topics for part, end in ends[topic].items()]
    behind: bool = await _sql.is_behind(
        connection,
        topics=[topic for topic, _, _ in logs],
        partitions=[part for _, part, _ in logs],
        ends=[end for _, _, end in logs],
    )
    return behind
