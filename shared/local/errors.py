"""What can go wrong on this machine. Every message says what was wrong and what to do."""

from __future__ import annotations


class LocalError(Exception):
    """Something on this machine keeps Kafka, Postgres or a service from running."""


class PackageError(LocalError):
    """A package could not be had, or is not the one that the lock file names."""


class PortInUseError(LocalError):
    """A port that was asked for belongs to another process."""


class AlreadyRunningError(LocalError):
    """Another supervisor runs on the same folder."""


class NotReadyError(LocalError):
    """A process ended before it was ready, or was not ready in time."""
