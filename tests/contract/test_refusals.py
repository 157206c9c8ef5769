"""What of a record is refused, and in which words: they name fields and rules, never values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.contract.codec import decode
from shared.contract.headers import NO_TEXT
from shared.contract.message import Undecodable
from shared.contract.topics import MAX_MESSAGE_BYTES
from tests.support import golden
from tests.support.records import MadeRecord, binary, refused, structured

DATA: dict[str, Any] = {
    "registration_number": "K-1",
    "event_number": "EV-1",
    "answers": {"name": "Äijö"},
}
ANNOUNCED: dict[str, Any] = golden.read("EventAnnounced", 1)["examples"][0]
JSON_TYPE = ("content-type", b"application/json")


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (MadeRecord(None), "json_broken", "the record has no body"),
        (binary("RegistrationSubmitted", b'{"a": '), "json_broken", "no JSON"),
        (binary("RegistrationSubmitted", b'{"a": NaN}'), "json_broken", "no JSON"),
        (binary("RegistrationSubmitted", b'"\\ud800"'), "json_broken", "no JSON"),
        (binary("RegistrationSubmitted", b"\xef\xbb\xbf{}"), "json_broken", "no JSON"),
        (binary("RegistrationSubmitted", b"[" * 100_000), "json_broken", "no JSON"),
        (binary("RegistrationSubmitted", b'{"a": "\xe4"}'), "not_utf8", "byte 7 of the body"),
        (
            MadeRecord(
                b"{}", (*binary("RegistrationSubmitted", DATA).headers, (f"gr{NO_TEXT}n", b""))
            ),
            "envelope_invalid",
            "the name of a header",
        ),
        (binary("RegistrationSubmitted", b"x" * (MAX_MESSAGE_BYTES + 1)), "too_large", "exceeds"),
        (binary("Nothing", DATA), "type_unknown", "type is none that the registry knows"),
        (binary("RegistrationSubmitted", [DATA]), "field_invalid", "must be a JSON object"),
        (
            binary("RegistrationSubmitted", DATA, dataschema="steward:RegistrationSubmitted/2"),
            "version_unknown",
            "the newest known version is 1",
        ),
        (
            binary("RegistrationSubmitted", DATA, dataschema="steward:RegistrationSubmitted/0"),
            "version_unknown",
            "the newest known version is 1",
        ),
        (
            binary("RegistrationSubmitted", DATA, dataschema="steward:EventAnnounced/1"),
            "envelope_invalid",
            "dataschema must be",
        ),
        (
            binary("RegistrationSubmitted", DATA, dataschema="steward:RegistrationSubmitted/²"),
            "envelope_invalid",
            "dataschema must be",
        ),
        (
            binary(
                "RegistrationSubmitted",
                DATA,
                dataschema="steward:RegistrationSubmitted/" + "9" * 250,
            ),
            "version_unknown",
            "newest",
        ),
        (binary("RegistrationSubmitted", DATA, id=None), "envelope_invalid", "id is missing"),
        (binary("RegistrationSubmitted", DATA, source=""), "envelope_invalid", "source is missing"),
        (binary("", DATA), "envelope_invalid", "type is missing"),
        (
            binary("RegistrationSubmitted", DATA, specversion=None),
            "envelope_invalid",
            "the record is no CloudEvent",
        ),
        (
            binary("RegistrationSubmitted", DATA, specversion="0.3"),
            "envelope_invalid",
            "specversion must be 1.0",
        ),
        (binary("RegistrationSubmitted", DATA, time="noon"), "envelope_invalid", "RFC 3339"),
        (
            binary("RegistrationSubmitted", DATA, time="2026-09-01T08:00:00"),
            "envelope_invalid",
            "time must say its offset from UTC",
        ),
        (
            binary("RegistrationSubmitted", DATA, time="0001-01-01T00:00:00+23:59"),
            "envelope_invalid",
            "time must be written",
        ),
        (binary("RegistrationSubmitted", DATA, id="x" * 301), "envelope_invalid", "id must not"),
        (binary("RegistrationSubmitted", DATA, id="x\ny"), "envelope_invalid", "id must have"),
        (structured("RegistrationSubmitted", DATA, id=5), "envelope_invalid", "id must be text"),
        (
            structured("RegistrationSubmitted", DATA, datacontenttype="text/xml"),
            "envelope_invalid",
            "datacontenttype must be application/json",
        ),
        (
            MadeRecord(b"[]", (("content-type", b"application/cloudevents+json"),)),
            "envelope_invalid",
            "the body is no JSON object",
        ),
        (
            MadeRecord(b"[]", (("content-type", b"application/cloudevents-batch+json"),)),
            "envelope_invalid",
            "only application/cloudevents+json is read",
        ),
        (
            MadeRecord(b"{}", (("ce_specversion", b"1.0"), ("ce_subject", b"\xff"), JSON_TYPE)),
            "envelope_invalid",
            "header ce_subject is no UTF-8",
        ),
    ],
)
def test_what_is_no_message_says_why(record: MadeRecord, reason: str, detail: str) -> None:
    code, words = refused(record)
    assert code == reason
    assert detail in words


def without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


@pytest.mark.parametrize(
    ("kind", "data", "reason", "detail"),
    [
        (
            "RegistrationSubmitted",
            without(DATA, "event_number"),
            "field_missing",
            "event_number is missing",
        ),
        (
            "RegistrationSubmitted",
            {**DATA, "registration_number": 5},
            "field_invalid",
            "registration_number must be text",
        ),
        (
            "RegistrationSubmitted",
            {**DATA, "registration_number": "x" * 201},
            "field_invalid",
            "registration_number must not be longer than 200 characters",
        ),
        (
            "RegistrationSubmitted",
            {**DATA, "consents": [{"purpose": "m", "given": "yes", "wording": "w"}]},
            "field_invalid",
            "consents.0.given must be true or false",
        ),
        (
            "RegistrationSubmitted",
            {**DATA, "answers": []},
            "field_invalid",
            "answers must be an object",
        ),
        (
            "RegistrationSubmitted",
            {**DATA, "answers": {str(number): 1 for number in range(501)}},
            "field_invalid",
            "answers must have at most 500 items",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "capacity": "40"},
            "field_invalid",
            "capacity must be a whole number",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "capacity": 0},
            "field_invalid",
            "capacity must be at least 1",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "title": {"Äijö": "x"}},
            "field_invalid",
            "title.*.* must have the form",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "starts_at": 1_780_000_000},
            "field_invalid",
            "starts_at must be a time as RFC 3339 writes it",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "starts_at": "2026-11-23T09:00:00"},
            "field_invalid",
            "starts_at must say its offset from UTC",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "ends_at": "2025-11-23T09:00:00Z"},
            "field_invalid",
            "ends_at must not be before starts_at",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "time_zone": "Europe"},
            "field_invalid",
            "time_zone must be a time zone of the IANA database",
        ),
        (
            "EventAnnounced",
            without(ANNOUNCED, "vat_class"),
            "field_invalid",
            "vat_class must be given for an event with a fee",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "fee": {"minor_units": -1, "currency": "EUR"}},
            "field_invalid",
            "fee must not be negative",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "form": [ANNOUNCED["form"][0]] * 2},
            "field_invalid",
            "form must not have two fields of one name",
        ),
        (
            "EventAnnounced",
            {**ANNOUNCED, "form": [5] * 8},
            "field_invalid",
            "form.4 must be an object; 3 more faults",
        ),
        (
            "ContactSubmitted",
            {**golden.read("ContactSubmitted", 1)["examples"][0], "email": "no address"},
            "field_invalid",
            "email must have the form",
        ),
    ],
)
def test_an_invalid_field_is_named_with_its_rule(
    kind: str, data: dict[str, Any], reason: str, detail: str
) -> None:
    code, words = refused(binary(kind, data))
    assert code == reason
    assert detail in words


def test_what_is_known_of_the_envelope_goes_with_a_refusal() -> None:
    result = decode(binary("RegistrationSubmitted", b"{"))
    assert isinstance(result, Undecodable)
    assert result.envelope is not None
    assert result.envelope.id == "m-1"
