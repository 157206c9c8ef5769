"""What tells of a contact how it is taken. Pure."""

from __future__ import annotations

from typing import TypeAlias

from shared.contract.inbound import ContactSubmitted, WithdrawalRequested
from shared.contract.message import Message
from shared.privacy.errors import AliasError
from shared.privacy.subjects import normalise_email

Contact: TypeAlias = ContactSubmitted | WithdrawalRequested


def says_no(data: Contact) -> bool:
    """Whether there is a no in it: a withdrawal always is one."""
    return isinstance(data, WithdrawalRequested) or not all(one.given for one in data.consents)


def says_only_yes(message: Message[Contact]) -> bool:
    """Whether nobody is written to by mistake while it waits. What people say counts by its time,
    in whatever order it comes; so a no need not wait behind what failed.
    """
    return not says_no(message.data)


def is_address(email: str) -> bool:
    """By its form the contract lets more pass than is one."""
    try:
        normalise_email(email)
    except AliasError:
        return False
    return True
