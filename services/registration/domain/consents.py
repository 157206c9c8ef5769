"""Whether a person's data may be used for a purpose that rests on consent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from shared.contract.types import SubjectId
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

    def denies(self, agreed_at: datetime) -> bool:
        """Whether what was agreed to at that time was taken back. A no said before it is overruled
        by it: that is not `not covers`, which also asks for a yes that was heard.
        """
        last_no_at = self.last_no_at
        if last_no_at is None and not self.given:
            last_no_at = self.at
        return last_no_at is not None and last_no_at >= agreed_at


def taken_back(
    consents: Mapping[tuple[SubjectId, str], Consent],
    subject_id: SubjectId,
    purposes: Collection[str],
    agreed_at: datetime,
) -> set[str]:
    """Those of the purposes that what the person agreed to at that time holds for no more."""
    return {
        purpose
        for purpose in purposes
        if (known := consents.get((subject_id, purpose))) is not None and known.denies(agreed_at)
    }


def together(one: Consent, other: Consent) -> Consent:
    """What both come to, in whichever order they came."""
    # Of two answers at one time the one that says no: nobody is used by a coincidence.
    latest = max(one, other, key=lambda said: (said.at, not said.given))
    noes = [said.last_no_at for said in (one, other) if said.last_no_at is not None]
    return Consent(latest.given, latest.at, max(noes, default=None))
