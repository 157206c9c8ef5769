"""Where things are: the home folder of a local system, and the system that runs from it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

HOME_VARIABLE = "STEWARD_HOME"

KAFKA_SECURITY: Final = (
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
)
"""How to connect to Kafka, but for passwords (`KafkaSettings`)."""

SERVERS: Final = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
"""Each names a server that exists; where it is not set one is started."""

ADDRESSES: Final = (*SERVERS, *KAFKA_SECURITY)
"""What a command needs to find the servers of a system."""


def home_folder(environ: MutableMapping[str, str] = os.environ) -> Path:
    """The folder of a local system: data, secrets, logs. STEWARD_HOME, else `.local`."""
    return Path(environ.get(HOME_VARIABLE) or ".local").expanduser()


def secrets_path(environ: MutableMapping[str, str] = os.environ) -> Path:
    """The folder of secrets: STEWARD_SECRETS, else below the home folder."""
    given = environ.get("STEWARD_SECRETS")
    return Path(given).expanduser() if given else home_folder(environ) / "secrets"


def plan_path(environ: MutableMapping[str, str] = os.environ) -> Path:
    """The plan: STEWARD_PLAN, else `plan.toml` where we are."""
    return Path(environ.get("STEWARD_PLAN") or "plan.toml").expanduser()


def use_running_system(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let a command find the system that `steward up` runs, or has left where it was killed, if the
    environment names none.

    What is set is left as it is, so a command and the servers it was given stay together. What is
    set to nothing is not set, as settings have it.
    """
    from shared.local.state import read_state

    environ["STEWARD_SECRETS"] = str(secrets_path(environ))
    if any(environ.get(name) for name in SERVERS):
        return
    state = read_state(home_folder(environ) / "run")
    # What a supervisor that was killed has left goes on, and its commands are needed all the more.
    if state is not None and (state.running() or state.left()):
        environ.update(
            (name, state.addresses[name]) for name in ADDRESSES if name in state.addresses
        )
