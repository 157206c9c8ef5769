"""What goes through the doors: values to seal, values to open, and values that have been opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import NoReturn, SupportsIndex

from pydantic import JsonValue

from shared.contract.types import Sealed, SubjectId
from shared.contract.value_type import value_type


@value_type
class ToSeal:
    """One person's data of one category, in clear, by the names inside the category.

    `context` is what the key belongs to besides person and category: `event:<uuid>`, `year:2026`,
    or nothing. `at` is when the fact came about, where the batch's own time is not precise enough.
    """

    subject_id: SubjectId
    category: str
    context: str
    content: Mapping[str, JsonValue] = field(repr=False)
    at: datetime | None = None


@value_type
class ToOpen:
    """One sealed value, and whose and of which category it is thought to be.

    `collected_at` is when it was collected: a purpose that began later does not cover it, nor where
    that is not known.
    """

    subject_id: SubjectId
    category: str
    sealed: Sealed
    collected_at: datetime | None = None


class Disclosed:
    """Opened personal data. Says nothing of itself when printed, logged, formatted or serialised.

    `reveal()` is the only way to the values, and a test knows everybody who calls it.
    """

    __slots__ = ("_reveal",)

    def __init__(self, content: Mapping[str, JsonValue]) -> None:
        # A function: what walks through attributes and slots, as debuggers do, meets no value.
        self._reveal: Callable[[], dict[str, JsonValue]] = lambda: dict(content)

    def reveal(self) -> Mapping[str, JsonValue]:
        """The values in clear, by the names inside the category, or by whole field names after
        `disclose()`. Whoever calls this answers for where they go.
        """
        return self._reveal()

    def __repr__(self) -> str:
        return "<Disclosed>"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("opened personal data is not copied, pickled or written anywhere")
