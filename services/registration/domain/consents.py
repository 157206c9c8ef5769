"""Whether a person's data may be used for a purpose that rests on consent."""

from __future__ import annotations

from datetime import datetime

from shared.contract.value_type import value_type


@value_type
class Consent:
    """What one person has said of one purpose: whether the latest answer is yes, since when, and
    when the latest no was said, also before a later yes.
    """

    given: bool
    at: datetime
    last_no_at: datetime | None = None

    def covers(self, collected_at: datetime) -> bool:
        """Whether data of that time may be used. A yes brings back nothing that was collected
        before a no: it is for what came with it, as it is to whom we write (consent service).
        """
        return self.given and (self.last_no_at is None or collected_at > self.last_no_at)


def together(one: Consent, other: Consent) -> Consent:
    """What both come to, in whichever order they came."""
    # Of two answers at one time the one that says no: nobody is used by a coincidence.
    latest = max(one, other, key=lambda said: (said.at, not said.given))
    noes = [said.last_no_at for said in (one, other) if said.last_no_at is not None]
    return Consent(latest.given, latest.at, max(noes, default=None))
