"""The contracts as an AsyncAPI 3.0 document, made from the registry and the topics.

https://www.asyncapi.com/docs/reference/specification/v3.0.0, Kafka bindings 0.5.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from shared.contract import headers
from shared.contract.codec import CONTRACTS
from shared.contract.registry import REGISTRY, Registered
from shared.contract.services import SERVICES, ServiceSpec
from shared.contract.topics import TOPICS, TopicSpec

assert CONTRACTS  # noqa: S101 - importing them fills the registry

_BINDING: Final = "0.5.0"
_TEXT: Final = {"type": "string", "minLength": 1}
_URI_REFERENCE: Final = {"type": "string", "format": "uri-reference", "minLength": 1}
_TIME: Final = {"type": "string", "format": "date-time"}
_WHOLE_SETTINGS: Final = ("retention.ms", "max.message.bytes")
"""Settings that the binding has as numbers; it knows no others but the clean-up policy."""


def document(version: str) -> dict[str, Any]:
    """The whole document as JSON values. `version` is that of the contracts' release."""
    by_topic = {spec.name: _of_topic(spec) for spec in TOPICS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Steward",
            "version": version,
            "description": "CloudEvents 1.0 over Kafka. Upstream systems may use binary or "
            "structured mode; Steward's own facts are in binary mode.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": headers.JSON,
        "servers": {"kafka": _SERVER},
        "channels": {
            spec.name: _channel(spec, messages)
            for spec, messages in zip(TOPICS, by_topic.values(), strict=True)
        },
        "operations": dict(_operations(by_topic)),
        "components": {
            "messages": {
                name: message
                for messages in by_topic.values()
                for name, message in messages.items()
            },
            "schemas": _schemas(),
        },
    }


_SERVER: Final = {
    "host": "{bootstrap}",
    "protocol": "kafka",
    "variables": {
        "bootstrap": {
            "default": "127.0.0.1:9092",
            "description": "The value of KAFKA_BOOTSTRAP_SERVERS.",
        }
    },
}


def _of_topic(spec: TopicSpec) -> dict[str, Any]:
    """Messages of a topic by name; an upstream's also as they are in structured mode."""
    messages: dict[str, Any] = {}
    for registered in REGISTRY:
        if registered.topic == spec.name:
            messages[registered.name] = _binary(registered, spec)
            if spec.inbound:
                messages[f"{registered.name}.structured"] = _structured(registered, spec)
    return messages


def _message(registered: Registered, spec: TopicSpec) -> dict[str, Any]:
    return {
        "name": registered.name,
        "title": registered.name,
        "summary": (registered.model.__doc__ or "").strip(),
        "bindings": {
            "kafka": {
                "key": {"type": ["string", "null"], "description": spec.keyed_by},
                "bindingVersion": _BINDING,
            }
        },
    }


def _binary(registered: Registered, spec: TopicSpec) -> dict[str, Any]:
    attributes = _attributes(registered)
    properties = {headers.PREFIX + name: schema for name, schema in attributes.items()}
    properties[headers.TRACE_PARENT] = dict(_TEXT)
    required = [headers.SPEC_VERSION, headers.ID, headers.SOURCE, headers.TYPE]
    if not spec.inbound:
        required += [headers.TIME, headers.DATA_SCHEMA]
    return {
        **_message(registered, spec),
        "contentType": headers.JSON,
        "headers": {"type": "object", "properties": properties, "required": required},
        "payload": _ref("components", "schemas", registered.name),
    }


def _structured(registered: Registered, spec: TopicSpec) -> dict[str, Any]:
    return {
        **_message(registered, spec),
        "title": f"{registered.name} (structured mode)",
        "contentType": headers.STRUCTURED,
        "headers": {
            "type": "object",
            "properties": {
                headers.CONTENT_TYPE: {
                    "type": "string",
                    "pattern": f"^{headers.CLOUD_EVENT}\\+json",
                }
            },
            "required": [headers.CONTENT_TYPE],
        },
        "payload": {
            "type": "object",
            "properties": {
                **_attributes(registered),
                headers.TRACE_PARENT: dict(_TEXT),
                "datacontenttype": {"const": headers.JSON},
                "data": _ref("components", "schemas", registered.name),
            },
            "required": ["specversion", "id", "source", "type", "data"],
        },
    }


def _attributes(registered: Registered) -> dict[str, Any]:
    return {
        "specversion": {"const": "1.0"},
        "id": dict(_TEXT),
        "source": dict(_URI_REFERENCE),
        "type": {"const": registered.name},
        "subject": dict(_TEXT),
        "time": dict(_TIME),
        "dataschema": {"const": registered.schema_uri},
        "causationid": dict(_TEXT),
        "snapshot": {"type": "string", "enum": ["true"]},
        "nofee": {"type": "string", "enum": ["true"]},
    }


def _channel(spec: TopicSpec, messages: Iterable[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {"cleanup.policy": spec.settings["cleanup.policy"].split(",")}
    settings.update((name, int(spec.settings[name])) for name in _WHOLE_SETTINGS)
    told = "Requests of upstream systems; taken by" if spec.inbound else "Facts kept by"
    return {
        "address": spec.name,
        "description": f"{told} {spec.owner}.",
        "servers": [_ref("servers", "kafka")],
        "messages": {name: _ref("components", "messages", name) for name in messages},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": settings,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations(by_topic: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, dict[str, Any]]]:
    for service in SERVICES:
        for action, topics in (("receive", service.hears), ("send", service.says)):
            for topic in topics:
                yield (
                    f"{service.name}.{action}.{topic}",
                    _operation(service, action, topic, by_topic[topic]),
                )


def _operation(
    service: ServiceSpec, action: str, topic: str, messages: Iterable[str]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _ref("channels", topic),
        "title": f"{service.name} {'hears' if action == 'receive' else 'says'} {topic}",
        "summary": f"The {service.name} service: {service.does}.",
        "messages": [_ref("channels", topic, "messages", name) for name in messages],
    }


def _schemas() -> dict[str, Any]:
    _, schema = models_json_schema(
        [(registered.model, "validation") for registered in REGISTRY],
        ref_template="#/components/schemas/{model}",
    )
    definitions: dict[str, Any] = schema["$defs"]
    return definitions


def _ref(*path: str) -> dict[str, str]:
    """A JSON reference (RFC 6901 pointer). Names here hold neither slash nor tilde."""
    return {"$ref": "#/" + "/".join(path)}
