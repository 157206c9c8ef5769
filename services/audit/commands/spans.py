"""Spans of time as they are written on a command line."""

from __future__ import annotations

from datetime import datetime, tzinfo

import typer

from services.audit.domain.entries import moment


def begin(text: str, zone: tzinfo, option: str = "--since") -> datetime:
    """A moment, or the first of a day of the time zone. typer.BadParameter for what is neither."""
    return _read(text, zone, option)


def end(text: str, zone: tzinfo, option: str = "--until") -> datetime:
    """A moment, or the end of a day of the time zone. typer.BadParameter for what is neither."""
    return _read(text, zone, option, end_of_day=True)


def span(
    since: str | None, until: str | None, zone: tzinfo
) -> tuple[datetime | None, datetime | None]:
    """Its begin and end, as far as they were given."""
    return (
        None if since is None else begin(since, zone),
        None if until is None else end(until, zone),
    )


def _read(text: str, zone: tzinfo, option: str, *, end_of_day: bool = False) -> datetime:
    try:
        return moment(text, zone, end_of_day=end_of_day)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
