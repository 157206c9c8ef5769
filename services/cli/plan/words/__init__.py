"""What record and notice say besides the plan's own words: one file for each language."""

from __future__ import annotations

import tomllib
from pathlib import Path

from shared.privacy.plan import Period, RetentionClass

LANGUAGES = ("en", "fi")


class Words:
    """The phrases of one language, by table and key."""

    def __init__(self, language: str) -> None:
        """KeyError for a language that has no file."""
        if language not in LANGUAGES:
            raise KeyError(language)
        file = Path(__file__).with_name(f"{language}.toml")
        self.language = language
        self.tables: dict[str, dict[str, str]] = tomllib.loads(file.read_text("utf-8"))

    def say(self, table: str, key: str, **values: str) -> str:
        """The phrase with its values in their places. KeyError for one that there is not."""
        return self.tables[table][key].format(**values)

    def period(self, period: Period) -> str:
        """`6 years`, `1 year and 6 months`; empty for no time at all."""
        counted = (("year", period.years), ("month", period.months), ("day", period.days))
        said = [
            self.tables["period"][unit if number == 1 else f"{unit}s"].format(number)
            for unit, number in counted
            if number
        ]
        return self.tables["period"]["and"].join(said)

    def kept(self, retention: RetentionClass) -> str:
        """How long, counted from what."""
        period = self.period(retention.period)
        if not period:
            return self.say("kept_at_once", retention.anchor)
        return self.say("kept", retention.anchor, period=period)
