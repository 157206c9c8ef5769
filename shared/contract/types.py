"""The words that contracts are written in: identifiers, money, sealed values, frozen models."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, NewType, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
)
from pydantic_core import core_schema

SubjectId = NewType("SubjectId", UUID)
"""A data subject: a random UUID (version 4) that only the keyring can lead back to a person."""

EventId = NewType("EventId", UUID)
RegistrationId = NewType("RegistrationId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
DisclosureId = NewType("DisclosureId", UUID)


class ContractError(ValueError):
    """A value breaks a rule of its contract. The text names fields and rules, never the value:
    the codec shows it, and of other exceptions it shows nothing.
    """


class Contract(BaseModel):
    """What crosses a service's wall: frozen; a field that the contract does not know is dropped."""

    # Built when it is first met: a process meets a few of the types, and building all of them is a
    # tenth of its start.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        str_max_length=100_000,
        defer_build=True,
    )

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """As if called with these fields, validated all the same, for those made by the thousand:
        pydantic's constructor, which is Python, takes as long again.
        """
        made: Self = cls.__pydantic_validator__.validate_python(fields)
        return made


class SharedPart(Contract):
    """A part that many messages have in common, as the event of its registrations. The same object
    is to be given to all of them: it is turned into JSON once, and read from JSON once.
    """


class Money(Contract):
    """An amount in the currency's minor unit (ISO 4217): 4990 EUR is 49.90 euros."""

    minor_units: Annotated[int, Strict(), Field(ge=-(10**15), le=10**15)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Sealed(bytes):
    """Ciphertext of one person's data of one category; base64 in JSON. Says nothing when printed.

    Its layout belongs to `shared.privacy`; a contract only carries it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Sealed {len(self)} bytes>"

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._from_contract,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: base64.b64encode(value).decode("ascii"), when_used="json"
            ),
        )

    @classmethod
    def _from_contract(cls, value: object) -> Sealed:
        if isinstance(value, str):
            try:
                return cls(binascii.a2b_base64(value, strict_mode=True))
            except ValueError:
                raise ContractError("must be base64") from None
        if isinstance(value, Sealed):
            return value
        if isinstance(value, bytes):
            return cls(value)
        raise ContractError("must be base64")


def _moment(value: object) -> datetime:
    """RFC 3339 text (a number would be a moment to pydantic) or an aware datetime, as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ContractError("must be a time as RFC 3339 writes it") from None
    elif not isinstance(value, datetime):
        raise ContractError("must be a time as RFC 3339 writes it")
    if value.tzinfo is UTC:  # nearly all, as our own facts are in UTC
        return value
    if value.tzinfo is None:
        raise ContractError("must say its offset from UTC")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ContractError("must be a time between the years 1 and 9999") from None


Whole = Annotated[int, Strict()]
"""A JSON number that is whole; text or true is none."""

Flag = Annotated[bool, Strict()]
"""true or false; "yes" and 1 are neither."""

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text for people. NUL is the one character that PostgreSQL does not store."""

Reference = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A number or code that an upstream system gives to a thing of its own. Personal until matched."""

Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")
]
"""An e-mail address by its form (RFC 5321 limits its length); keyring aliases normalise it."""

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$", max_length=100)]
"""`category.name`, as the plan registers it."""

InputName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=100)]
"""The name of an input on a form of an upstream system."""

PlanName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=100)]
"""A name that the plan gives: of a purpose, a recipient, a category, a unit, a retention class."""

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
"""ISO 639 code."""

Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A point in time: read with any offset, kept in UTC."""
