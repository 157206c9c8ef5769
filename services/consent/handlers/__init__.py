"""What the consent service does: it records what people say, and knows what holds."""

from services.consent.handlers.recording import SAID_AT_ONCE, Handlers
from services.consent.handlers.registrations import answers_something
from services.consent.handlers.told_by_contacts import says_only_yes

__all__ = ["SAID_AT_ONCE", "Handlers", "answers_something", "says_only_yes"]
