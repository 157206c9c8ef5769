"""Whom an entry of the log names is nobody's to choose."""

from __future__ import annotations

import os
import pwd

import pytest

from shared.runtime.actor import actor
from shared.runtime.settings import SettingsError

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name


def test_an_entry_names_the_account_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert actor() == f"cli:{ACCOUNT}"


def test_an_account_that_has_no_name_is_named_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert actor({}) == "cli:4000000000"


def test_what_somebody_says_of_themselves_stands_behind_the_account_and_never_instead() -> None:
    assert actor({"STEWARD_ACTOR": "maija"}) == f"cli:{ACCOUNT}/maija"
    assert actor({"STEWARD_ACTOR": "EXAMPLE\\maija"}) == f"cli:{ACCOUNT}/EXAMPLE\\maija"
    assert actor({"STEWARD_ACTOR": ""}) == f"cli:{ACCOUNT}"


@pytest.mark.parametrize("said", ["a/b", "Maija Canary", "x\x1b[2J", "m\n", "m" * 65])
def test_what_is_no_name_of_an_account_is_refused_and_not_repeated(said: str) -> None:
    with pytest.raises(SettingsError, match="STEWARD_ACTOR") as refused:
        actor({"STEWARD_ACTOR": said})
    assert said not in str(refused.value)
