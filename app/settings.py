"""The environment, read once."""

import difflib
import ipaddress
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote_plus, urlsplit

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app import projects
from app.environment import Listed
from app.errors import ConfigurationError
from app.hidden import blanked, in_address
from app.oidc import OidcSettings, is_this_machine
from solvers.compiled.library import Kernel, KernelMissing, use

PREFIX = "SPLITPLAN_"
ENV_FILE = "SPLITPLAN_ENV_FILE"
# Whoever has set these for the client may run the service too.
_OF_THE_CLIENT = ("SPLITPLAN_URL", "SPLITPLAN_API_KEY")
# As Standard Webhooks asks.
_LEAST_SECRET_BYTE = 24
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\]")


def _default_database_url() -> str:
    return f"sqlite:///{user_data_path('splitplan') / 'splitplan.db'}"


class LogFormat(StrEnum):
    """How lines of the log are written."""

    TEXT = "text"
    JSON = "json"


class Settings(OidcSettings):
    """Every setting: `SPLITPLAN_` and its name in capitals."""

    # `read_settings` refuses unknown names; the file may hold other programs' settings too.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: str = Field(default_factory=_default_database_url)
    """sqlite:///path or postgresql://user:password@host/name."""
    host: str = "127.0.0.1"
    """The address to listen on; without API keys only loopback addresses, unless
    `allow_unauthenticated`.
    """
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """0 takes a free port."""
    allow_unauthenticated: bool = False
    """Listen beyond loopback though nobody is asked for a key: only behind a proxy or in a
    container that guards it. As soon as there are keys, everybody is asked for one all the same.
    """
    key_cache_s: Annotated[float, Field(ge=0.0, le=300.0)] = 5.0
    """What was found of a key is believed for so long: a revoked one goes on until then."""
    sync_max_users: Annotated[int, Field(ge=0)] = 1000
    """Plans of more users are solved in the background."""
    sync_max_s: Annotated[float, Field(gt=0.0, le=60.0)] = 2.0
    """Plans that are not solved after so long go on in the background."""
    max_users: Annotated[int, Field(ge=1)] = 10_000
    """Users in one plan request in JSON."""
    max_bulk_users: Annotated[int, Field(ge=1)] = 1_000_000
    """Users in one plan request in columns."""
    requests_per_second: Annotated[float, Field(ge=0.1, le=1e6)] | None = None
    """Requests of one API key, of which those of ten seconds may come at once; default: 300, and
    any number of whoever is asked for no key.
    """
    address_requests_per_second: Annotated[float, Field(ge=0.1, le=1e6)] | None = None
    """Requests of one address that come without a good key; default: 50, and any number from
    loopback addresses and where nobody is asked for a key.
    """
    max_body_byte: Annotated[int, Field(ge=1024)] = 64 * 2**20
    """Longer bodies are refused, and compressed ones that become longer."""
    max_bodies_byte: Annotated[int, Field(ge=1024)] = 512 * 2**20
    """Bodies that are being read at the same time may take so much together."""
    max_unpacked_byte: Annotated[int, Field(ge=1024, le=2**30)] = 256 * 2**20
    """Columns may take so much once they are unpacked."""
    max_head_byte: Annotated[int, Field(ge=1024, le=2**24)] = 64 * 2**10
    """Longer addresses and headers of a request are refused."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Connections at a time; those that wait make room for new ones."""
    head_timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 20.0
    """Address and headers of a request must have come after so long."""
    body_timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 20.0
    """A body may stop for so long, and may come at less than 1 KiB a second for so long."""
    idle_timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 75.0
    """A connection waits for its next request for so long."""
    write_timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0
    """An answer of which nothing was read for so long is given up."""
    max_model_byte: Annotated[int, Field(ge=1024)] = 2**30
    """Larger model files are not imported."""
    import_time_limit_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0
    """Reading a model file may take so long."""
    sqlite_busy_timeout_s: Annotated[float, Field(gt=0.0, le=600.0)] = 30.0
    """How long a writer waits for the others before it gives up."""
    lock_timeout_s: Annotated[float, Field(gt=0.0, le=600.0)] = 5.0
    """How long a request waits on Postgres for what others have locked."""
    statement_timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0
    """How long one statement of a request may take on Postgres."""
    project: projects.Project = projects.DEFAULT
    """Whose profiles the operator's commands store; what requests see is said by their keys."""
    access_log: bool = False
    """Log a line for every request."""
    log_format: LogFormat = LogFormat.TEXT
    """How all processes log: text for people, json for programs."""
    otlp_endpoint: str | None = None
    """Send traces to this OTLP/HTTP address (http://collector:4318); needs splitplan[otel]."""
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Tell /metrics on this port of `metrics_host` too, where nobody is asked for a key."""
    metrics_host: str = "127.0.0.1"
    """The address of the metrics' own port: one that only the monitoring reaches."""
    allowed_hosts: Listed = ()
    """Names in the header Host that are answered, with commas, `*.example.org` for all below, `*`
    for all; empty: all, except that on loopback who has no key must name this machine.
    """
    cors_origins: Listed = ()
    """Origins whose pages may call the service from a browser, with commas; empty: none."""
    trusted_proxies: Listed = ()
    """Addresses or networks of proxies whose X-Forwarded-For and -Proto count, with commas; empty:
    nobody's.
    """
    tls_cert: Path | None = None
    """File of the certificate (PEM, with its chain): the service speaks TLS."""
    tls_key: Path | None = None
    """File of the certificate's private key (PEM, not encrypted)."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Worker processes that `serve` starts beside itself, on SQLite at most one; 0 where others do
    the work.
    """
    slots: Annotated[int, Field(ge=1, le=256)] = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) - 1)
    )
    """Long plans that one worker solves at a time."""
    max_queued: Annotated[int, Field(ge=1)] = 10_000
    """Plans in line; more are refused until some have ended."""
    max_plans_at_once: Annotated[int, Field(ge=1)] | None = None
    """Plans of one project in line or being solved in the background; default: 1000, and any number
    where nobody is asked for a key.
    """
    max_experiment_points: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Points that one experiment may have."""
    max_stored_byte: Annotated[int, Field(ge=2**20)] | None = None
    """What one project may have stored; default: 20 GiB, and any amount where nobody is asked for a
    key.
    """
    lease_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 15.0
    """A worker that was silent for so long is taken for dead, and its plans are solved elsewhere.
    """
    drain_s: Annotated[float, Field(ge=0.0, le=600.0)] = 0.0
    """When told to stop, say so in /readyz for so long before refusing requests."""
    shutdown_grace_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 10.0
    """When told to stop, wait so long for plans that are being solved before handing them back."""
    retain_days: Annotated[float, Field(gt=0.0)] | None = None
    """Delete plans that ended so long ago, except the newest and the current one of each name;
    default: keep all.
    """
    webhook_secret: str | None = None
    """Signs what webhooks carry, as in Standard Webhooks (whsec_ and base64); without it webhooks
    are refused.
    """
    webhook_private: bool = False
    """Deliver webhooks to private addresses too."""
    kernel: Kernel = Kernel.AUTO
    """Who solves: numpy, compiled, or the latter where it was built (auto)."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        try:
            address = make_url(url)
        except ArgumentError:
            raise ValueError("is not a database URL") from None
        backend = address.get_backend_name()
        if backend not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        if backend == "sqlite" and address.database in (None, "", ":memory:"):
            raise ValueError("must name a file: every connection would have a memory of its own")
        return url

    @field_validator("webhook_secret")
    @classmethod
    def _signs(cls, secret: str | None) -> str | None:
        try:
            key = (
                None if secret is None else b64decode(secret.removeprefix("whsec_"), validate=True)
            )
        except ValueError:
            key = b""
        if key is not None and len(key) < _LEAST_SECRET_BYTE:
            raise ValueError(f"must be whsec_ and base64 of at least {_LEAST_SECRET_BYTE} bytes")
        return secret

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_this_machine(self.host)

    @field_validator("otlp_endpoint")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", url):
            raise ValueError("must be http:// or https:// and the collector's host")
        return url

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        hosts = tuple(host.lower() for host in hosts)
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not a host name without a port, or *. before one")
        return hosts

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            exact = f"{parts.scheme}://{parts.netloc}" == origin and "*" not in origin
            if not exact or parts.scheme not in ("http", "https") or "@" in origin:
                raise ValueError(f"{origin!r} is not an exact origin such as https://example.org")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(f"{proxy!r} is not an IP address or network") from None
        return proxies

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY: set both or neither")
        return self

    def secrets(self) -> list[str]:
        """What nobody may read in a log."""
        password = make_url(self.database_url).password
        found = [] if password is None else [str(password), quote_plus(str(password))]
        if self.webhook_secret is not None:
            found += [self.webhook_secret, self.webhook_secret.removeprefix("whsec_")]
        return [*found, *in_address(self.database_url), *in_address(self.otlp_endpoint or "")]

    def choose_kernel(self) -> None:
        """Have this process solve as the setting says. Raises ConfigurationError."""
        try:
            use(self.kernel)
        except KernelMissing as error:
            raise ConfigurationError(f"{PREFIX}KERNEL={self.kernel}: {error}") from None

    def shown(self) -> dict[str, str]:
        """The settings as the environment names them, without their secrets."""
        values = self.model_dump() | {
            "database_url": make_url(self.database_url).render_as_string(hide_password=True)
        }
        if self.webhook_secret is not None:
            values |= {"webhook_secret": "***"}
        return {
            PREFIX + name.upper(): blanked(_written(value), self.secrets())
            for name, value in values.items()
        }


