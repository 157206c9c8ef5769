"""People who do not exist, with names of many alphabets and addresses of reserved domains only."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from random import Random


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


FIRST_NAMES = _words(
    "Aino Väinö Päivi Jyrki Eeva Äijö Märta Åsa Örjan Kyösti Töllö Sinikka Oona Yrjö Hilkka Ilmari"
    " Séamus Zoë José Łukasz Søren Ðorđe Žofia Şule Anaïs Björk Ánde Máret Inga-Áile Thuận Владимир"
    " Ольга Ελένη Γιώργος 美咲 محمد שרה"
)
LAST_NAMES = _words(
    "Virtanen Mäkinen Hämäläinen Lindström Åkerblom Öhman Räikkönen Pöysti Yli-Äyhö Möttönen"
    " Ylä-Öljymäki Saarinen Köykkä Nyström Sjöberg Ó_Briain Nguyễn Müller Šimić Žukauskas Çelik"
    " Łapiński Đurić Magga-Näkkäläjärvi Ивáнова Кузнецов Παπαδοπούλου 佐藤 العربي כהן"
)
# RFC 2606 and RFC 6761 keep these names for examples.
DOMAINS = ("example.org", "example.com", "example.net", "opisto.example", "sähköposti.example")
STREETS = ("Piippukatu", "Rajakatu", "Äijälänranta", "Kehräämöntie", "Lutakonaukio")
COMPANIES = ("Esimerkki Oy", "Mallila & Pojat Ky", "Näyte Ab", "Ääriviiva ry", "Sample “Œuvre” SA")
DIETS = (
    "gluteeniton",
    "laktoositon, ei pähkinöitä",
    "vegaani",
    "halal",
    "keliakia; nöyrin kiitos!",
    "I am allergic to celery and mustard",
)
ROOMS = ("hiljainen huone, kiitos", "esteetön huone", "with a bath, if possible", "ylin kerros")
PICKUPS = ("Jyväskylä, matkakeskus", "Tampere, linja-autoasema", "Äänekoski, tori")


@dataclass(slots=True)
class Person:
    """Somebody, and the numbers of the events that the day lets them register for."""

    name: str
    email: str
    phone: str
    address: str
    organisation: str
    language: str
    number: str
    events: set[str] = field(default_factory=set)


def somebody(random: Random, serial: int) -> Person:
    """The person of this serial number: each has an address of their own."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    domain = DOMAINS[-1] if random.random() < 0.01 else random.choice(DOMAINS[:-1])
    return Person(
        name=f"{first} {last}",
        email=f"{_slug(first)}.{_slug(last)}.{serial}@{domain}",
        phone=f"+358 40 {serial // 10_000 % 1000:03d} {serial % 10_000:04d}",
        address=f"{random.choice(STREETS)} {serial % 90 + 1}, 40100 Jyväskylä",
        organisation=random.choice(COMPANIES),
        language="fi" if random.random() < 0.75 else "en",
        number=f"P-{serial:07d}",
    )


def the_one_to_follow() -> Person:
    """Who meets everything in the day: a demonstration can tell what happened to them."""
    return Person(
        name="Aino Esimerkki-Mäkelä",
        email="aino.esimerkki@example.org",
        phone="+358 40 555 0100",
        address="Piippukatu 1, 40100 Jyväskylä",
        organisation="Esimerkki Oy",
        language="fi",
        number="P-0000000",
    )


def _slug(name: str) -> str:
    """Letters of an e-mail address, as systems make them of names."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain if letter.isalnum() or letter == "-") or "nimi"
