"""What a service waits for besides its database and Kafka."""

from __future__ import annotations


class UnavailableError(Exception):
    """Something that the work needs is away, and the same work succeeds when it is back.

    Its text is read by operators, in readiness and logs: what is missing, and never a value.
    """