def _written(value: object) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def read_settings() -> Settings:
    """Read the environment, over the file named by SPLITPLAN_ENV_FILE if there is one.

    Raises ConfigurationError.
    """
    if strange := unknown(environment()):
        raise ConfigurationError(strange[0])
    try:
        return Settings(_env_file=os.environ.get(ENV_FILE))
    except ValidationError as error:
        raise ConfigurationError(in_words(error)[0]) from None


def environment() -> dict[str, str | None]:
    """What is set, by the file or by the environment, which counts more.

    Raises ConfigurationError where there is no such file.
    """
    env_file = os.environ.get(ENV_FILE)
    if env_file is not None and not Path(env_file).is_file():
        raise ConfigurationError(f"{ENV_FILE} names {env_file}, which is not a file")
    return {**(dotenv_values(env_file) if env_file else {}), **os.environ}


def unknown(given: Mapping[str, str | None]) -> list[str]:
    """What is set and no setting, with the nearest name that is one."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {ENV_FILE, *_OF_THE_CLIENT}
    strange = [name for name in sorted(given) if name.upper().startswith(PREFIX)]
    return [
        f"{name} is not a setting" + (f"; is it {near[0]}?" if near else "")
        for name in strange
        if name.upper() not in known
        for near in [difflib.get_close_matches(name.upper(), known, n=1)]
    ]


def in_words(refused: ValidationError) -> list[str]:
    """What cannot be set to what it is set to, and why; never what that is."""
    return [
        (f"{PREFIX}{str(each['loc'][0]).upper()}: " if each["loc"] else "")
        + each["msg"].removeprefix("Value error, ")
        for each in refused.errors(include_url=False)
    ]
