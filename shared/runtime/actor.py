"""Who is at the command line, as audit entries name them."""

from __future__ import annotations

import getpass


def actor() -> str:
    """`cli:` and the operating system's user."""
    return f"cli:{getpass.getuser()}"
