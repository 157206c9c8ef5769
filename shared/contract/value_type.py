"""Values that are made by the thousand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_type(cls: type[T]) -> type[T]:
    """A dataclass with slots that the type checker takes for frozen. At run time nothing watches
    it: being frozen makes a value of ten fields cost five times as much, and each message of a
    batch has several.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
