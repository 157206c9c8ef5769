"""Where key-encryption keys come from: the folder of secrets, the environment or a command.

The same key is the same whichever way it comes: it may be moved without wrapping anything anew.
There are several from when the next one is made until nothing needs the one before any more.
"""

from __future__ import annotations

import shlex
import subprocess

from shared.runtime.secrets import KEY_BYTES, SecretsError, SecretsFolder
from shared.runtime.settings import ServiceSettings

VARIABLE = "STEWARD_KEY_ENCRYPTION_KEY"
COMMAND_VARIABLE = "STEWARD_KEY_ENCRYPTION_KEY_COMMAND"
COMMAND_TIMEOUT_S = 30.0
_EXPECTED = f"expected {2 * KEY_BYTES} hexadecimal digits ({KEY_BYTES} bytes)"


def read_key_encryption_keys(
    settings: ServiceSettings, *, timeout_s: float = COMMAND_TIMEOUT_S
) -> tuple[bytes, ...]:
    """The key-encryption keys, the newest first, 32 bytes each. May wait for a command, up to
    `timeout_s`.

    Raises SecretsError where there is none or one is none, or where two sources are named: which of
    two is meant is not guessed. Neither a key nor what a command wrote is in its text.
    """
    given, command = settings.key_encryption_key, settings.key_encryption_key_command
    if given is not None and command is not None:
        raise SecretsError(f"{VARIABLE} and {COMMAND_VARIABLE} are both set: set one")
    if given is not None:
        return _keys(given.get_secret_value(), VARIABLE)
    if command is not None:
        output = _output(command.get_secret_value(), timeout_s)
        return _keys(output, f"the output of {COMMAND_VARIABLE}")
    return tuple(SecretsFolder(settings.secrets).key_encryption_keys().values())


def _keys(text: str, source: str) -> tuple[bytes, ...]:
    return tuple(_key(word, source) for word in text.split() or [""])


def _key(text: str, source: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise SecretsError(f"{source} is not hexadecimal: {_EXPECTED}") from None
    if len(key) != KEY_BYTES:
        raise SecretsError(f"{source} does not hold {KEY_BYTES} bytes: {_EXPECTED}")
    return key


def _output(command: str, timeout_s: float) -> str:
    """What the command writes to standard output. No shell reads it."""
    try:
        # What it says besides may quote a secret: nobody gets to see it.
        done = subprocess.run(  # noqa: S603 - the operator says what to run, as with any setting
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
        output = done.stdout.decode("ascii")
    except UnicodeDecodeError:
        raise SecretsError(f"the output of {COMMAND_VARIABLE} is not text: {_EXPECTED}") from None
    except subprocess.TimeoutExpired:
        raise SecretsError(f"{COMMAND_VARIABLE} did not end within {timeout_s:g} s") from None
    except ValueError:
        raise SecretsError(f"{COMMAND_VARIABLE}: its quotes do not match") from None
    except OSError as error:
        raise SecretsError(f"{COMMAND_VARIABLE} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise SecretsError(
            f"{COMMAND_VARIABLE} ended with exit code {done.returncode}: run it by hand to see why"
        )
    return output
