"""What was said cannot be changed by who heard it: two handlers may get the same object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from shared.contract.codec import CONTRACTS
from shared.contract.registry import REGISTRY
from shared.contract.types import Money

assert CONTRACTS


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model, and every one that a field of it may hold, however deep."""
    waiting, seen = [model], {model}
    while waiting:
        one = waiting.pop()
        yield one
        held = {found for field in one.model_fields.values() for found in named(field.annotation)}
        waiting += held - seen
        seen |= held


def named(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from named(part)


def test_models_inside_of_others_are_found() -> None:
    opened = REGISTRY.get("EventOpened")
    assert opened is not None
    assert {"EventOpened", "EventState", "Money"} <= {one.__name__ for one in models(opened.model)}


@pytest.mark.parametrize("name", [registered.name for registered in REGISTRY])
def test_every_model_that_crosses_a_wall_is_frozen(name: str) -> None:
    registered = REGISTRY.get(name)
    assert registered is not None
    thawed = {one for one in models(registered.model) if one.model_config.get("frozen") is not True}
    assert thawed == set()


def test_what_is_frozen_refuses_to_be_changed() -> None:
    price = Money(minor_units=100, currency="EUR")
    with pytest.raises(ValidationError):
        price.minor_units = 200  # type: ignore[misc] # that is what is tried
