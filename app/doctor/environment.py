"""The settings: unknown ones, impossible ones, and those that contradict each other."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import ValidationError
from sqlalchemy import make_url

from app import settings as reading
from app.doctor.findings import Finding, or_ok, warning, wrong
from app.errors import ConfigurationError
from app.settings import ENV_FILE, PREFIX, Settings

_MINE = "settings"
# What is set together or not at all, which no single field can say.
_TOGETHER = (("tls_cert", "tls_key"), ("oidc_issuer", "oidc_audience"))
_SECRET = ("DATABASE_URL", "WEBHOOK_SECRET", "API_KEY")


@dataclass(frozen=True, slots=True)
class Environment:
    """The settings as far as they can be read."""

    settings: Settings
    """With the default in the place of each that cannot be."""
    refused: frozenset[str]
    """The fields that cannot be read."""
    findings: tuple[Finding, ...]


def read() -> Environment:
    """All that is wrong with the settings, and what is left of them."""
    findings: list[Finding] = []
    try:
        given = reading.environment()
        file = os.environ.get(ENV_FILE)
    except ConfigurationError as error:
        findings.append(wrong(_MINE, error.detail, f"Name a file in {ENV_FILE}, or unset it."))
        given, file = dict(os.environ), None
    findings += [
        wrong(_MINE, said, "Mend the name, or unset it.") for said in reading.unknown(given)
    ]
    settings, refused, faults = _as_far_as_possible(file)
    findings += [wrong(_MINE, fault, "Mend the value, or unset it.") for fault in faults]
    findings += [*_of_the_file(file), *_contradictions(settings)]
    said = f"{len(settings.model_fields_set)} set, none unknown and none against another"
    return Environment(settings, frozenset(refused), tuple(or_ok(_MINE, said, findings)))


def _as_far_as_possible(file: str | None) -> tuple[Settings, set[str], list[str]]:
    """Settings without those that cannot be, which these are, and why."""
    refused: dict[str, Any] = {}
    faults: list[str] = []
    while True:
        try:
            return Settings(_env_file=file, **refused), set(refused), faults
        except ValidationError as error:
            faults += reading.in_words(error)
            # What no single field says is said of two that belong together.
            names = [str(each["loc"][0]) for each in error.errors() if each["loc"]]
            for name in names or _pair(" ".join(faults)):
                refused[name] = Settings.model_fields[name].get_default(call_default_factory=True)


def _pair(faults: str) -> list[str]:
    """The settings that belong together of which these faults are."""
    told = [pair for pair in _TOGETHER if PREFIX + pair[0].upper() in faults]
    return [name for pair in told or _TOGETHER for name in pair]


def _of_the_file(file: str | None) -> Iterator[Finding]:
    if file is None:
        return
    kept = dotenv_values(file)
    both = [
        name
        for name, value in kept.items()
        if name.startswith(PREFIX) and name in os.environ and os.environ[name] != value
    ]
    for name in sorted(both):
        said = f"{name} is one thing in {file} and another in the environment, which counts"
        yield warning(_MINE, said, "Keep one of the two.")
    if _holds_secrets(kept) and Path(file).stat().st_mode & 0o004:
        said = f"{file} holds secrets, and everybody on this machine may read it"
        yield warning(_MINE, said, f"chmod o-r {file}")


def _holds_secrets(kept: Mapping[str, str | None]) -> bool:
    return any(kept.get(PREFIX + name) for name in _SECRET)


def _contradictions(settings: Settings) -> Iterator[Finding]:
    yield from _of_work(settings)
    yield from _of_what_is_installed(settings)
    if settings.webhook_private and settings.webhook_secret is None:
        said = (
            f"{PREFIX}WEBHOOK_PRIVATE is on, but without {PREFIX}WEBHOOK_SECRET there are no"
            " webhooks"
        )
        yield warning(_MINE, said, "Set the secret, or unset the other.")
    if settings.max_body_byte > settings.max_bodies_byte:
        said = f"one body may have {settings.max_body_byte} bytes, and all together fewer"
        yield warning(_MINE, said, f"Raise {PREFIX}MAX_BODIES_BYTE above {PREFIX}MAX_BODY_BYTE.")
    if settings.metrics_port is not None and settings.metrics_port == settings.port:
        said = f"the service and the metrics are both to listen on port {settings.port}"
        yield wrong(_MINE, said, f"Choose another {PREFIX}METRICS_PORT.")


def _of_work(settings: Settings) -> Iterator[Finding]:
    sqlite = make_url(settings.database_url).get_backend_name() == "sqlite"
    if sqlite and settings.workers > 1:
        said = (
            f"{PREFIX}WORKERS={settings.workers}, but a SQLite database has one worker: the others"
            " end at once"
        )
        yield wrong(_MINE, said, f"Set {PREFIX}WORKERS=1, or move to Postgres.")
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if settings.slots > cores:
        said = (
            f"{PREFIX}SLOTS={settings.slots} long plans at a time for {cores} cores: each takes one"
        )
        yield warning(_MINE, said, f"Lower {PREFIX}SLOTS to {max(1, cores - 1)}.")


def _of_what_is_installed(settings: Settings) -> Iterator[Finding]:
    if settings.otlp_endpoint is not None and find_spec("opentelemetry") is None:
        said = f"{PREFIX}OTLP_ENDPOINT is set, but OpenTelemetry is not installed: nothing starts"
        yield wrong(_MINE, said, "Install splitplan[otel], or unset it.")
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        if origin != origin.lower() or parts.port == usual:
            said = f"no browser says the origin {origin}: they leave out usual ports and capitals"
            yield warning(_MINE, said, f"Write it as browsers do in {PREFIX}CORS_ORIGINS.")
