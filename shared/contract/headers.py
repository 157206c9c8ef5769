"""Names of record headers: CloudEvents 1.0, Kafka protocol binding (section 3.2.3), and W3C."""

from __future__ import annotations

from typing import Final

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
SPEC_VERSION: Final = "ce_specversion"
ID: Final = "ce_id"
SOURCE: Final = "ce_source"
TYPE: Final = "ce_type"
SUBJECT: Final = "ce_subject"
TIME: Final = "ce_time"
DATA_SCHEMA: Final = "ce_dataschema"
CAUSATION_ID: Final = "ce_causationid"
"""Our extension: the id of the message that led to this one."""
SNAPSHOT: Final = "ce_snapshot"
"""Our extension: `true` on a fact that is said again for readers who came late."""
NO_FEE: Final = "ce_nofee"
"""Our extension: `true` on a fact about taking part that is free of charge."""
TRACE_PARENT: Final = "traceparent"
"""W3C Trace Context, level 1, section 3.2."""
NO_TEXT: Final = "\ufffd"
"""Is in a name where that is no UTF-8: brokers that write a batch anew put it there, and our reader
of batches does the same."""

JSON: Final = "application/json"
CLOUD_EVENT: Final = "application/cloudevents"
STRUCTURED: Final = "application/cloudevents+json"
