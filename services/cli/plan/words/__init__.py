"""What record and notice say besides the plan's own words: one file for each language."""

from __future__ import annotations

from pathlib import Path

from shared.documents.words import Words, languages

FOLDER = Path(__file__).parent
LANGUAGES = languages(FOLDER)


def plan_words(language: str) -> Words:
    """KeyError for a language that has no file."""
    return Words(language, FOLDER)
