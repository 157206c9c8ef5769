"""Who is who: the ways to write an e-mail, a telephone number and a person number as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AliasKind = Literal["email", "phone", "person_number"]


@dataclass(frozen=True, slots=True)
class Alias:
    """Something that a person is known by. `source` is the plan's name of the source whose own
    number a `person_number` is; the other kinds have none. The value is never printed.
    """

    kind: AliasKind
    value: str = field(repr=False)
    source: str | None = None
