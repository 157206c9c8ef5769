from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.contract.codec import Codec
from shared.contract.message import Message, Undecodable
from shared.contract.registry import MessageData, Registered, Registry
from tests.support.records import binary


def second(data: Mapping[str, object]) -> Mapping[str, object]:
    return {"first_name": data["name"]}


def third(data: Mapping[str, object]) -> Mapping[str, object]:
    return {"given_name": data["first_name"]}


class Renamed(MessageData):
    given_name: str


@pytest.fixture
def renamed() -> Codec:
    registry = Registry()
    registry.add(Registered("Renamed", 3, "t", Renamed, {1: second, 2: third}))
    return Codec(registry)


@pytest.mark.parametrize(
    ("version", "data"), [(1, {"name": "a"}), (2, {"first_name": "a"}), (3, {"given_name": "a"})]
)
def test_an_older_version_is_brought_up_step_by_step(
    renamed: Codec, version: int, data: dict[str, Any]
) -> None:
    message = renamed.decode(binary("Renamed", data, dataschema=f"steward:Renamed/{version}"))
    assert message == Message(message.record, message.envelope, Renamed(given_name="a"))  # type: ignore[arg-type]  # a refusal would not be equal


def test_data_that_is_not_of_its_version_is_refused(renamed: Codec) -> None:
    result = renamed.decode(binary("Renamed", {"given_name": "a"}))
    assert isinstance(result, Undecodable)
    assert result.detail == "the data does not have the form of version 1"


def test_a_version_without_its_upcaster_is_not_registered() -> None:
    with pytest.raises(ValueError, match="lacks an upcaster"):
        Registry().add(Registered("Renamed", 3, "t", Renamed, {1: second}))
