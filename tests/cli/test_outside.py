"""What lies outside of the home folder, and is not removed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.audit import settings as audit
from services.cli.outside import has_secrets, never_opened, outside_of
from services.registration import settings as registration
from shared.local.state import State, write_state
from tests.cli.conftest import GIVEN, GIVEN_STAY


def test_secrets_that_the_home_folder_links_to_are_named_once_and_as_secrets(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    (ours / "secrets").rename(kept)
    (ours / "secrets").symlink_to(kept)
    monkeypatch.chdir(tmp_path)
    environ = {"STEWARD_HOME": ours.name}
    assert outside_of(Path(ours.name), environ) == [f"secrets in {kept}"]
    assert not has_secrets(ours)


@pytest.mark.parametrize("named", [False, True])
def test_folders_of_services_are_looked_for_where_their_settings_have_them(
    home: Path, tmp_path: Path, *, named: bool
) -> None:
    environ = {"STEWARD_HOME": str(home), "STEWARD_SECRETS": str(tmp_path / "kept" / "secrets")}
    if named:
        environ["STEWARD_OUTGOING_FOLDER"] = str(tmp_path / "lists")
        environ["STEWARD_AUDIT_FOLDER"] = str(tmp_path / "log")
    servers = {"KAFKA_BOOTSTRAP_SERVERS": "h:1", "DATABASE_URL": "postgresql://h/d"}
    outgoing = registration.Settings.load(environ | servers).outgoing
    published = audit.Settings.load(environ | servers).published_folder
    for folder in (outgoing, published):
        folder.mkdir(parents=True)
    assert outside_of(home, environ) == [
        f"lists for recipients, in clear, in {outgoing}",
        f"the published audit log in {published}",
    ]


@pytest.mark.parametrize("given", [(), ("DATABASE_URL",), tuple(GIVEN)])
def test_servers_that_the_last_system_was_given_are_named_where_the_environment_has_none(
    ours: Path, given: tuple[str, ...]
) -> None:
    addresses = {
        "DATABASE_URL": "postgresql://db.example:5433/steward?sslmode=require",
        "KAFKA_BOOTSTRAP_SERVERS": "one.example:9092,two.example:9092",
    }
    environ = {"STEWARD_HOME": str(ours)}
    (ours / "run").mkdir()
    write_state(ours / "run", State(1, 0.0, "m", "stopped", addresses=addresses, given=given))
    assert outside_of(ours, environ) == GIVEN_STAY[: len(given)]
    assert outside_of(ours, environ | GIVEN) == GIVEN_STAY


@pytest.mark.parametrize("password", ["of/all", "of?all", "of#all"])
def test_of_an_address_that_is_not_understood_nothing_is_shown(ours: Path, password: str) -> None:
    environ = {
        "STEWARD_HOME": str(ours),
        "DATABASE_URL": f"postgresql://boss:{password}@db.example/d",
    }
    assert outside_of(ours, environ) == ["the database that DATABASE_URL names"]


@pytest.mark.parametrize(
    "kept",
    [
        {"STEWARD_KEY_ENCRYPTION_KEY": "aa"},
        {"STEWARD_KEY_ENCRYPTION_KEY_COMMAND": "pass"},
        {"STEWARD_VAULT_ADDRESS": "https://vault"},
        {"STEWARD_SECRETS": "elsewhere"},
        {"DATABASE_URL": ""},
    ],
)
def test_what_can_be_opened_still_or_is_gone_as_well_is_not_called_lost(
    ours: Path, kept: dict[str, str]
) -> None:
    (ours / "secrets" / "key-encryption-key").touch()
    environ = {"STEWARD_HOME": str(ours), **GIVEN}
    assert never_opened(ours, environ) is not None
    assert never_opened(ours, environ | kept) is None
