"""What documents say besides the plan's own words: one file of phrases for each language."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.privacy.plan import Period, RetentionClass

_COMMON: Final = Path(__file__).with_name("words")


class Words:
    """The phrases of one language, by table and key: those of every document, and a kind's own."""

    def __init__(self, language: str, own: Path | None = None) -> None:
        """`own` is a folder of more phrases. KeyError for a language that has no file."""
        self.language = language
        self.tables: dict[str, dict[str, str]] = {}
        for folder in (_COMMON, own):
            if folder is not None:
                if language not in languages(folder):
                    raise KeyError(language)
                text = (folder / f"{language}.toml").read_text("utf-8")
                self.tables.update(tomllib.loads(text))

    def say(self, table: str, key: str, **values: str) -> str:
        """The phrase with its values in their places. KeyError for one that there is not."""
        return self.tables[table][key].format(**values)

    def say_code(self, table: str, code: str) -> str:
        """What a code means, as far as there is a phrase for it; else the code itself."""
        return self.tables[table].get(code.replace("-", "_"), code)

    def moment(self, moment: datetime) -> str:
        """A moment, in the time zone that it has, as people of the language write it."""
        return moment.strftime(self.tables["common"]["moment"])

    def day(self, moment: datetime) -> str:
        """The day of a moment, in the time zone that it has."""
        return moment.strftime(self.tables["common"]["day"])

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


def languages(folder: Path) -> tuple[str, ...]:
    """The languages that a folder has phrases in."""
    return tuple(sorted(file.stem for file in folder.glob("*.toml")))
