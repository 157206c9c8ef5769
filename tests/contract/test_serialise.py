"""What we write ourselves is what pydantic would have written."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.contract.inbound import ConsentAnswer
from shared.contract.registration import EventState, ParticipantRegistered
from shared.contract.registry import Registered
from shared.contract.serialise import list_to_json, sealed_to_json, to_json
from shared.contract.types import Sealed
from tests.support import golden

EXAMPLES = [pytest.param(kind, example, id=name) for name, kind, example in golden.examples()]


@pytest.mark.parametrize(("registered", "example"), EXAMPLES)
def test_every_type_is_written_byte_for_byte_as_pydantic_writes_it(
    registered: Registered, example: dict[str, Any]
) -> None:
    data = registered.model.model_validate(example)
    assert to_json(data) == data.model_dump_json().encode()


def test_a_part_that_many_share_is_written_for_each_as_it_is() -> None:
    example = golden.read("ParticipantRegistered", 1)["examples"][0]
    states = [
        EventState.model_validate({**example["event"], "version": version})
        for version in range(1, 600)
    ]
    facts = [ParticipantRegistered.model_validate({**example, "event": one}) for one in states]
    for fact in [*facts, *facts]:
        assert to_json(fact) == fact.model_dump_json().encode()


def test_answers_and_sealed_values_are_written_as_arrays_and_objects() -> None:
    answer = ConsentAnswer(purpose="marketing", given=True, wording="w-1", language="fi")
    assert list_to_json((answer, answer)) == b"[%b,%b]" % ((answer.model_dump_json().encode(),) * 2)
    assert sealed_to_json({"contact": Sealed(b"\xff\xfe")}) == b'{"contact":"//4="}'


def test_what_no_contract_has_is_not_written() -> None:
    odd = ConsentAnswer.model_construct(
        purpose=cast("str", object()), given=True, wording="w", language="fi"
    )
    with pytest.raises(TypeError):
        to_json(odd)
