"""A key-encryption key that never leaves Vault, against a stand-in of its public API."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse

from services.cli import keys
from services.cli.keys import rotating
from shared.contract.types import SubjectId
from shared.privacy.errors import KeyUnavailableError, SealError
from shared.privacy.values import ToOpen, ToSeal
from shared.privacy.vault import Place, Transit, open_transit
from shared.privacy.wrapping import BoundKey, KeyEncryptionKey, LocalKey, PlainKey
from shared.runtime.clock import utc_now
from shared.runtime.database import is_transient
from shared.runtime.secrets import SecretsError
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.commands import NOWHERE, command
from tests.support.vault import StandIn, served
from tests.support.work import NO_KAFKA, Work, at_work

PLACE = Place.of("transit/steward")


@pytest.fixture
def stand_in() -> StandIn:
    made = StandIn(secrets.token_urlsafe(16))
    made.rotate()
    return made


@dataclass(frozen=True)
class Token:
    """A token in a file that nobody else may read."""

    file: Path

    def write(self, text: str) -> None:
        self.file.touch(mode=0o600)
        self.file.write_text(text)


@pytest.fixture
def token(tmp_path: Path, stand_in: StandIn) -> Token:
    made = Token(tmp_path / "vault-token")
    made.write(stand_in.token)
    return made


@pytest.fixture
async def transit(stand_in: StandIn, token: Token) -> AsyncIterator[Transit]:
    async with client_of(stand_in) as client:
        yield Transit(client, PLACE, token.file)


def client_of(stand_in: StandIn) -> httpx2.AsyncClient:
    """Requests without a network between."""
    transport = httpx2.ASGITransport(Starlette(routes=stand_in.routes()))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


def plain(number: int) -> list[PlainKey]:
    return [PlainKey(os.urandom(16), os.urandom(32)) for _ in range(number)]


def bound(keys: Sequence[PlainKey], wrapped: Sequence[bytes]) -> list[BoundKey]:
    return [BoundKey(key.id, one) for key, one in zip(keys, wrapped, strict=True)]


@pytest.fixture(params=["in memory", "in Vault"])
async def key(request: pytest.FixtureRequest, transit: Transit) -> KeyEncryptionKey:
    """Whatever is a key-encryption key passes the tests that use this."""
    return LocalKey(os.urandom(32)) if request.param == "in memory" else (await transit.read())[0]


async def test_what_was_wrapped_unwraps_in_the_order_of_what_was_asked(
    key: KeyEncryptionKey,
) -> None:
    keys = plain(20)
    wrapped = await key.wrap(keys)
    assert await key.unwrap(bound(keys, wrapped)[::-1]) == [one.key for one in keys][::-1]
    assert len(set(wrapped)) == 20
    assert not any(one.key in text for one, text in zip(keys, wrapped, strict=True))
    assert await key.wrap([]) == await key.unwrap([]) == []


@pytest.mark.parametrize("fault", ["moved", "altered", "none"])
async def test_what_was_altered_or_is_anothers_is_refused(
    key: KeyEncryptionKey, fault: str
) -> None:
    keys = plain(3)
    wrapped = await key.wrap(keys)
    if fault == "moved":
        wrapped = wrapped[::-1]
    elif fault == "altered":
        wrapped[1] = wrapped[1][:-8] + wrapped[0][-8:]
    else:
        wrapped[1] = b"\xff nothing of ours"
    with pytest.raises(SealError):
        await key.unwrap(bound(keys, wrapped))


async def test_each_version_has_an_id_of_its_own_and_the_newest_is_first(
    stand_in: StandIn, transit: Transit
) -> None:
    (first,) = await transit.read()
    stand_in.rotate()
    second, again = await transit.read()
    assert (again.id, len(first.id)) == (first.id, 32)
    assert second.id != first.id
    keys = plain(2)
    assert all(one.startswith(b"vault:v1:") for one in await again.wrap(keys))
    assert all(one.startswith(b"vault:v2:") for one in await second.wrap(keys))
    stand_in.min_decryption_version = 2
    assert [one.id for one in await transit.read()] == [second.id]


async def test_a_batch_is_one_request(stand_in: StandIn, transit: Transit) -> None:
    (key,) = await transit.read()
    stand_in.asked.clear()
    keys = plain(1_000)
    await key.unwrap(bound(keys, await key.wrap(keys)))
    assert stand_in.asked == ["/v1/transit/encrypt/steward", "/v1/transit/decrypt/steward"]


@pytest.mark.parametrize("status", [429, 473, 500, 503])
async def test_vault_that_cannot_answer_is_waited_for(
    stand_in: StandIn, transit: Transit, status: int
) -> None:
    (key,) = await transit.read()
    stand_in.fails = status
    for work in (key.wrap(plain(1)), key.unwrap([BoundKey(b"", b"")]), transit.read()):
        with pytest.raises(KeyUnavailableError, match=f"Vault is not able to answer .{status}"):
            await work


async def test_vault_that_is_gone_is_waited_for(token: Token) -> None:
    async with open_transit("http://127.0.0.1:1", PLACE, token.file) as transit:
        with pytest.raises(KeyUnavailableError, match="Vault cannot be reached") as caught:
            await transit.read()
    assert is_transient(caught.value)


async def test_a_token_that_is_not_valid_is_told_at_the_start_and_waited_for_later(
    stand_in: StandIn, transit: Transit, token: Token
) -> None:
    (key,) = await transit.read()
    token.write("another-token")
    with pytest.raises(SecretsError, match=r"403.*STEWARD_VAULT_TOKEN_FILE valid"):
        await transit.read()
    for work in (key.wrap(plain(1)), key.unwrap([BoundKey(b"", b"")])):
        with pytest.raises(KeyUnavailableError, match="STEWARD_VAULT_TOKEN_FILE") as caught:
            await work
        assert "another-token" not in str(caught.value)
    token.write(stand_in.token)  # as an agent renews it
    assert len(await key.wrap(plain(1))) == 1


async def test_a_token_that_others_may_read_is_refused(transit: Transit, token: Token) -> None:
    token.file.chmod(0o644)
    with pytest.raises(SecretsError, match="chmod 600"):
        await transit.read()


async def test_a_key_that_cannot_be_used_is_refused(
    stand_in: StandIn, token: Token, transit: Transit
) -> None:
    async with client_of(stand_in) as client:
        other = Transit(client, Place.of("transit/other"), token.file)
        with pytest.raises(SecretsError, match=r"404.*STEWARD_VAULT_KEY"):
            await other.read()
    stand_in.kind = "rsa-2048"
    with pytest.raises(SecretsError, match="of type rsa-2048 cannot wrap keys"):
        await transit.read()
    stand_in.kind = "aes256-gcm96"
    stand_in.min_decryption_version = 2
    with pytest.raises(SecretsError, match="no version"):
        await transit.read()


async def test_what_is_not_vault_is_refused(stand_in: StandIn, transit: Transit) -> None:
    stand_in.answers = lambda: PlainTextResponse("welcome")
    with pytest.raises(SecretsError, match=r"is this Vault\? See STEWARD_VAULT_ADDRESS"):
        await transit.read()


@pytest.mark.parametrize("results", [[], [{}], [{"ciphertext": "x"}, {"ciphertext": "y"}]])
async def test_an_answer_that_lacks_something_is_asked_for_again(
    stand_in: StandIn, transit: Transit, results: list[object]
) -> None:
    (key,) = await transit.read()
    stand_in.answers = lambda: JSONResponse({"data": {"batch_results": results}})
    for work in (key.wrap(plain(1)), key.unwrap([BoundKey(b"", b"")])):
        with pytest.raises(KeyUnavailableError, match="left a part unanswered"):
            await work


async def test_a_version_that_was_shut_off_too_early_is_no_fault_of_the_data(
    stand_in: StandIn, transit: Transit
) -> None:
    (key,) = await transit.read()
    keys = plain(2)
    wrapped = await key.wrap(keys)
    stand_in.rotate()
    stand_in.min_decryption_version = stand_in.min_encryption_version = 2
    with pytest.raises(KeyUnavailableError, match="min_decryption_version"):
        await key.unwrap(bound(keys, wrapped))
    with pytest.raises(KeyUnavailableError, match="no version of it shut off"):
        await key.wrap(keys)


async def test_a_version_that_a_node_does_not_have_yet_is_no_fault_of_the_data(
    stand_in: StandIn, transit: Transit
) -> None:
    stand_in.rotate()
    newest, _ = await transit.read()
    keys = plain(2)
    wrapped = await newest.wrap(keys)
    stand_in.versions.pop()
    with pytest.raises(KeyUnavailableError, match="does not have a version yet"):
        await newest.unwrap(bound(keys, wrapped))


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("https://vault.example.org:8200/", True),
        ("http://localhost:8200", True),
        ("http://vault.example.org:8200", False),
        ("https://token@vault.example.org", False),
        ("vault.example.org", False),
    ],
)
def test_data_keys_go_to_another_machine_only_by_tls(address: str, *, fits: bool) -> None:
    values = NOWHERE.model_dump() | {"vault_address": address}
    if fits:
        assert ServiceSettings.model_validate(values).vault_address == address.rstrip("/")
    else:
        with pytest.raises(ValidationError, match="http:// only for this machine"):
            ServiceSettings.model_validate(values)


async def test_a_service_and_a_rotation_work_with_keys_in_vault(
    stand_in: StandIn,
    token: Token,
    connect: Connect,
    service_settings: SettingsFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, object] = {"kafka_bootstrap_servers": NO_KAFKA}
    async with at_work(service_settings("registration", **given), "registration") as work:
        before = await seal(work)  # under the key in the folder
    async with served(stand_in) as address:
        given |= {"vault_address": address, "vault_token_file": token.file}
        for name in ("vault_address", "vault_token_file"):
            monkeypatch.setenv(f"STEWARD_{name.upper()}", str(given[name]))
        settings = service_settings("retention", **given)
        async with at_work(service_settings("registration", **given), "registration") as work:
            await rotate(work, settings, stand_in, before)


async def rotate(work: Work, settings: ServiceSettings, stand_in: StandIn, before: ToOpen) -> None:
    """Into Vault, and to its next version, while a service runs."""
    values = [before]
    for keys_before in (2, 4):
        values.append(await seal(work))
        done = await command(keys.app, settings, "rotate", "--yes")
        assert (done.code, f"{keys_before} keys were wrapped anew" in done.out) == (0, True), (
            done.err
        )
        values.append(await seal(work))
        done = await command(keys.app, settings, "rotate", "--yes")
        assert (done.code, rotating.NO_NEWER in done.err) == (1, True)
        stand_in.rotate()
    async with work.parts.pool.acquire() as connection:
        opened = await work.parts.privacy.use(connection, "event-arrangement", values)
    assert None not in opened
    done = await command(keys.app, settings, "check")
    assert done.code == 0, done.out


async def seal(work: Work) -> ToOpen:
    item = ToSeal(SubjectId(uuid4()), "contact", "event:a", {"name": "x"})
    async with work.parts.pool.acquire() as connection:
        (sealed,) = await work.parts.privacy.seal(connection, [item], at=utc_now())
    assert sealed is not None
    return ToOpen(item.subject_id, "contact", sealed)
