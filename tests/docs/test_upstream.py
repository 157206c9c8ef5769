"""The page for upstream systems: its examples are messages that Steward takes, its tables name
every field of every type, and its numbers are those of the code.
"""

from __future__ import annotations

import re
import typing

import pytest

from services.cli.inbound_lines import ToSend, read_line
from services.registration.handlers.periodic import LONGEST_WAIT
from shared.contract import inbound
from shared.contract.envelope import MAX_ATTRIBUTE
from shared.contract.message import Message
from shared.contract.registration import RejectionReason
from shared.contract.registry import REGISTRY, MessageData, Registered
from shared.contract.topics import INBOUND, INBOUND_KEPT, MAX_MESSAGE_BYTES
from shared.messaging.planning import KEEP_DAYS
from shared.privacy.plan import load_plan
from tests.conftest import ROOT
from tests.support.records import MadeRecord, accepted

PAGE = (ROOT / "docs" / "upstream.md").read_text("utf-8")
PLAN = load_plan(ROOT / "plan.toml")
TYPES = {kind.name: kind for kind in REGISTRY if kind.topic in INBOUND}


def section(heading: str) -> str:
    return PAGE.split(f"\n### {heading}\n")[1].split("\n#")[0]


def structured(text: str) -> ToSend:
    """As `steward send` does it: the body as it stands, under the key that the page gives it."""
    return read_line(text.encode())


def binary(text: str) -> ToSend:
    """Headers, one a line, an empty line, and the body."""
    head, _, body = text.partition("\n\n")
    headers = [line.split(": ", 1) for line in head.splitlines()]
    return ToSend(
        inbound.REGISTRATIONS,
        b"TL-0000006",
        body.encode(),
        tuple((name, value.encode()) for name, value in headers),
    )


EXAMPLES = [
    *(structured(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)),
    *(binary(text) for text in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)),
]


def message(sent: ToSend) -> Message[MessageData]:
    return accepted(MadeRecord(sent.value, sent.headers, sent.key, sent.topic))


def of_type(kind: type[MessageData]) -> list[MessageData]:
    return [data for data in (message(sent).data for sent in EXAMPLES) if isinstance(data, kind)]


@pytest.mark.parametrize("sent", EXAMPLES)
def test_an_example_is_taken_as_it_stands(sent: ToSend) -> None:
    taken = message(sent)
    assert taken.data.topic == sent.topic
    assert PLAN.admit(taken) is None
    assert taken.surplus == ()
    assert taken.envelope.time is not None
    assert sent.key is not None
    assert sent.key.decode() in taken.data.model_dump().values()


def test_no_two_examples_are_one_message() -> None:
    envelopes = [message(sent).envelope for sent in EXAMPLES]
    assert len({(one.source, one.id) for one in envelopes}) == len(EXAMPLES)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())
def test_a_type_has_an_example_in_its_section(kind: Registered) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", section(kind.name), re.DOTALL)
    assert message(structured(text)).data.message_type == kind.name


def test_one_example_is_in_binary_mode() -> None:
    (sent,) = (one for one in EXAMPLES if b"1.0" in dict(one.headers).values())
    assert message(sent).data.message_type == "RegistrationSubmitted"


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES.keys())
def test_a_table_has_every_field_of_its_type(kind: Registered) -> None:
    rows = re.findall(r"^\| (`.+?) \| (yes|no) \|", section(kind.name), re.MULTILINE)
    told = {name: must for names, must in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {
        name: "yes" if field.is_required() else "no"
        for name, field in kind.model.model_fields.items()
    }


def test_the_announced_event_is_one_that_the_plan_allows() -> None:
    (event,) = of_type(inbound.EventAnnounced)
    assert isinstance(event, inbound.EventAnnounced)
    assert event.unit in PLAN.units
    assert event.vat_class in PLAN.vat_classes
    assert set(event.recipients) <= PLAN.recipients.keys()
    for asked in event.form:
        assert asked.field in PLAN.fields
        assert asked.field.partition(".")[0] in PLAN.purposes[asked.purpose].categories


def test_whoever_registers_answers_what_the_event_asks_in_words_of_the_plan() -> None:
    (event,) = of_type(inbound.EventAnnounced)
    assert isinstance(event, inbound.EventAnnounced)
    required = {asked.name for asked in event.form if asked.required}
    for data in of_type(inbound.RegistrationSubmitted):
        assert isinstance(data, inbound.RegistrationSubmitted)
        assert required <= data.answers.keys() <= {asked.name for asked in event.form}
        assert set(data.share_with_participants) <= PLAN.fields.keys()
        for answer in data.consents:
            wording = PLAN.wording(answer.wording, answer.language)
            assert wording is not None
            assert wording.purpose == answer.purpose


def test_every_reason_for_a_no_is_told_and_no_other() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| declined |"))
    waiting = next(line for line in PAGE.splitlines() if line.startswith("| waiting |"))
    told = set(re.findall(r"`([a-z]+_[a-z_]+)`", f"{row} {waiting}"))
    assert told == set(typing.get_args(RejectionReason))


def test_limits_are_those_of_the_code() -> None:
    assert f"{MAX_MESSAGE_BYTES:,} bytes" in PAGE
    assert f"An attribute: {MAX_ATTRIBUTE} characters" in PAGE
    assert f"For {KEEP_DAYS} days" in PAGE
    assert (LONGEST_WAIT.days, INBOUND_KEPT.days) == (1, 7)
    assert "a day at most" in PAGE
    assert "not after seven days" in PAGE
