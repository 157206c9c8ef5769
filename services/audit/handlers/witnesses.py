"""Asks witnesses to cosign what is published, beside everything else: the log waits for none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import structlog
from prometheus_client import Gauge

from services.audit.domain.checkpoints import parse_checkpoint
from services.audit.domain.notes import (
    Kind,
    Note,
    NoteError,
    Signature,
    VerifierKey,
    parse_note,
    parse_verifier_key,
)
from services.audit.domain.witness import ADD_CHECKPOINT, CONFLICT, Submission
from services.audit.handlers.prove import ProveError, prove_consistency
from services.audit.settings import Settings
from services.audit.store.folder import CHECKPOINT, FolderError, TileFolder
from services.audit.store.sources import PublishedLog, folder_log
from services.audit.store.web import Answer, Site, WebError
from shared.runtime.settings import SettingsError

TRY_AGAIN_S: Final = 10.0
"""After a witness was away or refused."""

ASK_WITHIN_S: Final = 4.0
_OK: Final = 200

BEHIND: Final = Gauge(
    "steward_audit_witness_behind",
    "1 while the newest published checkpoint is not cosigned by this witness, else 0.",
    ["witness"],
)

_log = structlog.get_logger(__name__)


class UnwillingError(Exception):
    """The witness does not cosign; the text says why."""


class WitnessClient:
    """One witness, as this log sees it. Blocks; for one thread at a time."""

    def __init__(self, key: VerifierKey, site: Site, log: PublishedLog) -> None:
        self.key = key
        self._site = site
        self._log = log
        self._old = 0

    def ask(self, note: Note) -> Signature:
        """Its cosignature of a published checkpoint. Raises `UnwillingError`, and FolderError.

        It says itself what it has where that is not what was thought; then it is asked once more.
        """
        with closing(self._site):
            return self._ask(note, parse_checkpoint(note.text).size)

    def _ask(self, note: Note, size: int) -> Signature:
        answer = self._submit(note, min(self._old, size), size)
        if answer.status == CONFLICT:
            answer = self._submit(note, _size_in(answer.body, size), size)
        if answer.status != _OK:
            raise UnwillingError(f"it answered {answer.status}")
        signature = self._signature(note, answer.body)
        self._old = size
        return signature

    def _submit(self, note: Note, old: int, size: int) -> Answer:
        try:
            proof = prove_consistency(self._log, old, size)
            body = Submission(old, tuple(proof), note).encode()
            return self._site.request("POST", ADD_CHECKPOINT, body)
        except (WebError, ProveError) as error:
            raise UnwillingError(str(error)) from None

    def _signature(self, note: Note, body: bytes) -> Signature:
        try:
            lines = parse_note(note.text.encode() + b"\n" + body).signatures
            for one in lines:
                if self.key.is_named_by(one):
                    self.key.verify(note.text, one)
                    return one
        except NoteError as error:
            raise UnwillingError(f"its answer is no signature: {error}") from None
        raise UnwillingError("its answer has no signature with its key")


def _size_in(body: bytes, size: int) -> int:
    text = body.strip()
    if not text.isdigit() or len(text) > 19:
        raise UnwillingError("its answer 409 has no size")
    old = int(text)
    if old > size:
        # What is published never shrinks, so somebody has shown it more of this log.
        raise UnwillingError(f"it has seen {old:,} entries of this log, which has {size:,}")
    return old


class Cosigner:
    """Asks each witness in a thread of its own, and adds what they gave to what is published.

    `step` is called by the one that publishes, and by nobody else. One that was stopped, and wakes
    up when somebody else has published more, overwrites nothing: the checkpoint is read once more.
    """

    def __init__(self, clients: Sequence[WitnessClient], folder: TileFolder) -> None:
        self._clients = clients
        self._folder = folder
        self._asked: dict[str, asyncio.Task[Signature]] = {}
        self._not_before: dict[str, float] = {}
        self._away: set[str] = set()

    async def step(self) -> None:
        """Take what has come, and ask whoever has not signed the newest. Raises FolderError."""
        published = self._folder.checkpoint() if self._clients else None
        if published is None:
            return
        note = parse_note(published)
        came = [one for client in self._clients if (one := self._taken(client, note)) is not None]
        more = note.signed_also(*came)
        if more != note:
            if self._folder.checkpoint() != published:
                return
            self._folder.write({CHECKPOINT: more.encode()})
        for client in self._clients:
            missing = not any(map(client.key.is_named_by, more.signatures))
            BEHIND.labels(client.key.name).set(missing)
            if missing:
                self._ask(client, note)

    def leave(self) -> None:
        """Somebody else may publish from now on, and alone knows what witnesses have signed."""
        BEHIND.clear()

    def _ask(self, client: WitnessClient, note: Note) -> None:
        name = client.key.name
        now = asyncio.get_running_loop().time()
        if name in self._asked or now < self._not_before.get(name, now):
            return
        self._asked[name] = asyncio.create_task(asyncio.to_thread(client.ask, note))

    def _taken(self, client: WitnessClient, note: Note) -> Signature | None:
        """What the witness gave, where it is of the newest checkpoint."""
        name = client.key.name
        task = self._asked.get(name)
        if task is None or not task.done():
            return None
        del self._asked[name]
        try:
            signature = task.result()
            client.key.verify(note.text, signature)
        except (UnwillingError, FolderError) as error:
            self._tell(name, str(error))
            return None
        except NoteError:
            # The log has grown meanwhile: it is asked again.
            return None
        self._away.discard(name)
        return signature

    def _tell(self, name: str, why: str) -> None:
        loop = asyncio.get_running_loop()
        self._not_before[name] = loop.time() + TRY_AGAIN_S
        if name not in self._away:
            self._away.add(name)
            _log.warning("a witness does not cosign", witness=name, why=why)


def cosigner(settings: Settings) -> Cosigner:
    """The witnesses that the settings name. Raises SettingsError."""
    folder = settings.published_folder
    log = folder_log(folder)
    clients = []
    for key, url in witnesses_of(settings):
        try:
            clients.append(WitnessClient(key, Site(url, ASK_WITHIN_S), log))
        except WebError as error:
            raise SettingsError(f"STEWARD_AUDIT_WITNESSES: {error}") from None
    return Cosigner(clients, TileFolder(folder))


def witnesses_of(settings: Settings) -> list[tuple[VerifierKey, str]]:
    """Keys and addresses of the witnesses. Raises SettingsError."""
    found = []
    for entry in filter(None, (part.strip() for part in settings.audit_witnesses.split(","))):
        key, _, url = entry.partition(" ")
        try:
            found.append((parse_verifier_key(key), url.strip()))
        except NoteError as error:
            raise SettingsError(f"STEWARD_AUDIT_WITNESSES: {error}") from None
        if found[-1][0].kind is not Kind.COSIGNATURE:
            raise SettingsError(
                "STEWARD_AUDIT_WITNESSES: a key is no witness's; `steward audit witness` prints it"
            )
    return found
