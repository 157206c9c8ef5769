"""What pydantic finds wrong, in sentences of our own: fields by their names, never a value.

Pydantic's messages and locations quote input (the key of a mapping is a location), so nothing of
them is passed on but what the contracts themselves define.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from shared.contract.types import ContractError

MOST_NAMED: Final = 5
"""So many faults are named; the rest is a number."""

_RULES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "string_too_short": "must not be shorter than {min_length} characters",
    "string_too_long": "must not be longer than {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "recursion_loop": "must not be nested so deeply",
}


def sentence(error: ValidationError, registered: frozenset[str]) -> tuple[bool, str]:
    """Whether a field is missing (the first fault counts), and what is wrong, in one line.

    `registered` holds the field names that may be shown.
    """
    faults = error.errors(include_url=False, include_input=False)
    named = [
        f"{_place(fault['loc'], registered)} {_rule(fault['type'], fault.get('ctx', {}))}"
        for fault in faults[:MOST_NAMED]
    ]
    if len(faults) > MOST_NAMED:
        named.append(f"{len(faults) - MOST_NAMED} more faults")
    return faults[0]["type"] == "missing", "; ".join(named)


def _place(location: Iterable[int | str], registered: frozenset[str]) -> str:
    """Where: `form.2.name`. What is no registered name (a key from upstream) shows as `*`."""
    parts = [str(part) if isinstance(part, int) or part in registered else "*" for part in location]
    return ".".join(parts) or "the data"


def _rule(kind: str, context: Mapping[str, Any]) -> str:
    broken = context.get("error")
    if isinstance(broken, ContractError):
        return str(broken)
    # The contexts of these kinds hold the limits of the contract, not what was sent.
    return _RULES[kind].format_map(context) if kind in _RULES else "is invalid"
