"""Where the settings say that key-encryption keys are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from shared.privacy.sealing import KeyWrapper
from shared.privacy.wrapping import KeyEncryptionKey, KeyWrappers, LocalKey
from shared.runtime.key_source import read_key_encryption_keys
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings


@asynccontextmanager
async def open_wrappers(settings: ServiceSettings) -> AsyncIterator[KeyWrappers]:
    """The key-encryption keys of the settings; nothing is read before they are asked for.

    They are read anew whenever one is not known: what comes of a rotation is met while we run.
    """

    async def source() -> Sequence[KeyEncryptionKey]:
        keys = await asyncio.to_thread(read_key_encryption_keys, settings)
        return [LocalKey(key) for key in keys]

    yield KeyWrappers(source)


def in_folder(settings: ServiceSettings) -> bool:
    """Whether they are files in the folder of secrets, where a new one can be made."""
    return settings.key_encryption_key is None and settings.key_encryption_key_command is None


def retire_files(folder: SecretsFolder, retired: Collection[str]) -> list[Path]:
    """Put aside the files of key-encryption keys with these ids; where they are now."""
    return [
        folder.retire_key_encryption_key(name)
        for name, key in folder.key_encryption_keys().items()
        if KeyWrapper(key).id in retired
    ]
