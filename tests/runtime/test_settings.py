"""A wrong value is told by its variable and by what was expected, never by what was found."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from shared.runtime.settings import ServiceSettings, SettingsBase, SettingsError

CANARY = "canary-Maija-4711"
ADMINISTRATOR = "canary-admin"
GOOD = {
    "KAFKA_BOOTSTRAP_SERVERS": "one:9092, two:9092",
    "DATABASE_URL": f"postgresql://admin:{ADMINISTRATOR}@db:5432/steward",
}


def test_settings_are_read_from_their_variables() -> None:
    settings = ServiceSettings.load({**GOOD, "STEWARD_HTTP_PORT": "8080", "UNRELATED": "1"})
    assert settings.kafka_bootstrap_servers == "one:9092,two:9092"
    assert settings.http_port == 8080


def test_an_empty_variable_counts_as_not_set() -> None:
    assert ServiceSettings.load({**GOOD, "STEWARD_HTTP_PORT": ""}).http_port == 0


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.load({})
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in str(caught.value)
    assert "DATABASE_URL is not set" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("DATABASE_URL", f"mysql://{CANARY}@db/x", "postgresql://"),
        ("KAFKA_BOOTSTRAP_SERVERS", CANARY, "host:port"),
        ("STEWARD_HTTP_PORT", CANARY, "valid integer"),
        ("STEWARD_HTTP_PORT", "99999999", "less than or equal to 65535"),
        ("STEWARD_LOG_FORMAT", CANARY, "'auto', 'json' or 'console'"),
        ("STEWARD_STOP_TIMEOUT_S", CANARY, "valid number"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_was_expected_but_not_the_value(
    variable: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.load({**GOOD, variable: value})
    text = str(caught.value)
    assert variable in text
    assert expected in text
    assert CANARY not in text
    assert value not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_value_that_should_be_json_is_not_shown() -> None:
    class WithList(SettingsBase):
        names: list[str] = Field(default_factory=list)

    with pytest.raises(SettingsError, match="STEWARD_NAMES: expected JSON") as caught:
        WithList.load({"STEWARD_NAMES": f"[{CANARY}"})
    assert CANARY not in str(caught.value)


def test_every_wrong_variable_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.load({**GOOD, "STEWARD_HTTP_PORT": "x", "STEWARD_LOG_LEVEL": "x"})
    assert len(str(caught.value).splitlines()) == 2


def test_settings_built_from_arguments_do_not_look_at_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STEWARD_HTTP_PORT", "1")
    settings = ServiceSettings(kafka_bootstrap_servers="a:1", database_url="postgresql://db/x")
    assert settings.http_port == 0


def test_settings_do_not_change() -> None:
    settings = ServiceSettings.load(GOOD)
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc]  # being refused is the point


def test_settings_do_not_show_the_administrators_password() -> None:
    assert ADMINISTRATOR not in repr(ServiceSettings.load(GOOD))
