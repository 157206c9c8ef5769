"""Key-encryption keys that never leave HashiCorp Vault: its transit secrets engine, over HTTP.

Each version of one named key is a key-encryption key. The interface is Vault's public HTTP API,
version 1 (https://developer.hashicorp.com/vault/api-docs/secret/transit): `keys`, `hmac`,
`encrypt` and `decrypt` with `batch_input`.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from shared.privacy.errors import KeyUnavailableError, SealError
from shared.privacy.wrapping import BoundKey, KeyEncryptionKey, PlainKey
from shared.runtime.secrets import SecretsError, read_secret

TIMEOUT_S: Final = 10.0

_KINDS: Final = frozenset({"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"})
"""Types of keys with associated data, by which a data key is bound to its id."""

_BOUND: Final = b"steward data key"
_ID_INPUT: Final = b"steward key-encryption key"
_ID_BYTES: Final = 16

_TOO_MANY_REQUESTS: Final = 429
_NOT_YET: Final = frozenset({412, _TOO_MANY_REQUESTS, 472, 473})
"""Besides 5xx: a node that lags behind, a rate limit, nodes that only stand by."""

_UNANSWERED: Final = "waits for the key-encryption key: Vault left a part unanswered"

_REMEDIES: Final = {
    400: "does a key of this name exist there, and is no version of it shut off?",
    403: "is the token in STEWARD_VAULT_TOKEN_FILE valid, and does its policy allow this path?",
    404: "is there such a key, and is the engine mounted where STEWARD_VAULT_KEY says?",
}

_VERSION_REMEDIES: Final = {
    "disallowed by policy": (
        "shuts off a version that wraps keys; lower its min_decryption_version"
    ),
    "version is too new": (
        "does not have a version yet that wraps keys: a node lags behind, or was restored from an"
        " older backup"
    ),
}
"""By what Vault says of an item of which only the version is at fault."""


class Place(NamedTuple):
    """Where a key is: `transit/steward` is the key `steward` of the engine at `transit`."""

    mount: str
    name: str

    @classmethod
    def of(cls, text: str) -> Place:
        mount, _, name = text.rpartition("/")
        return cls(mount, name)


class Transit:
    """One named key of Vault. Safe to use from many tasks."""

    def __init__(self, client: httpx2.AsyncClient, place: Place, token_file: Path) -> None:
        self._client = client
        self._place = place
        self._token_file = token_file
        self._ids: dict[int, str] = {}

    async def read(self) -> Sequence[KeyEncryptionKey]:
        """Its versions that may be used, the newest first.

        SecretsError where Vault refuses, or the key is none that can be used here;
        KeyUnavailableError where Vault is away.
        """
        found = await self._ask("GET", "keys")
        kind = found.get("type")
        if kind not in _KINDS or found.get("derived"):
            raise SecretsError(
                f"{self._url('keys')}: a key of type {kind} cannot wrap keys: make one of type"
                f" {', '.join(sorted(_KINDS))}, without derivation"
            )
        lowest = max(found.get("min_decryption_version", 1), found.get("min_encryption_version", 0))
        usable = [number for number in map(int, found.get("keys", ())) if number >= lowest]
        if not usable:
            raise SecretsError(f"{self._url('keys')}: no version of it may encrypt and decrypt")
        return [
            VaultKey(self, number, await self._id(number))
            for number in sorted(usable, reverse=True)
        ]

    async def _id(self, version: int) -> str:
        """Derived from the key of the version, and so another key has another one."""
        if version not in self._ids:
            asked = {"input": _to_base64(_ID_INPUT), "key_version": version}
            found = await self._ask("POST", "hmac", asked, "/sha2-256")
            digest = base64.b64decode(found["hmac"].rpartition(":")[2], validate=True)
            self._ids[version] = digest[:_ID_BYTES].hex()
        return self._ids[version]

    async def batch(
        self, operation: str, items: Sequence[Mapping[str, str]], **asked: object
    ) -> list[Mapping[str, str]]:
        """What became of each item. KeyUnavailableError for whatever is not the item's own fault:
        a token that is not valid any more is mended by an operator, and no message is to blame.
        """
        if not items:
            return []
        try:
            found = await self._ask("POST", operation, {"batch_input": items, **asked})
        except SecretsError as error:
            raise KeyUnavailableError(f"waits for the key-encryption key: {error}") from None
        results: list[Mapping[str, str]] = found.get("batch_results", [])
        if len(results) != len(items):
            raise KeyUnavailableError(_UNANSWERED)
        return results

    async def _ask(
        self,
        method: str,
        operation: str,
        body: Mapping[str, object] | None = None,
        suffix: str = "",
    ) -> Mapping[str, Any]:
        """The `data` of an answer."""
        url = self._url(operation) + suffix
        token = read_secret(self._token_file, "name it in STEWARD_VAULT_TOKEN_FILE")
        try:
            answer = await self._client.request(
                method, url, json=body, headers={"X-Vault-Token": token}
            )
        except httpx2.RequestError as error:
            raise KeyUnavailableError(
                "waits for the key-encryption key: Vault cannot be reached"
                f" ({type(error).__name__})"
            ) from None
        status = answer.status_code
        if status in _NOT_YET or answer.is_server_error:
            raise KeyUnavailableError(
                f"waits for the key-encryption key: Vault is not able to answer ({status})"
            )
        data = _data(answer)
        # Items at fault make an answer a bad request, which still says what became of each.
        if (answer.is_success and data) or "batch_results" in data:
            return data
        remedy = _REMEDIES.get(status, "is this Vault? See STEWARD_VAULT_ADDRESS")
        raise SecretsError(f"Vault answered {status} to {method} {url}: {remedy}")

    def _url(self, operation: str) -> str:
        return f"/v1/{self._place.mount}/{operation}/{self._place.name}"


class VaultKey:
    """One version of a key of Vault, as a key-encryption key."""

    def __init__(self, transit: Transit, version: int, kek: str) -> None:
        self._transit = transit
        self._version = version
        self.id = kek

    async def wrap(self, keys: Sequence[PlainKey]) -> list[bytes]:
        items = [{"plaintext": _to_base64(key.key), **_bound_to(key.id)} for key in keys]
        results = await self._transit.batch("encrypt", items, key_version=self._version)
        return [_wrapped(result) for result in results]

    async def unwrap(self, keys: Sequence[BoundKey]) -> list[bytes]:
        items = [
            # What is no text of Vault's, it refuses as such.
            {"ciphertext": key.wrapped.decode("ascii", "replace"), **_bound_to(key.id)}
            for key in keys
        ]
        return [_opened(result) for result in await self._transit.batch("decrypt", items)]


@asynccontextmanager
async def open_transit(address: str, place: Place, token_file: Path) -> AsyncIterator[Transit]:
    """A key of the Vault at this address; nothing is asked before it is needed.

    The token is read from its file with each request: who renews it writes it there. Certificates
    are checked against those of the system (SSL_CERT_FILE names others); no redirection is followed
    and no proxy asked, which would see the token.
    """
    async with httpx2.AsyncClient(
        base_url=address,
        timeout=TIMEOUT_S,
        verify=ssl.create_default_context(),
        trust_env=False,
    ) as client:
        yield Transit(client, place, token_file)


def _data(answer: httpx2.Response) -> Mapping[str, Any]:
    """Nothing, where it is not an answer of Vault's."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, dict) else {}


def _bound_to(key_id: bytes) -> Mapping[str, str]:
    return {"associated_data": _to_base64(_BOUND + key_id)}


def _wrapped(result: Mapping[str, str]) -> bytes:
    if "ciphertext" not in result:
        raise KeyUnavailableError(_UNANSWERED)
    return result["ciphertext"].encode("ascii")


def _opened(result: Mapping[str, str]) -> bytes:
    error = result.get("error")
    for words, remedy in _VERSION_REMEDIES.items():
        if error and words in error:
            raise KeyUnavailableError(f"waits for the key-encryption key: Vault {remedy}")
    if error:
        raise SealError("a data key does not unwrap: it was altered or is another's")
    if "plaintext" not in result:
        raise KeyUnavailableError(_UNANSWERED)
    return base64.b64decode(result["plaintext"], validate=True)


def _to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
