"""What a broker is asked by whoever does not consume."""

from __future__ import annotations

from shared.messaging.offsets import bounds_of, open_reader
from shared.messaging.transport import Bounds
from shared.runtime.cluster import Cluster
from tests.conftest import TopicFactory


async def test_where_many_topics_end_is_found_at_the_first_try(
    kafka: str, topic_factory: TopicFactory
) -> None:
    places = [(await topic_factory(), 0) for _ in range(4)]
    empty = dict.fromkeys(places, Bounds(0, 0))
    async with open_reader(Cluster(kafka)) as reader:
        # The topics are new: until each has a leader, it is asked again.
        assert await bounds_of(reader, places) == empty
    async with open_reader(Cluster(kafka)) as another:
        another._fetcher._retry_backoff = 60.0
        assert await bounds_of(another, places) == empty
