"""The register of message types: which type, in which version, travels on which topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from shared.contract.types import Contract

Upcaster = Callable[[Mapping[str, object]], Mapping[str, object]]
"""Turns the JSON object of one version into the JSON object of the next."""


class MessageData(Contract):
    """The `data` of a message; its class is registered with `@message`."""

    message_type: ClassVar[str]
    version: ClassVar[int]
    topic: ClassVar[str]

    def extensions(self) -> Mapping[str, str]:
        """Headers that tell what the data holds to readers who may not need to read it, as
        CloudEvents has it (1.0.2, section 3.2: extension attributes serve filtering and routing).
        """
        return {}


M = TypeVar("M", bound=type[MessageData])


@dataclass(frozen=True, slots=True)
class Registered:
    """One type as this release knows it: its newest model, and how older versions become it."""

    name: str
    version: int
    topic: str
    model: type[MessageData]
    upcasters: Mapping[int, Upcaster]
    """By the version that they start from; one for each version before the newest."""

    @property
    def schema_uri(self) -> str:
        """The `dataschema` attribute of what is said in the newest version (a URI)."""
        return schema_uri(self.name, self.version)

    def upcast(self, data: Mapping[str, object], version: int) -> Mapping[str, object]:
        """Data of an older version as data of the newest, step by step.

        Raises what an upcaster raises on data that does not have the form of its version.
        """
        for step in range(version, self.version):
            data = self.upcasters[step](data)
        return data


def schema_uri(name: str, version: int) -> str:
    """Names one version of one type, as `steward:ParticipantRegistered/1`."""
    return f"steward:{name}/{version}"


class Registry:
    """All message types by name. One instance, filled when the contract modules are imported."""

    def __init__(self) -> None:
        self._types: dict[str, Registered] = {}

    def __iter__(self) -> Iterator[Registered]:
        return iter(sorted(self._types.values(), key=lambda registered: registered.name))

    def get(self, name: str) -> Registered | None:
        """The type of this name, or None where the registry has none."""
        return self._types.get(name)

    def add(self, registered: Registered) -> None:
        """Register a type; two of one name are a mistake in the code."""
        if registered.name in self._types:
            raise ValueError(f"message type {registered.name} is registered twice")
        if set(registered.upcasters) != set(range(1, registered.version)):
            raise ValueError(
                f"message type {registered.name} lacks an upcaster, or has one too many"
            )
        self._types[registered.name] = registered


REGISTRY = Registry()


def message(
    *, topic: str, version: int = 1, upcasters: Mapping[int, Upcaster] | None = None
) -> Callable[[M], M]:
    """Register a model as the `data` of the message type that has the model's name."""

    def register(model: M) -> M:
        model.message_type = model.__name__
        model.version = version
        model.topic = topic
        REGISTRY.add(Registered(model.__name__, version, topic, model, dict(upcasters or {})))
        return model

    return register
