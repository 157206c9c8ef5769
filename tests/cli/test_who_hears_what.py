"""The table of who hears what is what the services subscribe to."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Collection, Iterator
from importlib.util import find_spec

import pytest

from services.cli.niceness import GIVES_WAY, niceness_of
from services.cli.positions import SAY_AGAIN
from services.cli.processes import PROCESSES
from services.cli.schemas import SERVICES
from shared.contract.registry import REGISTRY
from shared.contract.services import SERVICES as SPECS
from shared.contract.services import ServiceSpec
from shared.runtime.settings import SettingsError
from tests.cli.conftest import ROOT
from tests.conftest import SettingsFactory


def test_the_table_knows_every_service() -> None:
    assert {spec.name for spec in SPECS} == set(SERVICES)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
async def test_a_service_subscribes_to_what_the_table_says(
    spec: ServiceSpec, service_settings: SettingsFactory
) -> None:
    name, hears, urgent = spec.name, spec.hears, spec.urgent
    settings = service_settings(name, kafka_bootstrap_servers="localhost:1")
    async with importlib.import_module(f"services.{name}.app").open_service(settings) as service:
        assert {one.topic for one in service.subscriptions} == set(hears)
        assert {one.topic for one in service.subscriptions if one.urgent} == set(urgent)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_who_hears_nothing_urgent_gives_way_to_who_does(
    spec: ServiceSpec, service_settings: SettingsFactory
) -> None:
    rest = service_settings(spec.name, hears="rest")
    everything = service_settings(spec.name, hears="all")
    assert niceness_of(spec, rest) == GIVES_WAY
    assert niceness_of(spec, everything) == (0 if spec.urgent else GIVES_WAY)
    assert niceness_of(spec, rest.model_copy(update={"niceness": 3})) == 3


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_only_who_hears_something_urgent_can_hear_that_alone(
    spec: ServiceSpec, service_settings: SettingsFactory
) -> None:
    settings = service_settings(spec.name, hears="urgent")
    if spec.urgent:
        assert niceness_of(spec, settings) == 0
    else:
        with pytest.raises(SettingsError, match=f"STEWARD_HEARS: nothing that the {spec.name} "):
            niceness_of(spec, settings)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_everything_that_a_service_hears_is_heard_by_a_process(spec: ServiceSpec) -> None:
    heard = {one.hears for one in PROCESSES if one.service == spec.name}
    assert heard == ({"urgent", "rest"} if spec.urgent else {"all"})


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_whoever_says_facts_can_say_them_again(spec: ServiceSpec) -> None:
    """Else nobody could mend the gap of a reader. The log is kept for ever, and replayed."""
    own = set(spec.says) - {"audit", "audit.checkpoints"}
    kinds = {known.name for known in REGISTRY if known.topic in own}
    says = any(_makes(source, kinds) for source in _sources())
    commands = f"services.{spec.name}.commands"
    known = find_spec(commands) and importlib.import_module(commands).app.registered_commands
    again = {command.callback.__name__ for command in known or ()} & {"republish"}
    assert bool(again) == says
    assert own <= set(SAY_AGAIN) if says else own.isdisjoint(SAY_AGAIN)


def _sources() -> Iterator[ast.AST]:
    for folder in ("services", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            if "contract" not in path.parts:
                yield ast.parse(path.read_text())


def _makes(source: ast.AST, kinds: Collection[str]) -> bool:
    """Whether messages of one of these types are made there, by name or by one of its methods."""
    return any(
        isinstance(maker, ast.Name) and maker.id in kinds
        for call in ast.walk(source)
        if isinstance(call, ast.Call)
        for maker in (call.func, getattr(call.func, "value", None))
    )
