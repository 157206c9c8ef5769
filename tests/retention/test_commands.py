"""`steward retention due` as people and programs meet it."""

from __future__ import annotations

import orjson
import pytest

from services.retention.commands import app
from services.retention.handlers import Handlers
from shared.contract.types import Sealed
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import NOWHERE, command
from tests.support.facts import event_state, registered
from tests.support.work import NO_KAFKA, Work


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


async def test_what_is_due_is_shown_by_event_and_class(
    work: Work, handlers: Handlers, settings: ServiceSettings
) -> None:
    event = event_state()
    personal = {"contact": Sealed(b"sealed"), "diet": Sealed(b"sealed")}
    message = registered(event, personal=personal)
    await work.do(handlers.schedule_registrations, [message])
    nothing = await command(app, settings, "due", "--on", "2026-10-15")
    assert (nothing.code, nothing.out) == (0, "nothing is due by 2026-10-15\n")
    diet = await command(app, settings, "due", "--on", "2026-10-16")
    assert str(event.event_id) in diet.out
    assert "diet" in diet.out
    both = await command(app, settings, "due", "--on", "2027-12-31", "--json")
    assert [group["retention_class"] for group in orjson.loads(both.out)["due"]] == [
        "diet",
        "event-data",
    ]


@pytest.mark.parametrize("arguments", [("--on", "tomorrow"), ()])
async def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...]) -> None:
    done = await command(app, NOWHERE, "due", *arguments)
    assert done.code == 2
    assert "--on" in done.err


async def test_help_has_an_example() -> None:
    done = await command(app, NOWHERE, "due", "--help")
    assert (done.code, "Example" in done.out) == (0, True)
