"""Under another key-encryption key than its keyring's a service does not start, nor writes."""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.registration.app import NAME
from shared.assembly import open_parts
from shared.privacy.errors import WrongKeyError
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA

Given = Callable[[ServiceSettings, str], ServiceSettings]


def in_the_file(settings: ServiceSettings, key: str) -> ServiceSettings:
    (settings.secrets / "key-encryption-key").write_text(key)
    return settings


def in_the_environment(settings: ServiceSettings, key: str) -> ServiceSettings:
    return settings.model_copy(update={"key_encryption_key": SecretStr(key)})


def by_a_command(settings: ServiceSettings, key: str) -> ServiceSettings:
    command = shlex.join([sys.executable, "-c", f"print({key!r})"])
    return settings.model_copy(update={"key_encryption_key_command": SecretStr(command)})


@pytest.mark.parametrize("give", [in_the_file, in_the_environment, by_a_command])
async def test_a_wrong_key_is_noticed_at_start_wherever_it_comes_from(
    service_settings: SettingsFactory, tmp_path: Path, give: Given
) -> None:
    right = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    folder = tmp_path / "secrets"
    shutil.copytree(right.secrets, folder)
    own = right.model_copy(update={"secrets": folder})
    async with open_parts(right, service=NAME):
        pass  # the first start of all records its key
    with pytest.raises(WrongKeyError, match="restore"):
        async with open_parts(give(own, secrets.token_hex(32)), service=NAME):
            pytest.fail("started")


@pytest.mark.parametrize("give", [in_the_environment, by_a_command])
async def test_the_same_key_may_come_from_elsewhere(
    service_settings: SettingsFactory, give: Given
) -> None:
    right = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    async with open_parts(right, service=NAME):
        pass
    key = (right.secrets / "key-encryption-key").read_text()
    async with open_parts(give(right, key), service=NAME):
        pass
