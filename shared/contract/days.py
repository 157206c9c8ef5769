"""How a day is written, by whoever names one: 2026-11-30, and in no other way."""

from __future__ import annotations

from datetime import date


def read_day(text: str) -> date:
    """The day that is written so. ValueError for anything else."""
    if not is_day(text):
        raise ValueError("a day is written as 2026-11-30")
    return date.fromisoformat(text)


def is_day(text: str) -> bool:
    """Whether it is a day, and not a moment or anything else. ValueError for a day in another form
    of ISO 8601, as 20261130 or 2026-W48: who writes it so may mean another one, or a week.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    if day.isoformat() != text:
        raise ValueError("a day is written as 2026-11-30")
    return True
