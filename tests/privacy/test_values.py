from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict, dataclass
from uuid import uuid4

import orjson
import pytest
import structlog
from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from shared.contract.types import SubjectId
from shared.privacy.values import Disclosed, ToSeal

CANARY = "canary@example.org"


@pytest.fixture
def opened() -> Disclosed:
    return Disclosed({"email": CANARY, "name": None})


def test_an_opened_value_says_nothing_when_it_is_shown(
    opened: Disclosed, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("test").error("%s %r", opened, [opened])
    shown = [str(opened), repr(opened), f"{opened}", f"{opened:>50}", repr({"a": [opened]})]
    assert not any(CANARY in text for text in (*shown, caplog.text))


def test_an_opened_value_is_not_written_as_json(opened: Disclosed) -> None:
    for write in (json.dumps, orjson.dumps):
        with pytest.raises(TypeError) as error:
            write(opened)
        assert CANARY not in str(error.value)


def test_an_opened_value_is_not_pickled_or_copied(opened: Disclosed) -> None:
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as error:
            leave(opened)
        assert CANARY not in str(error.value)


def test_an_opened_value_hides_inside_other_types(opened: Disclosed) -> None:
    @dataclass
    class Holder:
        value: Disclosed

    class Model(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: Disclosed

    assert CANARY not in repr(Holder(opened))
    assert CANARY not in repr(Model(value=opened))
    with pytest.raises(TypeError):
        asdict(Holder(opened))
    assert not hasattr(opened, "__dict__")


def test_an_opened_value_says_nothing_to_structlog(opened: Disclosed) -> None:
    for render in (structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer()):
        assert CANARY not in str(render(None, "info", {"event": "opened", "value": opened}))


def test_an_opened_value_is_not_written_by_pydantic(opened: Disclosed) -> None:
    for write in (to_json, to_jsonable_python):
        with pytest.raises(PydanticSerializationError) as error:
            write(opened)
        assert CANARY not in str(error.value)


def test_an_opened_value_says_nothing_in_a_traceback_that_shows_locals(opened: Disclosed) -> None:
    def fails(value: Disclosed) -> None:
        raise RuntimeError(f"{value} %s" % value)

    with pytest.raises(RuntimeError) as error:
        fails(opened)
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    text = "".join(shown.format())
    assert "value = <Disclosed" in text
    assert CANARY not in text


def test_whoever_asks_for_the_values_gets_them(opened: Disclosed) -> None:
    assert opened.reveal() == {"email": CANARY, "name": None}
    assert (opened["email"], opened.get("name"), opened.get("phone", "-")) == (CANARY, None, "-")
    assert ("email" in opened, "phone" in opened, list(opened), len(opened)) == (
        True,
        False,
        ["email", "name"],
        2,
    )


def test_what_is_about_to_be_sealed_is_not_shown() -> None:
    assert CANARY not in repr(ToSeal(SubjectId(uuid4()), "contact", "", {"email": CANARY}))
