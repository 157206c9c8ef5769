"""What privacy refuses. The texts name categories, purposes and fields, never a value."""

from __future__ import annotations

from collections.abc import Iterable

from shared.contract.types import SubjectId
from shared.runtime.unavailable import UnavailableError


class PrivacyError(Exception):
    """Personal data stays where it is."""


class AliasError(PrivacyError, ValueError):
    """An alias that is no e-mail address, telephone number or person number of a source."""


class SeveralPeopleError(PrivacyError, LookupError):
    """An address stands for several people, or has, and one of them has to be named. The text has
    an id of each.
    """

    def __init__(self, subject_ids: Iterable[SubjectId]) -> None:
        names = ", ".join(map(str, subject_ids))
        super().__init__(f"This address is several people's: name one of them by the id, {names}")


class NotGrantedError(PrivacyError):
    """The plan, or the keyring by it, does not let this service do this with the category."""


class NotInPlanError(PrivacyError, LookupError):
    """A recipient, purpose, category or field that the plan does not have."""


class ScopeError(PrivacyError, ValueError):
    """What is named together holds more keys than whoever names it means, or none at all."""


class NoPlanError(PrivacyError):
    """No plan is in force yet."""


class OtherPlanError(PrivacyError):
    """The plan that was to be replaced is not in force any more."""


class SealError(PrivacyError):
    """A sealed value is not what it is said to be: altered, or of another person or category."""


class WrongKeyError(PrivacyError):
    """The key-encryption key at hand is not the one that the keyring's keys are wrapped by."""


class KeyUnavailableError(PrivacyError, UnavailableError):
    """A key-encryption key that is needed is not at hand now: whoever needs it waits."""
