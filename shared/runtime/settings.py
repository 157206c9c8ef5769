"""Settings come from the environment, are checked once, and never change while a process runs.

A service's `settings.py` extends `ServiceSettings`; `load` alone reads the environment, so that
tests and commands can build settings from arguments without any variable leaking in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableValueError

from shared.runtime.cluster import Cluster, Login, Tls


class SettingsError(Exception):
    """Some variables are wrong. The text names each and what was expected, and shows no value."""


def _is_database_url(value: str) -> str:
    if re.match(r"^postgres(ql)?://", value) is None:
        raise ValueError("expected postgresql://[user[:password]@]host[:port]/database")
    return value


def _are_bootstrap_servers(value: str) -> str:
    servers = [server.strip() for server in value.split(",")]
    if not all(re.match(r"^[^\s:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$", s) for s in servers):
        raise ValueError("expected host:port, several separated by commas")
    return ",".join(servers)


DatabaseUrl = Annotated[str, AfterValidator(_is_database_url)]


def _is_vault_address(value: str) -> str:
    # A token and data keys in clear go there: only a process of the same machine may see them.
    local = r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
    if re.fullmatch(rf"https://[^/?#@\s]+|{local}", value.rstrip("/")) is None:
        raise ValueError("expected https://host[:port]; http:// only for this machine")
    return value.rstrip("/")


VaultAddress = Annotated[str, AfterValidator(_is_vault_address)]


def _takes_traces(value: str) -> str:
    if re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value) is None:
        raise ValueError("expected http://host[:port] or https://host[:port]")
    return value


OtlpEndpoint = Annotated[str, AfterValidator(_takes_traces)]
BootstrapServers = Annotated[str, AfterValidator(_are_bootstrap_servers)]
Niceness = Annotated[
    int, Field(ge=0, le=19, description="0: as others; 19: others go first as far as can be")
]
Hears = Literal["all", "urgent", "rest"]
"""What a process hears of all that its service does: also or only what people wait for, or not."""


class SettingsBase(BaseSettings):
    """Values of the variables with the prefix `STEWARD_`; built from arguments or by `load`."""

    model_config = SettingsConfigDict(
        env_prefix="STEWARD_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment (or `environ` instead of it). Raises `SettingsError`."""
        source = EnvSettingsSource(cls)
        given = os.environ if environ is None else environ
        source.env_vars = {name.lower(): value for name, value in given.items() if value != ""}
        try:
            return cls(**source())
        except UnreadableValueError as error:
            raise SettingsError(_hide_values(str(error))) from None
        except ValidationError as error:
            raise SettingsError(_explain(cls, error)) from None


def variable_of(settings: type[SettingsBase], field: str) -> str:
    """The name of the environment variable that a field is read from."""
    info = settings.model_fields.get(field)
    alias = info.validation_alias if info is not None else None
    return alias if isinstance(alias, str) else f"STEWARD_{field.upper()}"


def _explain(settings: type[SettingsBase], error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_context=False, include_url=False):
        if not fault["loc"]:  # of several variables together; it names them itself
            lines.append(fault["msg"].removeprefix("Value error, "))
            continue
        location = str(fault["loc"][0])
        known = {variable_of(settings, name): name for name in settings.model_fields}
        name = known.get(location, location)
        info = settings.model_fields.get(name)
        about = f" ({info.description})" if info is not None and info.description else ""
        if fault["type"] == "missing":
            lines.append(f"{variable_of(settings, name)} is not set{about}")
        else:
            expected = fault["msg"].removeprefix("Value error, ")
            lines.append(f"{variable_of(settings, name)}: {expected}{about}")
    return "\n".join(lines)


def _hide_values(text: str) -> str:
    """Keep the name of the field of pydantic-settings' sentence and nothing that follows it."""
    named = re.search(r'field "(\w+)"', text)
    field = named.group(1) if named else "?"
    return f"STEWARD_{field.upper()}: expected JSON"


class TopicSettings(SettingsBase):
    """What only who makes topics needs to know."""

    replication_factor: int | None = Field(
        default=None,
        ge=1,
        le=9,
        description="replicas of a topic; else one a broker, three at most",
    )


