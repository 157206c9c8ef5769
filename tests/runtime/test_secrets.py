"""The folder of secrets is made once, never completed later, and read by its owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shared.runtime.secrets import KEYS, SUPPRESSION_PEPPER, SecretsError, SecretsFolder


@pytest.fixture
def folder(tmp_path: Path) -> SecretsFolder:
    made = SecretsFolder(tmp_path / "deep" / "secrets")
    made.create()
    return made


def test_keys_are_32_bytes_and_all_different(folder: SecretsFolder) -> None:
    keys = [
        *folder.key_encryption_keys().values(),
        *folder.peppers(),
        bytes.fromhex((folder.path / SUPPRESSION_PEPPER).read_text("ascii")),
        folder.reference_key(),
        folder.inbox_key(),
        folder.audit_signing_key(),
    ]
    assert {len(key) for key in keys} == {32}
    assert len(set(keys)) == len(KEYS)


def test_nobody_else_can_read_it(folder: SecretsFolder) -> None:
    folder.create_database_passwords(["audit"])
    for path in (folder.path, *folder.path.rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted


def test_creating_again_changes_nothing(folder: SecretsFolder) -> None:
    folder.create_database_passwords(["audit"])
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    folder.create()
    folder.create_database_passwords(["audit"])
    assert before == {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", KEYS)
def test_a_lost_key_is_an_error_and_not_a_new_key(folder: SecretsFolder, name: str) -> None:
    (folder.path / name).unlink()
    with pytest.raises(SecretsError, match="restore"):
        folder.create()
    assert not (folder.path / name).exists()


def make_older(folder: SecretsFolder) -> None:
    """As the first release left it."""
    (folder.path / "audit-signing-key").unlink()
    (folder.path / ".format").unlink()


def test_a_folder_of_an_earlier_release_gets_the_key_that_came_later_and_keeps_the_others(
    folder: SecretsFolder,
) -> None:
    make_older(folder)
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    for use in (folder.check, folder.audit_signing_key):
        with pytest.raises(SecretsError, match="run `steward init`"):
            use()
    folder.create()
    assert len(folder.audit_signing_key()) == 32
    assert before == {path: path.read_bytes() for path in before}


def test_a_key_that_was_added_before_the_folder_said_so_is_kept(folder: SecretsFolder) -> None:
    key = folder.audit_signing_key()
    (folder.path / ".format").unlink()
    folder.create()
    assert folder.audit_signing_key() == key


def test_a_folder_says_by_a_number_what_it_has(folder: SecretsFolder) -> None:
    (folder.path / ".format").write_text("two", "ascii")
    with pytest.raises(SecretsError, match="not a number"):
        folder.create()


def test_a_creation_that_was_cut_off_is_finished_by_the_next(folder: SecretsFolder) -> None:
    (folder.path / ".unfinished").touch(mode=0o600)
    (folder.path / KEYS[0]).unlink()
    with pytest.raises(SecretsError, match="unfinished"):
        folder.check()
    folder.create()
    assert len(folder.key_encryption_keys()) == 1


@pytest.mark.parametrize("text", ["", "too short", "00" * 31, "zz" * 32, "ä"])
def test_a_damaged_key_is_refused_without_showing_it(folder: SecretsFolder, text: str) -> None:
    (folder.path / "inbox-key").write_text(text, "utf-8")
    with pytest.raises(SecretsError) as caught:
        folder.inbox_key()
    assert "inbox-key" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_what_others_can_read_is_refused_with_the_remedy(folder: SecretsFolder) -> None:
    (folder.path / "inbox-key").chmod(0o644)
    with pytest.raises(SecretsError, match="chmod 600"):
        folder.inbox_key()
    folder.path.chmod(0o750)
    with pytest.raises(SecretsError, match="chmod 700"):
        folder.check()


def test_the_newest_pepper_comes_first(folder: SecretsFolder) -> None:
    newest = folder.path / "pepper-10"
    newest.write_text("10" * 32, "ascii")
    newest.chmod(0o600)
    assert [pepper[0] for pepper in folder.peppers()][:1] == [0x10]
    assert len(folder.peppers()) == 2


def test_a_folder_that_was_never_made_says_what_to_do(tmp_path: Path) -> None:
    missing = SecretsFolder(tmp_path / "missing")
    with pytest.raises(SecretsError, match="steward init"):
        missing.check()
    with pytest.raises(SecretsError, match="steward init"):
        missing.peppers()


def test_a_password_that_is_not_there_says_what_to_do(folder: SecretsFolder) -> None:
    with pytest.raises(SecretsError, match="steward migrate"):
        folder.database_password("audit")


def test_a_name_cannot_lead_out_of_the_folder(folder: SecretsFolder) -> None:
    with pytest.raises(ValueError, match="name of a service"):
        folder.database_password("../inbox-key")


def test_key_encryption_keys_are_numbered_and_the_newest_is_first(folder: SecretsFolder) -> None:
    (first,) = folder.key_encryption_keys()
    made = [folder.new_key_encryption_key() for _ in range(9)]
    names = list(folder.key_encryption_keys())
    assert names == [*reversed(made), first]
    assert names[0] == "key-encryption-key-10"
    assert len(set(folder.key_encryption_keys().values())) == 10


def test_a_key_encryption_key_that_is_retired_is_read_no_more(folder: SecretsFolder) -> None:
    (first,) = folder.key_encryption_keys()
    second = folder.new_key_encryption_key()
    put_aside = folder.retire_key_encryption_key(first)
    assert put_aside.exists()
    assert list(folder.key_encryption_keys()) == [second]
    folder.check()
    folder.create()
    assert list(folder.key_encryption_keys()) == [second]
    folder.retire_key_encryption_key(second)
    with pytest.raises(SecretsError, match="cannot read"):
        folder.check()


def test_a_key_that_was_made_or_put_aside_is_so_after_a_power_failure(
    folder: SecretsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk of a folder is what it held when it was synced."""
    on_disk: set[str] = set()

    def sync(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), folder.path.stat()):
            on_disk.update(file.name for file in folder.path.iterdir())

    monkeypatch.setattr(os, "fsync", sync)
    assert folder.new_pepper() in on_disk
    assert folder.new_key_encryption_key() in on_disk
    assert folder.retire_key_encryption_key("key-encryption-key").name in on_disk
