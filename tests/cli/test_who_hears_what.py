"""The table of who hears what is what the services subscribe to."""

from __future__ import annotations

import importlib

import pytest

from services.cli.schemas import SERVICES
from shared.contract.services import SERVICES as SPECS
from shared.contract.services import ServiceSpec
from tests.conftest import SettingsFactory


def test_the_table_knows_every_service() -> None:
    assert {spec.name for spec in SPECS} == set(SERVICES)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
async def test_a_service_subscribes_to_what_the_table_says(
    spec: ServiceSpec, service_settings: SettingsFactory
) -> None:
    name, hears = spec.name, spec.hears
    settings = service_settings(name, kafka_bootstrap_servers="localhost:1")
    async with importlib.import_module(f"services.{name}.app").open_service(settings) as service:
        assert {subscription.topic for subscription in service.subscriptions} == set(hears)


@pytest.mark.parametrize("name", SERVICES)
async def test_who_has_nothing_urgent_gives_way_to_who_has(
    name: str, service_settings: SettingsFactory
) -> None:
    settings = service_settings(name, kafka_bootstrap_servers="localhost:1")
    async with importlib.import_module(f"services.{name}.app").open_service(settings) as service:
        urgent = any(subscription.urgent for subscription in service.subscriptions)
    assert (settings.niceness == 0) is urgent
