"""Where the brokers of a Kafka lie: in folders of theirs, any of which may be a link."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.local.errors import LocalError

CONFIGURATION: Final = "server.properties"
"""In the folder of each broker."""


def formatted(data: Path) -> bool:
    """Whether a broker's storage is whole."""
    return _description(data).exists()


def cluster_of(data: Path) -> str | None:
    """The id of the cluster that a storage is of; None where it is not formatted."""
    text = _description(data).read_text("utf-8") if formatted(data) else ""
    found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
    return found[1] if found else None


def _description(data: Path) -> Path:
    """What Kafka writes into a storage, last of all."""
    return data / "meta.properties"


def brokers_before(folder: Path) -> int:
    """How many brokers there were; 0 where none was. Several are as many when data or folders of
    theirs are lost or away: fewer would make topics anew with fewer replicas, for good.
    """
    if os.path.lexists(folder / "data"):
        return 1
    folders = [one.name for one in folder.glob("kafka-*") if one.is_dir() or one.is_symlink()]
    numbered = (re.fullmatch(r"kafka-(\d+)", name) for name in folders)
    numbers = [int(found[1]) for found in numbered if found]
    configurations = folder.glob(f"kafka-*/{CONFIGURATION}")
    return max([*numbers, *map(_voters, configurations)], default=0)


def _voters(configuration: Path) -> int:
    """How many brokers a cluster is of, as one of them knows it; 0 where a full disk left nothing
    of what it knew.
    """
    text = configuration.read_text("utf-8")
    found = re.search(r"^controller\.quorum\.voters=(.*)$", text, re.MULTILINE)
    return found[1].count("@") if found else 0


def see_that_disk_is_there(place: Path) -> None:
    """Raises LocalError for a link that leads to nothing: what is made there would be taken for
    what is on the disk, and nobody would find it once that is mounted.
    """
    if place.is_symlink() and not place.exists():
        raise LocalError(
            f"{place} links to {place.readlink()}, which is not there: mount the disk that has it,"
            " or remove the link if it is gone for good, and run this again"
        )


def see_that_it_is_the_disk(kafka: Path, brokers: Sequence[Path]) -> None:
    """Where it ran before: LocalError for a link that leads to nothing of it, as to the empty
    folder where its disk is to be mounted. Who removed a broker's data left its configuration.
    """
    configured = [folder for folder in brokers if (folder / CONFIGURATION).exists()]
    led_astray = [folder for folder in brokers if folder not in configured]
    led_astray += [folder / "data" for folder in brokers if not formatted(folder / "data")]
    for place in led_astray if configured else [kafka, *led_astray]:
        if place.is_symlink():
            raise LocalError(
                f"{place} links to {place.readlink()}, where no Kafka is: mount the disk that has"
                " it, or remove the link if it is gone for good, and run this again"
            )
