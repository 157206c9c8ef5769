"""The order in which many requests are handled at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def waves(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Cut items into waves in which no key comes twice; those of one key keep their order."""
    cut: list[list[T]] = []
    seen: dict[Hashable, int] = {}
    for item in items:
        wave = seen.get(key(item), 0)
        seen[key(item)] = wave + 1
        if wave == len(cut):
            cut.append([])
        cut[wave].append(item)
    return cut
