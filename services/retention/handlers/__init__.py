"""What the retention service does: it knows of everything that is kept when it must go."""

from services.retention.handlers.scheduling import Handlers

__all__ = ["Handlers"]
