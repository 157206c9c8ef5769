"""What the plan grants, written into the keyring: the database itself then refuses the rest."""

from __future__ import annotations

import asyncpg

from shared.privacy.plan import Plan, ServicePart
from shared.runtime.database import queries, role_name

_sql = queries("queries.sql", __file__)

_EVERY_SERVICE = frozenset(
    {
        "make_record_key",
        "open_record_keys",
        "destroy_record_keys",
        "know_key_encryption_keys",
        "record_attempt",
    }
)
_SEALS = frozenset({"make_keys"})
_OPENS = frozenset({"open_keys"})
_FINDS = frozenset({"find_everybody", "same_people", "others_of"})
_IDENTIFIES = frozenset({"identify", "add_aliases"})
_READS_THE_LOG = frozenset({"find_everybody_ever"})
_PRIVACY_OFFICE = frozenset(
    {
        "destroy_keys",
        "announce_cut_off",
        "close_keys",
        "destroy_closed_keys",
        "ask_erasure",
        "count_keys",
        "take_attempts",
        "aliases_of",
        "link_alias",
        "unlink_alias",
        "retire_aliases",
        "forget_aliases",
        "retire_key_encryption_keys",
    }
)
_WITHIN = frozenset({"make_keys_under"})
"""Called by the keyring itself; an earlier release let services call it, under another name."""

_FUNCTIONS = sorted(
    _EVERY_SERVICE
    | _SEALS
    | _OPENS
    | _FINDS
    | _IDENTIFIES
    | _READS_THE_LOG
    | _PRIVACY_OFFICE
    | _WITHIN
)


async def apply_grants(administrator: asyncpg.Connection[asyncpg.Record], plan: Plan) -> None:
    """Make what the keyring lets each role do what the plan says, in one transaction.

    `administrator` is a superuser's connection. A service of the plan that has no role here (it is
    not part of this installation) gets nothing.
    """
    roles = {row["rolname"] async for row in _sql.service_roles(administrator)}
    services = {
        role_name(name): service
        for name, service in plan.services.items()
        if role_name(name) in roles
    }
    grants = [
        (role, category, purpose)
        for role, service in services.items()
        for purpose, categories in (("", service.seals), *service.grants.items())
        for category in categories
    ]
    async with administrator.transaction():
        await administrator.execute("lock table keyring.category_grant in exclusive mode")
        await administrator.execute("delete from keyring.category_grant")
        await administrator.copy_records_to_table(
            "category_grant",
            schema_name="keyring",
            columns=("role", "category", "purpose"),
            records=grants,
        )
        for role, service in services.items():
            await _grant_functions(administrator, role, _functions(service))


def _functions(service: ServicePart) -> frozenset[str]:
    finds = service.subjects != "none"
    groups = (
        (_EVERY_SERVICE, True),
        (_SEALS, bool(service.seals)),
        (_OPENS, bool(service.grants)),
        (_FINDS, finds),
        (_IDENTIFIES, service.subjects == "identify"),
        # Whoever keeps the log may still be told to whom an erased person's alias led.
        (_READS_THE_LOG, finds and "audit" in service.hears),
        (_PRIVACY_OFFICE, service.erases),
    )
    return frozenset().union(*(functions for functions, granted in groups if granted))


async def _grant_functions(
    administrator: asyncpg.Connection[asyncpg.Record], role: str, allowed: frozenset[str]
) -> None:
    # Role and function names come from a validated plan and from this module: identifiers both.
    await administrator.execute(f'grant usage on schema keyring to "{role}"')
    for function in _FUNCTIONS:
        verb, to = ("grant", "to") if function in allowed else ("revoke", "from")
        await administrator.execute(f'{verb} execute on function keyring.{function} {to} "{role}"')
