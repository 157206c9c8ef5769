"""Logs: JSON lines in production, readable on a terminal, without a personal value in either.

Steward's own code logs through structlog; what libraries say through `logging` comes out here too,
but of their sentences only the template and simple arguments, since they quote what they met.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import re
import sys
from types import TracebackType
from typing import Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.runtime.database import describe
from shared.runtime.redaction import presentable

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Libraries that tell at `info` what they do with every message or request.
_TALKATIVE = ("aiokafka", "asyncio", "faststream", "uvicorn", "httpx2", "docker", "urllib3")
_WARNING = re.compile(r"^\S+:\d+: \w+")
_NAME_LIKE = re.compile(r"^[\w.:/-]{1,100}$", re.ASCII)


def configure_logging(
    service: str,
    format: Literal["auto", "json", "console"] = "auto",  # noqa: A002 - the setting's own name
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Send all logs of this process to `stream` (standard error); call it before anything logs.

    `auto` is `console` on a terminal and `json` elsewhere. A line that cannot be written is lost.
    """
    stream = stream or sys.stderr
    lossy = _Lossy(stream)
    console = format == "console" or (format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _describe_exceptions,
        _add_service(service),
        _redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else _render_json
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", lossy)),
    )
    _route_libraries(shared, render, level, lossy)
    _describe_what_nobody_caught()


class _Lossy:
    """A stream whose errors are nobody's: a disk that is full must not end a loop that logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _route_libraries(
    shared: list[Processor], render: Processor, level: str, stream: _Lossy
) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, _LEVELS[level]))
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(capture=True)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Shortens a library's sentence while its arguments are still apart from it."""

    def format(self, record: logging.LogRecord) -> str:
        shortened = copy.copy(record)
        shortened.msg = _short_sentence(record)
        shortened.args = ()
        return super().format(shortened)


def _short_sentence(record: logging.LogRecord) -> str:
    """The template of a sentence, with numbers and words that look like names filled in."""
    template = str(record.msg).partition("\n")[0]
    if record.name == "py.warnings":
        # "file:line: Category: text", and the text of pydantic's warnings quotes values.
        place = _WARNING.match(template)
        return place.group() if place else "a warning"
    if isinstance(record.args, tuple) and record.args:
        try:
            return template % tuple(_simple(argument) for argument in record.args)
        except (TypeError, ValueError):
            return template
    # A whole sentence beside an error usually is `str(error)`, which may quote anything; the error
    # is described anyway.
    return "a library logged an error" if record.exc_info and not record.args else template


def _simple(argument: object) -> object:
    if isinstance(argument, bool | int | float):
        return argument
    if isinstance(argument, str) and _NAME_LIKE.match(argument):
        return argument
    return f"<{type(argument).__name__}>"


def _describe_exceptions(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    given = event_dict.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event_dict.update(describe(error))
    event_dict.pop("exception", None)
    event_dict.pop("stack_info", None)
    return event_dict


def _add_service(service: str) -> Processor:
    def add(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
        event_dict.setdefault("service", service)
        return event_dict

    return add


def _redact(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    for name, value in event_dict.items():
        if not name.startswith("_"):
            event_dict[name] = presentable(value)
    return event_dict


def _render_json(_: WrappedLogger, __: str, event_dict: EventDict) -> str:
    return orjson.dumps(event_dict, default=lambda value: f"<{type(value).__name__}>").decode()


def _describe_what_nobody_caught() -> None:
    """Python's own report of an error that ends the process shows its text: describe it instead."""
    log = structlog.get_logger("process")

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("an error ended the process", **describe(error.with_traceback(trace)))

    def unraisable(args: object) -> None:
        error = getattr(args, "exc_value", None)
        if isinstance(error, BaseException):
            log.error("an error nobody could catch", **describe(error))

    sys.excepthook = hook
    sys.unraisablehook = unraisable
