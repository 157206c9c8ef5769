"""Spans of time as they are written on a command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import typer

from services.audit.domain.entries import moment
from shared.privacy.plan import Plan


def begin(text: str, plan: Plan, option: str = "--since") -> datetime:
    """A moment, or the first of a day, where the organisation is."""
    return _read(text, plan, option)


def end(text: str, plan: Plan, option: str = "--until") -> datetime:
    """A moment, or the end of a day."""
    return _read(text, plan, option, end_of_day=True)


def _read(text: str, plan: Plan, option: str, *, end_of_day: bool = False) -> datetime:
    zone = ZoneInfo(plan.organisation.time_zone)
    try:
        return moment(text, zone, end_of_day=end_of_day)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
