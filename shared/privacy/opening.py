"""Opens one value with the keys of its batch. Pure, and used by the two doors alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from pydantic import JsonValue

from shared.privacy.errors import NotGrantedError, SealError
from shared.privacy.keyring import OpeningKey
from shared.privacy.sealing import key_id_of, open_bytes
from shared.privacy.values import ToOpen


@dataclass(frozen=True, slots=True)
class Opened:
    """A value in clear, and the data key that opened it."""

    content: Mapping[str, JsonValue] = field(repr=False)
    key: bytes = field(repr=False)


def open_item(keys: Mapping[bytes, OpeningKey], item: ToOpen) -> Opened | None:
    """The value; None where its key is destroyed.

    NotGrantedError where the keyring gave no key; SealError where the value is another person's,
    of another category, or altered.
    """
    found = keys.get(key_id_of(item.sealed))
    if found is None:
        raise NotGrantedError(
            f"the keyring gives no key for a value of category {item.category!r}: either it is not"
            " granted to this role for this purpose, or the keyring is older than the data"
        )
    if found.subject_id != item.subject_id or found.category != item.category:
        raise SealError(f"a value of category {item.category!r} belongs elsewhere")
    if found.key is None:
        return None
    return Opened(orjson.loads(open_bytes(found.key, item.sealed)), found.key.key)
