"""An opened value tells nobody what it holds who does not ask for it by `reveal()`."""

from __future__ import annotations

import copy
import inspect
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from uuid import uuid4

import orjson
import pytest
import structlog
from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python
from rich.console import Console

from shared.contract.types import SubjectId
from shared.privacy.values import Disclosed, ToSeal
from shared.runtime.logging import configure_logging

CANARY = "canary@example.org"
DEEP = "canary of a list"


@dataclass
class Holder:
    value: Disclosed


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: Disclosed


@pytest.fixture
def opened() -> Disclosed:
    return Disclosed({"email": CANARY, "name": None, "nights": [DEEP]})


def says_nothing(text: object) -> bool:
    return CANARY not in str(text) and DEEP not in str(text)


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        lambda value: f"{value}",
        lambda value: f"{value!r:>50}",
        lambda value: f"{value:>50}",
        lambda value: "%s %r" % (value, [value]),  # noqa: UP031 - one of the ways to be told
        lambda value: repr({"a": [value]}),
        lambda value: repr(Holder(value)),
        lambda value: repr(Model(value=value)),
        lambda value: str(Model(value=value).model_dump()),
        lambda value: str(inspect.getmembers(value)),
        lambda value: pprint.pformat([value]),
        lambda value: str(dir(value)),
    ],
)
def test_an_opened_value_says_nothing_when_it_is_shown(
    opened: Disclosed, show: Callable[[object], str]
) -> None:
    assert says_nothing(show(opened))


def test_an_opened_value_says_nothing_to_a_console(opened: Disclosed) -> None:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as capture:
        console.print(opened, [opened], Holder(opened))
    assert "Disclosed" in capture.get()
    assert says_nothing(capture.get())


def test_an_opened_value_says_nothing_to_the_standard_log(
    opened: Disclosed, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("test").error("%s %r", opened, [opened], extra={"value": opened})
    assert "Disclosed" in caplog.text
    assert says_nothing(caplog.text)
    assert all(says_nothing(vars(record)) for record in caplog.records)


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("form", ["json", "console"])
def test_an_opened_value_says_nothing_to_our_log(opened: Disclosed, form: str) -> None:
    written = io.StringIO()
    configure_logging("test", form, "debug", stream=written)  # type: ignore[arg-type]
    structlog.get_logger("test").info("opened", value=opened, many=[opened], deep={"a": opened})
    logging.getLogger("test").error("opened %s", opened)
    assert written.getvalue().count("opened") >= 2
    assert says_nothing(written.getvalue())


def test_an_opened_value_says_nothing_to_structlog(opened: Disclosed) -> None:
    for render in (structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer()):
        assert says_nothing(render(None, "info", {"event": "opened", "value": opened}))


@pytest.mark.parametrize(
    "leave",
    [
        json.dumps,
        lambda value: json.dumps({"a": [value]}),
        orjson.dumps,
        lambda value: orjson.dumps(Holder(value)),
        lambda value: orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY),
        to_json,
        to_jsonable_python,
        lambda value: Model(value=value).model_dump_json(),
        lambda value: Model(value=value).model_dump(mode="json"),
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        lambda value: asdict(Holder(value)),
        dict,
        list,
        vars,
        len,
        lambda value: {**value},
        lambda value: value["email"],
        lambda value: value.__dict__,
    ],
)
def test_an_opened_value_is_not_written_copied_or_taken_apart(
    opened: Disclosed, leave: Callable[[object], object]
) -> None:
    with pytest.raises((TypeError, AttributeError, PydanticSerializationError)) as error:
        leave(opened)
    assert says_nothing(error.value)


def test_an_opened_value_is_not_written_where_anything_else_is_made_a_text(
    opened: Disclosed,
) -> None:
    for default in (str, repr):
        assert says_nothing(json.dumps([opened], default=default))
        assert says_nothing(orjson.dumps([opened], default=default))
    assert says_nothing(to_json([opened], fallback=str))


def test_what_pickle_would_take_of_an_opened_value_holds_nothing(opened: Disclosed) -> None:
    assert says_nothing(object.__getstate__(opened))


def test_an_opened_value_says_nothing_in_a_traceback_that_shows_locals(opened: Disclosed) -> None:
    def fails(value: Disclosed) -> None:
        raise RuntimeError(f"{value} %s" % value)

    with pytest.raises(RuntimeError) as error:
        fails(opened)
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    text = "".join(shown.format())
    assert "value = <Disclosed" in text
    assert says_nothing(text)


def test_whoever_asks_for_the_values_gets_them_and_changes_nobody_elses(opened: Disclosed) -> None:
    whole = {"email": CANARY, "name": None, "nights": [DEEP]}
    dict(opened.reveal()).clear()
    assert opened.reveal() == whole
    assert opened.reveal() is not opened.reveal()


def test_what_is_about_to_be_sealed_is_not_shown() -> None:
    assert says_nothing(repr(ToSeal(SubjectId(uuid4()), "contact", "", {"email": CANARY})))