class KafkaSettings(SettingsBase):
    """Where Kafka is and how to connect; but for the beginning, the names are librdkafka's."""

    kafka_bootstrap_servers: BootstrapServers = Field(
        validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="the brokers, as host:port"
    )
    # SASL without TLS is not offered: the password, and personal data, would go in clear.
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        default="PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    kafka_ssl_ca_location: Path | None = Field(
        default=None,
        validation_alias="KAFKA_SSL_CA_LOCATION",
        description="a PEM file of the authorities of the brokers' certificates",
    )
    kafka_ssl_certificate_location: Path | None = Field(
        default=None,
        validation_alias="KAFKA_SSL_CERTIFICATE_LOCATION",
        description="a PEM file with this client's certificate",
    )
    kafka_ssl_key_location: Path | None = Field(
        default=None,
        validation_alias="KAFKA_SSL_KEY_LOCATION",
        description="a PEM file with the key of that certificate, where the other lacks it",
    )
    kafka_ssl_key_password: SecretStr | None = Field(
        default=None, validation_alias="KAFKA_SSL_KEY_PASSWORD"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", validation_alias="KAFKA_SASL_MECHANISM"
    )
    kafka_sasl_username: str | None = Field(default=None, validation_alias="KAFKA_SASL_USERNAME")
    kafka_sasl_password: SecretStr | None = Field(
        default=None, validation_alias="KAFKA_SASL_PASSWORD"
    )

    @cached_property
    def cluster(self) -> Cluster:
        """Where Kafka is and how to connect. Its files are read once."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return Cluster(self.kafka_bootstrap_servers)
        tls = Tls(
            ca=self.kafka_ssl_ca_location,
            certificate=self.kafka_ssl_certificate_location,
            key=self.kafka_ssl_key_location,
            key_password=_revealed(self.kafka_ssl_key_password),
        )
        return Cluster(self.kafka_bootstrap_servers, tls, self._login())

    def _login(self) -> Login | None:
        if self.kafka_security_protocol != "SASL_SSL":
            return None
        password = _revealed(self.kafka_sasl_password)
        if not self.kafka_sasl_username or not password:
            raise ValueError("SASL_SSL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        return Login(self.kafka_sasl_mechanism, self.kafka_sasl_username, password)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """What would be left unused is refused: who sets a certificate does not expect clear text.
        What `cluster` needs is looked at before anything starts.
        """
        certificates = (
            self.kafka_ssl_ca_location,
            self.kafka_ssl_certificate_location,
            self.kafka_ssl_key_location,
            self.kafka_ssl_key_password,
        )
        login = (self.kafka_sasl_username, self.kafka_sasl_password)
        if self.kafka_security_protocol == "PLAINTEXT" and any(certificates):
            raise ValueError("KAFKA_SSL_… needs KAFKA_SECURITY_PROTOCOL=SSL, or SASL_SSL")
        if self.kafka_security_protocol != "SASL_SSL" and any(login):
            raise ValueError("KAFKA_SASL_… needs KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        if self.kafka_ssl_key_location and not self.kafka_ssl_certificate_location:
            raise ValueError("KAFKA_SSL_KEY_LOCATION needs KAFKA_SSL_CERTIFICATE_LOCATION")
        _ = self.cluster
        return self


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


class ServiceSettings(KafkaSettings):
    """What every service needs to know. Times are in the unit that a name ends with."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(protected_namespaces=())

    database_url: DatabaseUrl = Field(
        validation_alias="DATABASE_URL",
        description="postgresql://[user:password@]host:port/database; commands of the"
        " administrator's sign in with user and password, all else ignores them",
        repr=False,
    )
    secrets: Path = Field(
        default=Path(".local/secrets"), description="the folder that `steward init` made"
    )
    key_encryption_key: SecretStr | None = Field(
        default=None,
        description="64 hexadecimal digits, the newest first; else those in the folder of secrets",
    )
    key_encryption_key_command: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="a command that writes the same; no shell reads it",
    )
    vault_address: VaultAddress | None = Field(
        default=None, description="where HashiCorp Vault keeps the key-encryption key"
    )
    vault_key: str = Field(
        default="transit/steward",
        pattern=r"^[\w./-]+/[\w.-]+$",
        description="where its transit engine is mounted, and the name of the key there",
    )
    vault_token_file: Path = Field(
        default=Path(".local/vault-token"), description="a file with the token for Vault"
    )
    plan: Path = Field(default=Path("plan.toml"), description="the information management plan")

    # As OpenTelemetry's specification names them; its SDK reads what else there is.
    otlp_endpoint: OtlpEndpoint | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="where traces are taken, as http://localhost:4318; else there are none",
    )
    otlp_protocol: Literal["http/protobuf"] = Field(
        default="http/protobuf", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL"
    )

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535, description="0: any free port")
    http_port_file: Path | None = Field(
        default=None, description="where the chosen port is written, for who starts the service"
    )

    # One poll, one transaction: larger is faster until a transaction nears its time limit.
    batch_max_records: int = Field(default=1000, ge=1, le=10_000)
    # A consumer that is silent for so long loses its partitions; database time limits derive from
    # it, so that a stopped process has lost its transaction before another has its partitions.
    session_timeout_ms: int = Field(default=10_000, ge=1_000, le=300_000)
    # Clear text from upstream that has been processed is deleted from its topic after so long: long
    # enough to look into a fault of the same day.
    inbound_kept_hours: float = Field(default=6.0, gt=0, le=168)
    # What people wait for has a process of its own where another one of the service hears the rest.
    hears: Hears = "all"
    # How far the process gives way to others on the same processors, as nice(2) counts it. None:
    # not at all where people wait for something that it hears, else so that those go first.
    niceness: Niceness | None = None
    # A stop takes no longer than this: then what still runs is cancelled and rolled back.
    stop_timeout_s: float = Field(default=10.0, gt=0, le=60)
