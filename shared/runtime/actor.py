"""Who is at the command line, as audit entries name them."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from typing import Final

from shared.runtime.settings import SettingsError

VARIABLE: Final = "STEWARD_ACTOR"
"""Who gives the command, where several people share an account, as they say themselves."""

_NAME: Final = re.compile(r"[\w.@+\\-]{1,64}")


def actor(environ: Mapping[str, str] = os.environ) -> str:
    """`cli:` and the account that this process runs under, as `cli:maija`: by its user id, whatever
    the environment says. What STEWARD_ACTOR says stands behind it, as `cli:steward/maija`.

    Raises SettingsError where that is no name of an account; the value is not repeated.
    """
    said = environ.get(VARIABLE)
    if not said:
        return f"cli:{_account()}"
    if _NAME.fullmatch(said) is None:
        raise SettingsError(
            f"{VARIABLE}: expected an account's name, up to 64 letters, digits and . @ + - _ \\"
        )
    return f"cli:{_account()}/{said}"


def _account() -> str:
    """Its number, where the machine has no name for it."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
