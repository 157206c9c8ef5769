"""Puts the retention service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.retention.handlers.periodic import Periodic
from services.retention.handlers.rescheduling import Rescheduler
from services.retention.settings import Settings
from services.retention.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.periodic import keep_working
from shared.messaging.service import Service
from shared.privacy.office import PrivacyOffice
from shared.runtime.application import LoopFunction

NAME = "retention"


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        periodic = Periodic(PrivacyOffice(parts.privacy, f"service:{NAME}"))
        rescheduler = Rescheduler(parts.privacy.in_force)
        loops: dict[str, LoopFunction] = {
            name: partial(keep_working, parts.work, work, settings.periodic_interval_s)
            for name, work in (
                ("report-attempts", periodic.report_attempts),
                ("retire-aliases", periodic.retire_aliases),
                ("forget-aliases", periodic.forget_aliases),
                ("tell-due", periodic.tell_due),
                ("follow-plan", rescheduler.reschedule),
            )
        }
        yield parts.service(settings, subscriptions(parts.privacy), loops)
