"""Facts of the consent service. Key: the subject."""

from __future__ import annotations

from typing import Final, Literal

from shared.contract.registry import MessageData, message
from shared.contract.types import Language, Moment, PlanName, Reference, SubjectId

TOPIC = "consent"


class _ConsentFact(MessageData):
    subject_id: SubjectId
    purpose: PlanName
    at: Moment
    plan_digest: str


class _Answered(_ConsentFact):
    wording: Reference
    language: Language
    collected_by: Literal["registration", "contact"]
    source: PlanName


@message(topic=TOPIC)
class ConsentGiven(_Answered):
    """The person consents to the purpose (article 6(1)(a))."""


@message(topic=TOPIC)
class ConsentRefused(_Answered):
    """The person was asked and did not consent."""


@message(topic=TOPIC)
class ConsentWithdrawn(_ConsentFact):
    """The person takes the consent back (article 7(3)); effective from `at`."""


@message(topic=TOPIC)
class ConsentExpired(_ConsentFact):
    """The consent is older than the plan lets it be."""


NOES: Final[frozenset[type[MessageData]]] = frozenset(
    {ConsentRefused, ConsentWithdrawn, ConsentExpired}
)
"""Whatever says that a consent does not hold. None of them waits behind what has failed: an earlier
yes would count meanwhile.
"""
