"""A stand-in for HashiCorp Vault: the transit engine, as its HTTP API describes it (version 1).

Only what Steward may use, and that with the same statuses and shapes of answers: a token in
`X-Vault-Token`, base64 of everything, `vault:vN:` before ciphertexts, errors by item in
`batch_results`, 400 where one of them is at fault.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.runtime.http import HttpServer

NONCE_BYTES = 12

Item = Mapping[str, str]


class RefusedError(Exception):
    """The whole request, as Vault refuses it."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.status = status


@dataclass
class StandIn:
    """One mount `transit` with one key `steward`. `fails` answers every request with a status."""

    token: str
    kind: str = "aes256-gcm96"
    versions: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Of each version from 1 its key, and the key of its HMACs."""
    min_decryption_version: int = 1
    min_encryption_version: int = 0
    fails: int | None = None
    answers: Callable[[], Response] | None = None
    asked: list[str] = field(default_factory=list)
    """The paths of all requests, in order."""

    def rotate(self) -> None:
        """As `vault write -f transit/keys/steward/rotate` does."""
        self.versions.append((os.urandom(32), os.urandom(32)))

    def routes(self) -> list[Route]:
        path, methods = "/v1/transit/{operation}/{name}", ["GET", "POST"]
        return [Route(path + end, self.answer, methods=methods) for end in ("", "/sha2-256")]

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.answers is not None:
            return self.answers()
        try:
            if self.fails is not None:
                raise RefusedError(self.fails, "Vault is sealed")
            if request.headers.get("X-Vault-Token") != self.token:
                raise RefusedError(403, "permission denied")
            return await self._work(request)
        except RefusedError as error:
            return JSONResponse({"errors": list(error.args)}, status_code=error.status)

    async def _work(self, request: Request) -> Response:
        operation, name = request.path_params["operation"], request.path_params["name"]
        if request.method == "GET":
            if (operation, name) != ("keys", "steward"):
                raise RefusedError(404)
            return _data(self._key())
        if name != "steward":
            raise RefusedError(400, "encryption key not found")
        body = await request.json()
        if operation == "hmac":
            return _data({"hmac": self._hmac(body)})
        work = {"encrypt": self._encrypt, "decrypt": self._decrypt}[operation]
        results = [work(item, body) for item in body["batch_input"]]
        if not results:
            raise RefusedError(400, "missing batch input to process")
        status = 400 if any("error" in result for result in results) else 200
        return _data({"batch_results": results}, status)

    def _key(self) -> dict[str, Any]:
        return {
            "type": self.kind,
            "derived": False,
            "exportable": False,
            "keys": {str(number): 1_760_000_000 for number in range(1, len(self.versions) + 1)},
            "latest_version": len(self.versions),
            "min_decryption_version": self.min_decryption_version,
            "min_encryption_version": self.min_encryption_version,
            "name": "steward",
            "supports_encryption": True,
            "supports_decryption": True,
        }

    def _hmac(self, body: Mapping[str, Any]) -> str:
        version = self._to_encrypt_with(body)
        digest = hmac.digest(self.versions[version - 1][1], _bytes(body["input"]), "sha256")
        return f"vault:v{version}:{_text(digest)}"

    def _to_encrypt_with(self, body: Mapping[str, Any]) -> int:
        version: int = body.get("key_version") or len(self.versions)
        if version < self.min_encryption_version or version > len(self.versions):
            raise RefusedError(400, "requested version for encryption is not allowed")
        return version

    def _encrypt(self, item: Item, body: Mapping[str, Any]) -> Item:
        version = self._to_encrypt_with(body)
        nonce = os.urandom(NONCE_BYTES)
        key, bound = self.versions[version - 1][0], _bytes(item.get("associated_data", ""))
        sealed = AESGCM(key).encrypt(nonce, _bytes(item["plaintext"]), bound)
        return {"ciphertext": f"vault:v{version}:{_text(nonce + sealed)}"}

    def _decrypt(self, item: Item, _: Mapping[str, Any]) -> Item:
        prefix, _colon, text = item["ciphertext"].rpartition(":")
        if not prefix.startswith("vault:v"):
            return {"error": "invalid ciphertext: no prefix"}
        version = int(prefix.removeprefix("vault:v"))
        if version > len(self.versions):
            return {"error": "invalid ciphertext: version is too new"}
        if version < self.min_decryption_version:
            return {"error": "ciphertext or signature version is disallowed by policy (too old)"}
        content, bound = _bytes(text), _bytes(item.get("associated_data", ""))
        try:
            clear = AESGCM(self.versions[version - 1][0]).decrypt(
                content[:NONCE_BYTES], content[NONCE_BYTES:], bound
            )
        except InvalidTag:
            return {"error": "cipher: message authentication failed"}
        return {"plaintext": _text(clear)}


@asynccontextmanager
async def served(stand_in: StandIn) -> AsyncIterator[str]:
    """Serve it on this machine; its address."""
    server = HttpServer("127.0.0.1", 0, stand_in.routes())
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


def _data(data: Mapping[str, Any], status: int = 200) -> Response:
    return JSONResponse({"request_id": "x", "lease_id": "", "data": data}, status_code=status)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
