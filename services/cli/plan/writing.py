"""`steward plan record` and `steward plan notice`: the plan, written for those who ask."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.plan.reading import PlanFile, former_plan, plan_path


class Language(StrEnum):
    """What record and notice can be written in."""

    FI = "fi"
    EN = "en"


class RecordFormat(StrEnum):
    """How the record can be written."""

    MD = "md"
    JSON = "json"
    HTML = "html"


class NoticeFormat(StrEnum):
    """How the notice can be written."""

    MD = "md"
    HTML = "html"


def record(
    file: PlanFile = None,
    format_: Annotated[
        RecordFormat, typer.Option("--format", help="JSON has every language.")
    ] = RecordFormat.MD,
    language: Annotated[
        Language, typer.Option("--language", help="Of Markdown and HTML.")
    ] = Language.EN,
) -> None:
    """Write the record of processing activities (GDPR, article 30) that the plan makes up.

    Example: steward plan record --format html > record.html
    """
    from services.cli.plan.record import record_data, record_document
    from services.cli.plan.words import plan_words
    from shared.documents.document import rendered
    from shared.documents.telling import Teller

    plan = former_plan(plan_path(file))
    if format_ is RecordFormat.JSON:
        typer.echo(json.dumps(record_data(plan), ensure_ascii=False, indent=2))
        return
    document = record_document(Teller(plan, plan_words(language.value)))
    typer.echo(rendered(document, "html" if format_ is RecordFormat.HTML else "md"), nl=False)


def notice(
    language: Annotated[Language, typer.Option("--language", help="Whom it is for.")],
    file: PlanFile = None,
    format_: Annotated[NoticeFormat, typer.Option("--format")] = NoticeFormat.MD,
) -> None:
    """Write the privacy notice (GDPR, articles 13 and 14): what the plan says, and no more.

    Example: steward plan notice --language fi --format html > tietosuoja.html
    """
    from services.cli.plan.notice import notice_document
    from services.cli.plan.words import plan_words
    from shared.documents.document import rendered
    from shared.documents.telling import Teller

    plan = former_plan(plan_path(file))
    document = notice_document(Teller(plan, plan_words(language.value)))
    typer.echo(rendered(document, "html" if format_ is NoticeFormat.HTML else "md"), nl=False)
