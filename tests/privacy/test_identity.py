from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import UUID

import asyncpg
import pytest

from shared.assembly import open_parts
from shared.privacy.errors import AliasError
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias
from shared.runtime.ids import SHARED_BYTES
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect, WithPeppers
from tests.support.messaging import until
from tests.support.people import whom_it_leads_to
from tests.support.waiting import somebody_waits
from tests.support.work import NO_KAFKA

PrivacyOf = Callable[[str], Privacy]


def email(address: str) -> Alias:
    return Alias("email", address)


def number(value: str, source: str = "short-courses") -> Alias:
    return Alias("person_number", value, source)


@pytest.fixture
async def connection(connect: Connect) -> asyncpg.Connection[asyncpg.Record]:
    return await connect("registration")


async def test_the_same_address_written_differently_is_one_person(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    one, other, third = await privacy.people.identify(
        connection,
        [[email("Äijä@EXAMPLE.org ")], [email("äijä@example.org")], [email("b@example.org")]],
    )
    again = await privacy.people.identify(connection, [[email("ÄIJÄ@example.ORG")]])
    assert one == other == again[0] != third


async def test_a_subject_is_a_random_number_of_version_4(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    (subject,) = await privacy.people.identify(connection, [[email("a@example.org")]])
    assert UUID(bytes=subject.bytes).version == 4


async def test_who_is_made_known_in_one_call_begins_alike_and_nobody_else_does(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    crowd, later = [
        await privacy.people.identify(
            connection, [[email(f"{who}{number}@example.org")] for number in range(20)]
        )
        for who in ("a", "b")
    ]
    begins = [{subject.bytes[:SHARED_BYTES] for subject in people} for people in (crowd, later)]
    assert [len(one) for one in begins] == [1, 1]
    assert begins[0] != begins[1]
    assert len({subject.bytes[SHARED_BYTES:] for subject in crowd}) == len(crowd)


async def test_looking_up_makes_nobody(
    privacy: Privacy,
    connection: asyncpg.Connection[asyncpg.Record],
    administrator: asyncpg.Connection[asyncpg.Record],
) -> None:
    assert await whom_it_leads_to(privacy.people, connection, [email("a@example.org")]) == [None]
    (subject,) = await privacy.people.identify(connection, [[email("a@example.org")]])
    assert await whom_it_leads_to(
        privacy.people, connection, [email("A@example.org"), email("b@example.org")]
    ) == [
        subject,
        None,
    ]
    assert await administrator.fetchval("select count(*) from keyring.subject") == 1


async def test_a_known_number_wins_over_the_address(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    (first,) = await privacy.people.identify(connection, [[number("1"), email("a@example.org")]])
    (other,) = await privacy.people.identify(connection, [[number("2"), email("b@example.org")]])
    (moved,) = await privacy.people.identify(connection, [[number("1"), email("b@example.org")]])
    (moved_to_a_new_one,) = await privacy.people.identify(
        connection, [[number("1"), email("c@example.org")]]
    )
    assert moved == first != other
    assert moved_to_a_new_one == first
    assert await whom_it_leads_to(
        privacy.people, connection, [email("b@example.org"), email("c@example.org")]
    ) == [
        other,
        first,
    ]


async def test_two_people_who_share_an_address_are_told_apart_by_their_numbers(
    privacy: Privacy,
    connection: asyncpg.Connection[asyncpg.Record],
    administrator: asyncpg.Connection[asyncpg.Record],
) -> None:
    (one,) = await privacy.people.identify(connection, [[number("1"), email("family@example.org")]])
    (two,) = await privacy.people.identify(connection, [[number("2"), email("family@example.org")]])
    (again,) = await privacy.people.identify(
        connection, [[number("2"), email("family@example.org")]]
    )
    (no_number,) = await privacy.people.identify(connection, [[email("family@example.org")]])
    assert one != two == again
    assert no_number == one
    assert await administrator.fetchval("select count(*) from keyring.shared_alias") == 1
    (other,) = await privacy.people.identify(connection, [[email("other@example.org")]])
    assert await privacy.people.everybody(
        connection,
        [email("Family@example.org"), email("nobody@example.org"), email("other@example.org")],
    ) == [((one,), (two,)), (), ((other,),)]


async def test_numbers_of_two_sources_may_belong_to_one_person(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    (one,) = await privacy.people.identify(
        connection, [[number("1", "short-courses"), email("a@example.org")]]
    )
    (two,) = await privacy.people.identify(
        connection, [[number("1", "event-forms"), email("a@example.org")]]
    )
    (by_number,) = await privacy.people.identify(connection, [[number("1", "event-forms")]])
    assert one == two == by_number


async def test_a_person_known_by_address_gets_the_number_that_comes_later(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    (one,) = await privacy.people.identify(connection, [[email("a@example.org")]])
    (two,) = await privacy.people.identify(connection, [[number("1"), email("a@example.org")]])
    (three,) = await privacy.people.identify(connection, [[number("1")]])
    assert one == two == three


async def test_an_e_mail_decides_before_a_telephone(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    phone = Alias("phone", "040 123 4567")
    one, two = await privacy.people.identify(
        connection, [[email("a@example.org"), phone], [email("b@example.org"), phone]]
    )
    (by_phone,) = await privacy.people.identify(connection, [[Alias("phone", "+358 40 1234567")]])
    assert one != two
    assert by_phone == one


@pytest.mark.parametrize(
    "people",
    [
        [[number("1"), email("a@x.org")], [number("2"), email("a@x.org")], [email("a@x.org")]],
        [[number("1"), email("a@x.org")], [number("1"), email("b@x.org")], [email("b@x.org")]],
        [[email("a@x.org")], [number("1"), email("a@x.org")], [number("1"), email("c@x.org")]],
        [[email("a@x.org")], [email("b@x.org")], [email("a@x.org")]],
        [[number("1")], [number("1"), email("a@x.org")], [number("2"), email("a@x.org")]],
    ],
)
async def test_a_batch_ends_as_the_same_people_one_by_one(
    privacy: Privacy,
    connection: asyncpg.Connection[asyncpg.Record],
    people: list[list[Alias]],
) -> None:
    def pattern(subjects: list[UUID]) -> list[int]:
        return [subjects.index(subject) for subject in subjects]

    together: list[UUID] = []
    one_by_one: list[UUID] = []
    for transaction, found in ((0, together), (1, one_by_one)):
        rolled_back = connection.transaction()
        await rolled_back.start()
        if transaction:
            for person in people:
                found.extend(await privacy.people.identify(connection, [person]))
        else:
            found.extend(await privacy.people.identify(connection, people))
        await rolled_back.rollback()
    assert pattern(together) == pattern(one_by_one)


def identify_all(settings: ServiceSettings, service: str, numbers: list[int]) -> list[UUID]:
    """What a process of its own does: one transaction for all these addresses."""

    async def identify() -> list[UUID]:
        people = [[email(f"person{number}@example.org")] for number in numbers]
        async with (
            open_parts(settings, service=service) as parts,
            parts.pool.acquire() as connection,
            connection.transaction(),
        ):
            found = await parts.privacy.people.identify(connection, people)
        return [UUID(bytes=subject.bytes) for subject in found]

    return asyncio.run(identify())


async def test_concurrent_processes_agree_on_one_subject_for_each_of_many_addresses(
    service_settings: SettingsFactory,
    connect: Connect,
    administrator: asyncpg.Connection[asyncpg.Record],
) -> None:
    del connect  # it has emptied the tables
    many = 10_000
    orders = [list(range(many)), list(range(many - 1, -1, -1)), [*range(many // 2, many)] * 2]
    services = ("registration", "consent", "registration")
    # 10,000 in one transaction are ten times what a service does: it may take its time.
    over = {"kafka_bootstrap_servers": NO_KAFKA, "session_timeout_ms": 60_000}
    settings = [service_settings(one, **over) for one in services]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(len(orders), get_context("spawn")) as processes:
        batches = await asyncio.gather(
            *(
                loop.run_in_executor(processes, identify_all, one, service, order)
                for one, service, order in zip(settings, services, orders, strict=True)
            )
        )
    subjects: dict[int, set[UUID]] = {}
    for order, found in zip(orders, batches, strict=True):
        for number, subject in zip(order, found, strict=True):
            subjects.setdefault(number, set()).add(subject)
    assert all(len(found) == 1 for found in subjects.values())
    assert len(set.union(*subjects.values())) == many
    assert await administrator.fetchval("select count(*) from keyring.subject") == many


async def test_concurrent_claims_of_one_shared_address_make_one_person_per_number(
    privacy_of: PrivacyOf, connect: Connect
) -> None:
    batches = [
        [[number(str(i)), email(f"office{i % 3}@example.org")] for i in order]
        for order in (range(60), range(59, -1, -1), range(0, 60, 2), range(1, 60, 2))
    ]

    async def identify(people: list[list[Alias]]) -> dict[str, UUID]:
        connection = await connect("registration")
        async with connection.transaction():
            subjects = await privacy_of("registration").people.identify(connection, people)
        return {person[0].value: subject for person, subject in zip(people, subjects, strict=True)}

    found = await asyncio.gather(*map(identify, batches))
    merged: dict[str, set[UUID]] = {}
    for one in found:
        for value, subject in one.items():
            merged.setdefault(value, set()).add(subject)
    assert all(len(subjects) == 1 for subjects in merged.values())
    assert len(set.union(*merged.values())) == 60


@pytest.mark.parametrize("second_address", ["a@example.org", "b@example.org"])
async def test_a_known_person_gets_one_of_two_numbers_that_come_at_the_same_time(
    privacy: Privacy,
    connect: Connect,
    administrator: asyncpg.Connection[asyncpg.Record],
    second_address: str,
) -> None:
    one, two = await connect("registration"), await connect("registration")
    # Both addresses lead to one person, through a number of another source.
    known, _ = await privacy.people.identify(
        one,
        [
            [number("7", "website"), email("a@example.org")],
            [number("7", "website"), email("b@example.org")],
        ],
    )
    async with one.transaction():
        (first,) = await privacy.people.identify(one, [[number("1"), email("a@example.org")]])
        later = asyncio.create_task(
            privacy.people.identify(two, [[number("2"), email(second_address)]])
        )

        async def done_or_waiting() -> bool:
            return later.done() or await somebody_waits(administrator.fetchval)

        await until(done_or_waiting)
    (second,) = await later
    assert first == known != second


async def test_what_an_older_pepper_knows_is_found_and_carried_over(
    with_peppers: WithPeppers, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    old, new = b"o" * 32, b"n" * 32
    person = [number("1"), email("a@example.org")]
    (before,) = await with_peppers(old).people.identify(connection, [person])
    assert await whom_it_leads_to(with_peppers(new, old).people, connection, [person[1]]) == [
        before
    ]
    (between,) = await with_peppers(new, old).people.identify(connection, [person])
    (after,) = await with_peppers(new).people.identify(connection, [person])
    assert before == between == after


async def test_what_is_no_alias_is_refused_without_saying_what_it_was(
    privacy: Privacy, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    with pytest.raises(AliasError) as error:
        await privacy.people.identify(connection, [[email("canary-no-address")]])
    assert "canary" not in str(error.value)
    assert "canary" not in repr(email("canary@example.org"))


async def test_a_service_that_only_finds_cannot_make_subjects(
    privacy_of: PrivacyOf, connect: Connect
) -> None:
    audit = await connect("audit")
    assert await whom_it_leads_to(privacy_of("audit").people, audit, [email("a@example.org")]) == [
        None
    ]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await privacy_of("audit").people.identify(audit, [[email("a@example.org")]])
