"""Domains are pure, as the page about how Steward is built says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.impurities import impurities


def domains() -> Iterator[Path]:
    """Every module of every domain."""
    yield from ROOT.glob("services/*/domain.py")
    yield from ROOT.glob("services/*/domain/**/*.py")


@pytest.mark.parametrize(
    "path", sorted(domains()), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_domain_reads_no_clock_no_randomness_no_environment_and_no_file(path: Path) -> None:
    service = path.relative_to(ROOT).parts[1]
    assert list(impurities(path.read_text("utf-8"), own=f"services.{service}.domain")) == []


def test_every_service_has_a_domain() -> None:
    with_domain = {path.relative_to(ROOT).parts[1] for path in domains()}
    assert with_domain == {"registration", "consent", "finance", "retention", "audit"}


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nat = datetime.now(tz)",
        "import datetime as dt\nat = dt.date.today()",
        "import time",
        "from time import monotonic as m",
        "from uuid import uuid4 as new",
        "import uuid\nid = uuid.uuid4()",
        "import random",
        "import secrets",
        "import os",
        "from os import environ",
        "from pathlib import Path",
        "import socket",
        "import httpx2",
        "import asyncio",
        "text = open('plan.toml')",
        "print('so')",
        "__import__('time')",
        "import importlib",
        "from importlib import resources",
        "from shared.runtime.clock import utc_now",
        "from services.consent import store",
        "from . import store",
        "from datetime import *",
        "from datetime import datetime\nat = getattr(datetime, 'now')()",
        "from cryptography.fernet import Fernet\nkey = Fernet.generate_key()",
        "def f():\n    from time import time",
    ],
)
def test_each_way_out_of_a_domain_is_found(source: str) -> None:
    assert list(impurities(source, own="services.consent.domain"))


def test_what_is_given_may_be_used() -> None:
    source = """
from datetime import datetime, timedelta
from services.consent.domain.rules import PERIOD
def ends(now: datetime) -> datetime:
    return now + PERIOD
"""
    assert list(impurities(source, own="services.consent.domain")) == []
