"""Which service hears and says what: the table of who talks to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service by the topics that it reads (`hears`) and writes (`says`). What people wait for is
    `urgent`: topics of those that it hears.
    """

    name: str
    hears: tuple[str, ...]
    says: tuple[str, ...]
    does: str
    urgent: tuple[str, ...] = ()


SERVICES: Final[tuple[ServiceSpec, ...]] = (
    ServiceSpec(
        "registration",
        hears=("inbound.registrations", "consent", "retention"),
        says=("registration", "audit"),
        does="events on offer, registrations, disclosures to third parties and participants",
    ),
    ServiceSpec(
        "consent",
        hears=("inbound.contacts", "registration", "retention"),
        says=("consent", "audit"),
        does="consents: given, refused, withdrawn",
        # A withdrawal counts at once (article 7(3)), whatever crowd registers meanwhile.
        urgent=("inbound.contacts",),
    ),
    ServiceSpec(
        "finance",
        hears=("registration", "retention"),
        says=("finance", "audit"),
        does="invoices for events with a fee",
    ),
    ServiceSpec(
        "retention",
        hears=("registration", "consent", "finance"),
        says=("retention", "audit"),
        does="what is kept until when",
    ),
    ServiceSpec(
        "audit", hears=("audit",), says=("audit.checkpoints",), does="the log of disclosures"
    ),
)

_BY_NAME: Final = {one.name: one for one in SERVICES}


def service_named(name: str) -> ServiceSpec:
    """The service of this name. KeyError where there is none."""
    return _BY_NAME[name]
