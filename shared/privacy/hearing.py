"""Whether this service has heard what may decide about a disclosure."""

from __future__ import annotations

from shared.privacy.disclosure import DisclosureRequest, topics_that_decide
from shared.privacy.plan import Plan
from shared.runtime.database import Connection
from shared.runtime.log_ends import has_read


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
    return not await has_read(connection, {topic: ends[topic] for topic in topics})
