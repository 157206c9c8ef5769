"""Words for people: what they are told, they are told in each of the organisation's languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.rules.rule import Case, Rule, listed


def texts_are_in_every_language(case: Case) -> Iterator[Finding]:
    """Article 12(1): a notice that lacks half of its words tells nothing."""
    languages = set(case.plan.organisation.languages)
    for path, texts in _texts(case):
        missing = languages - texts.keys()
        if missing:
            yield case.finding(
                "text-not-in-every-language",
                path,
                f"{'.'.join(path)} is written in {listed(texts)}",
                f"the organisation speaks {listed(languages)} to people",
                f"Write it in: {listed(missing)}",
                other=("organisation", "languages"),
            )


_WORDS = {
    "units": ("name",),
    "fields": ("describes",),
    "categories": ("describes",),
    "purposes": ("describes", "interest", "automated_decisions"),
    "sources": ("describes",),
    "authorities": ("name",),
    "on_behalf": ("describes",),
    "retention": ("afterwards",),
    "duties": ("describes",),
}
"""Table of the plan to the keys of its parts that hold one text per language."""


def _texts(case: Case) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    for table, keys in _WORDS.items():
        for name, part in getattr(case.plan, table).items():
            for key in keys:
                texts = getattr(part, key)
                if texts is not None:
                    yield (table, name, key), texts
    for name, texts in case.plan.data_subjects.items():
        yield ("data_subjects", name), texts
    for name, texts in case.plan.security.items():
        yield ("security", name), texts


RULES: tuple[Rule, ...] = (texts_are_in_every_language,)
