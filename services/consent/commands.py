"""`steward consent`: what a person agreed to."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from services.consent.domain import Answer
    from shared.messaging.republishing import SaidAgain

app = typer.Typer(help="What a person agreed to.", no_args_is_help=True, add_completion=False)

_WHY: Final = {
    "given": "consent was given on {since}",
    "never_asked": "never asked",
    "refused": "refused on {since}",
    "withdrawn": "withdrawn on {since}",
    "objected": "the person objected to it",
    "restricted": "the person's data is restricted: it is stored, and no more",
    "not_heard": "the service has not read yet all that was said until now: `steward status` shows"
    " its lag. Try again",
    "not_based_on_consent": "the purpose does not rest on consent: its legal basis is {basis}",
}


@app.callback()
def consent() -> None:
    """What a person agreed to."""


@app.command()
def check(
    person: Annotated[
        str,
        typer.Argument(
            metavar="EMAIL|-", help="Whose; - reads the e-mail address from standard input."
        ),
    ],
    purpose: Annotated[str, typer.Argument(help="A purpose of the plan.")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say whether a person's data may be used for a purpose that rests on consent.

    Where several people have the address, it may where it may of all of them.

    It may only where the service has read all that was said until now: a withdrawal that waits in
    Kafka counts. That is waited for, for 5 s.

    Exit code 0: it may. 1: it may not, and why; or nobody can know, as Kafka or the database does
    not answer. 2: wrong arguments.

    Example: echo maija@example.org | steward consent check - marketing
    """
    from shared.privacy.asking import email_named

    answer, basis = asyncio.run(_ask(email_named(person, "EMAIL"), purpose))
    since = None if answer.since is None else answer.since.isoformat(timespec="seconds")
    if json:
        import orjson

        document = {"may_be_used": answer.may_be_used, "reason": answer.reason, "since": since}
        typer.echo(orjson.dumps(document).decode())
    else:
        why = _WHY[answer.reason].format(since=since, basis=basis)
        typer.echo(f"{'may be used' if answer.may_be_used else 'may not be used'}: {why}")
    raise typer.Exit(0 if answer.may_be_used else 1)


@app.command()
def republish() -> None:
    """Say again what holds of everybody's consents, for readers who missed it.

    For each person and purpose the last answer and the last no. It ends once Kafka has all of it:
    then a partition of the topic `consent` that stands still may go on (`steward positions`).

    Exit code 1: Kafka has not, as the service does not run or Kafka is away.

    Example: steward consent republish
    """
    said = asyncio.run(_republish())
    typer.echo(said.told, err=said.waiting > 0)
    raise typer.Exit(1 if said.waiting else 0)


async def _republish() -> SaidAgain:
    from services.consent.handlers.republish import republish_consents
    from services.consent.settings import Settings
    from shared.assembly import open_parts
    from shared.contract.consent import TOPIC
    from shared.messaging.republishing import SaidAgain, published, say_again
    from shared.runtime.clock import utc_now

    async with open_parts(Settings.load(), service="consent") as parts:
        facts = await say_again(lambda: parts.work(now=utc_now()), republish_consents)
        return SaidAgain(facts, await published(parts.pool, TOPIC))


async def _ask(email: str, purpose: str) -> tuple[Answer, str]:
    from services.consent.handlers import Handlers
    from services.consent.handlers.heard import Checking, ends_of_what_decides
    from services.consent.settings import Settings
    from shared.assembly import open_parts

    settings = Settings.load()
    async with open_parts(settings, service="consent") as parts:
        plan = parts.privacy.plan
        known = plan.purposes.get(purpose)
        if known is None:
            raise typer.BadParameter(
                f"the plan has these purposes: {', '.join(plan.purposes)}", param_hint="PURPOSE"
            )
        ends = partial(ends_of_what_decides, parts.pool, settings.cluster)
        answer = await Checking(Handlers(parts.privacy), parts.pool, ends).check(email, purpose)
        return answer, known.legal_basis.replace("_", " ")
