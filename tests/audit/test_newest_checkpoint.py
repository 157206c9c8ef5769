"""What everybody is shown as the newest checkpoint: it never becomes a smaller one."""

from __future__ import annotations

from services.audit.domain.checkpoints import Checkpoint
from services.audit.domain.growth import Signed
from services.audit.domain.notes import SigningKey
from services.audit.domain.tiles import Tile
from services.audit.handlers.identity import signing_key
from services.audit.handlers.publish import MOST_CHECKPOINTS, Step
from services.audit.handlers.tiles import TileWriter
from services.audit.store.folder import CHECKPOINT
from tests.audit.test_publishing import assert_whole, newest
from tests.support.facts import Facts
from tests.support.log import append, folder_of, publish_all, settings_of
from tests.support.work import Work


async def test_what_is_shown_as_the_newest_stays_while_all_is_written_anew(
    work: Work, facts: Facts
) -> None:
    for _ in range(MOST_CHECKPOINTS + 3):
        await append(work, facts, 1)
        await publish_all(work)
    folder = folder_of(work)
    shown = folder.checkpoint()
    newest_size = newest(work).size
    folder.write({Tile(0, 0, newest_size).path: b""})
    seen = []

    def look(step: Step) -> None:
        if step == "published":
            seen.append(folder.checkpoint())

    await publish_all(work, look)
    assert seen == [shown, shown], "in two rounds"
    await assert_whole(work)


async def test_a_checkpoint_that_is_none_of_this_log_gives_way(work: Work, facts: Facts) -> None:
    await append(work, facts, 3)
    await publish_all(work)
    (signed,) = await work.rows("select size, root, note from checkpoint where size = 3")
    other = SigningKey("example.org/audit", bytes(32))
    forged = Checkpoint(other.name, 1_000, bytes(32)).signed(other).encode()
    writer = TileWriter(folder_of(work), signing_key(settings_of(work)).verifier())
    for spoiled in (forged, b"damaged", b""):
        folder_of(work).write({CHECKPOINT: spoiled})
        await writer.publish([Signed(*signed)])
        assert newest(work).size == 3


async def test_who_was_stopped_and_wakes_up_shows_no_older_checkpoint_than_is_shown(
    work: Work, facts: Facts
) -> None:
    await append(work, facts, 3)
    await publish_all(work)
    stopped = TileWriter(folder_of(work), signing_key(settings_of(work)).verifier())
    stopped.begin()
    await append(work, facts, 3)
    await publish_all(work)
    (older,) = await work.rows("select size, root, note from checkpoint where size = 3")
    await stopped.publish([Signed(*older)])
    assert newest(work).size == 6
    await assert_whole(work)
