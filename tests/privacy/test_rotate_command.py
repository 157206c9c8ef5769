"""`steward keys rotate` as people and programs meet it, and killed at each of its steps."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import orjson
import pytest

from services.cli import keys
from services.cli.keys import rotating
from shared.contract.types import Sealed, SubjectId
from shared.privacy.sealing import KeyWrapper
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.commands import NOWHERE, command
from tests.support.work import NO_KAFKA, Work, at_work

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONTEXT = "event:a"
FIRST, SECOND = "key-encryption-key", "key-encryption-key-2"


@pytest.fixture(autouse=True)
def _empty(connect: Connect) -> None:
    """Each test begins with empty tables."""


@pytest.fixture
def folder(secrets_folder: SecretsFolder, tmp_path: Path) -> SecretsFolder:
    """Secrets that may change: passwords are the server's, keys are this test's."""
    return SecretsFolder(shutil.copytree(secrets_folder.path, tmp_path / "secrets"))


@pytest.fixture
def settings(service_settings: SettingsFactory, folder: SecretsFolder) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA, secrets=folder.path)


@pytest.fixture
async def intake(service_settings: SettingsFactory, folder: SecretsFolder) -> AsyncIterator[Work]:
    settings = service_settings(
        "registration", kafka_bootstrap_servers=NO_KAFKA, secrets=folder.path
    )
    async with at_work(settings, "registration") as work:
        yield work


@pytest.fixture
async def log(settings: ServiceSettings) -> AsyncIterator[Work]:
    async with at_work(settings, "retention") as work:
        yield work


async def seal(intake: Work, email: str = "a@example.org") -> ToOpen:
    privacy = intake.parts.privacy
    async with intake.parts.pool.acquire() as connection:
        (who,) = await privacy.people.identify(connection, [[Alias("email", email)]])
        item = ToSeal(SubjectId(who), "contact", CONTEXT, {"name": "x"})
        (sealed,) = await privacy.seal(connection, [item], at=utc_now())
    return ToOpen(who, "contact", Sealed(sealed or b""))


async def is_readable(intake: Work, value: ToOpen) -> bool:
    async with intake.parts.pool.acquire() as connection:
        (one,) = await intake.parts.privacy.use(connection, "event-arrangement", [value])
    return one is not None


async def recorded(log: Work) -> list[dict[str, object]]:
    rows = await log.rows(
        "select value from outbox where headers ->> 'ce_type' = 'KeysRotated' order by id"
    )
    return [orjson.loads(row["value"]) for row in rows]


async def test_the_next_key_is_made_and_takes_over_while_services_run(
    intake: Work, log: Work, settings: ServiceSettings, folder: SecretsFolder
) -> None:
    (before,) = folder.key_encryption_keys().values()
    value = await seal(intake)
    done = await command(keys.app, settings, "rotate", "--yes", "--json")
    assert done.code == 0, done.err
    ((name, after),) = folder.key_encryption_keys().items()
    (rotated,) = orjson.loads(done.out)["rotated"]
    assert rotated == {
        "key_encryption_key": KeyWrapper(after).id,
        "replaced": KeyWrapper(before).id,
        "keys": 1,
    }
    assert orjson.loads(done.out)["put_aside"] == [str(folder.path / f"retired-{FIRST}")]
    assert (name, "back it up" in done.err) == (SECOND, True)
    (entry,) = await recorded(log)
    assert {name: entry[name] for name in rotated} == rotated
    assert str(entry["actor"]).startswith("cli:")
    folder.check()
    assert await is_readable(intake, value)
    assert await is_readable(intake, await seal(intake))
    again = await command(keys.app, settings, "rotate", "--yes")
    assert again.code == 0, again.err
    assert "1 keys were wrapped anew" in again.out
    assert list(folder.key_encryption_keys()) == [f"{FIRST}-3"]


class KilledError(Exception):
    """The process is gone."""


@pytest.mark.parametrize(
    "step",
    [
        "services.cli.keys.rotating.rewrap",
        "shared.privacy.office.KeysRotated",  # within the transaction that retires and records
        "shared.runtime.secrets.SecretsFolder.retire_key_encryption_key",
    ],
)
async def test_killed_at_any_step_it_is_brought_to_its_end(
    step: str,
    intake: Work,
    log: Work,
    settings: ServiceSettings,
    folder: SecretsFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = await seal(intake)
    folder.new_key_encryption_key()  # as a run left it that was killed before everything

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(step, killed)
        with pytest.raises(KilledError):
            await command(keys.app, settings, "rotate", "--yes")
    assert await is_readable(intake, value)
    value = await seal(intake)
    done = await command(keys.app, settings, "rotate", "--yes")
    assert done.code == 0, done.err
    assert list(folder.key_encryption_keys()) == [SECOND]
    assert len(await recorded(log)) == 1
    assert await is_readable(intake, value)


async def test_a_key_that_was_altered_is_left_and_told_of_and_keeps_no_other_from_being_wrapped(
    intake: Work,
    log: Work,
    settings: ServiceSettings,
    folder: SecretsFolder,
    administrator: Connection,
) -> None:
    """Else one row would keep a key-encryption key in use for good, also one that others know."""
    values = [await seal(intake, f"{number}@example.org") for number in range(5)]
    await administrator.execute(
        "update keyring.data_key set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)"
        " where subject_id = $1",
        values[2].subject_id,
    )
    for _ in range(2):
        done = await command(keys.app, settings, "rotate", "--yes")
        assert (done.code, done.out.count("wrapped anew")) == (1, 0)
        assert "1 keys do not unwrap" in done.err
        assert list(folder.key_encryption_keys()) == [SECOND, FIRST]
        left = "select count(*) from keyring.data_key where kek = $1"
        ids = [KeyWrapper(key).id for key in folder.key_encryption_keys().values()]
        assert [await administrator.fetchval(left, kek) for kek in ids] == [4, 1]
    assert await is_readable(intake, values[0])
    done = await command(
        keys.app, settings, "destroy", "--subject", str(values[2].subject_id), "--yes"
    )
    assert done.code == 0, done.err
    done = await command(keys.app, settings, "rotate", "--yes")
    assert (done.code, "4 keys were wrapped anew" in done.out) == (0, True), done.err
    assert list(folder.key_encryption_keys()) == [SECOND]


async def test_a_machine_that_did_not_rotate_the_last_time_can_rotate_the_next_time(
    intake: Work,
    settings: ServiceSettings,
    folder: SecretsFolder,
    administrator: Connection,
    tmp_path: Path,
) -> None:
    await seal(intake)
    other = SecretsFolder(shutil.copytree(folder.path, tmp_path / "other"))
    there = settings.model_copy(update={"secrets": other.path})
    done = await command(keys.app, settings, "rotate", "--yes")
    assert done.code == 0, done.err
    shutil.copy2(folder.path / SECOND, other.path / SECOND)
    await administrator.execute(
        "update keyring.key_encryption_key set retired_at = retired_at - interval '1 year'"
    )
    done = await command(keys.app, there, "rotate", "--yes", "--json")
    assert done.code == 0, done.err
    (rotated,) = orjson.loads(done.out)["rotated"]
    assert rotated["keys"] == 1
    assert list(other.key_encryption_keys()) == [f"{FIRST}-3"]
    aside = {str(other.path / f"retired-{name}") for name in (FIRST, SECOND)}
    assert set(orjson.loads(done.out)["put_aside"]) == aside


async def test_a_machine_that_did_not_rotate_just_now_puts_the_old_key_aside_and_says_so(
    intake: Work, log: Work, settings: ServiceSettings, folder: SecretsFolder, tmp_path: Path
) -> None:
    await seal(intake)
    other = SecretsFolder(shutil.copytree(folder.path, tmp_path / "other"))
    there = settings.model_copy(update={"secrets": other.path})
    await command(keys.app, settings, "rotate", "--yes")
    shutil.copy2(folder.path / SECOND, other.path / SECOND)
    done = await command(keys.app, there, "rotate", "--yes")
    assert (done.code, rotating.ENDED in done.out) == (0, True), done.err
    assert list(other.key_encryption_keys()) == [SECOND]
    assert len(await recorded(log)) == 1


async def test_keys_from_elsewhere_are_rotated_to_the_newest_that_is_given(
    intake: Work, settings: ServiceSettings, folder: SecretsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seal(intake)
    (key,) = folder.key_encryption_keys().values()
    monkeypatch.setenv("STEWARD_KEY_ENCRYPTION_KEY", key.hex())
    done = await command(keys.app, settings, "rotate", "--yes")
    assert (done.code, rotating.NO_NEWER in done.err) == (1, True)
    monkeypatch.setenv("STEWARD_KEY_ENCRYPTION_KEY", f"{'ab' * 32} {key.hex()}")
    done = await command(keys.app, settings, "rotate", "--yes")
    assert (done.code, "1 keys were wrapped anew" in done.out) == (0, True), done.err
    for given in ("ab" * 32, f"{key.hex()} {'ab' * 32}"):
        monkeypatch.setenv("STEWARD_KEY_ENCRYPTION_KEY", given)
        done = await command(keys.app, settings, "rotate", "--yes")
        assert (done.code, rotating.NO_NEWER in done.err) == (1, True)
    assert list(folder.key_encryption_keys()) == [FIRST]


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 1)])
async def test_it_is_confirmed(
    intake: Work,
    log: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    await seal(intake)
    monkeypatch.setattr(rotating, "see_that_somebody_is_asked", lambda **_: None)
    done = await command(keys.app, settings, "rotate", given=f"{typed}\n")
    assert done.code == code
    assert len(await recorded(log)) == (0 if code else 1)


async def test_wrong_arguments_exit_with_2() -> None:
    for arguments in ((), ("--json",)):
        done = await command(keys.app, NOWHERE, "rotate", *arguments)
        assert (done.code, "--yes" in done.err) == (2, True)
    done = await command(keys.app, NOWHERE, "rotate", "--help")
    assert (done.code, "Example" in done.out) == (0, True)
