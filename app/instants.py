"""Instants as they are told: RFC 3339 in UTC, with `Z`."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from app.written import part


def text(instant: datetime | str) -> str:
    """An instant, or the text of one in whatever form it was kept."""
    when = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def texts(instants: Iterable[datetime | str | None] | None) -> list[str | None]:
    """Instants, some of them unknown."""
    return [None if each is None else text(each) for each in instants or ()]


def now() -> str:
    """This instant."""
    return text(datetime.now(UTC))


def in_text(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What was kept, with these members as they are told: earlier releases kept another form."""
    mended = {name: text(told[name]) for name in names if told.get(name) is not None}
    return {**told, **mended}


def json(content: Any) -> bytes:
    """JSON of plain values and instants, parts of it written before."""
    return orjson.dumps(content, part, orjson.OPT_UTC_Z)
