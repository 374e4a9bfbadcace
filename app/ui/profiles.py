"""The pages of profiles: kinds, lists by name, and one with its revisions."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.errors import NothingHere
from app.http.paging import cut_page, decode_cursor
from app.plans.browsing import value_of
from app.profiles import service
from app.profiles.plausibility import warnings_of
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.stored import Stored
from app.ui import bodies, drawings
from app.ui.overview import kinds
from app.ui.rendering import page
from app.ui.told import Json
from app.ui.words import count, si

_SHOWN = 100
_MOST_REVISIONS = 200
_SCHEMAS: dict[str, type[Profile]] = {schema.collection: schema for schema in SCHEMAS}

WHAT: Mapping[str, str] = {
    "devices": "Processors with their clocks, power and radio.",
    "models": "Neural networks as lists of cuts.",
    "channels": "Shared radio channels.",
    "servers": "Edge servers: how fast, and for how many at once.",
    "timings": "How long one processor takes for one network.",
}

_Shown = Sequence[tuple[str, bool, Callable[[Json], str]]]
"""Of each column: its name, whether it has numbers, and what it has of a profile."""


def _at(field: str) -> Callable[[Json], str]:
    return lambda body: bodies.text_of(field.rpartition(".")[2], value_of(body, field))


def _last(field: str) -> Callable[[Json], str]:
    return lambda body: bodies.text_of(field, body["cuts"][-1].get(field))


def _cuts(body: Json) -> str:
    return count(len(body["cuts"]))


_LISTED: Mapping[str, _Shown] = {
    "devices": (
        ("Processor", False, _at("processor")),
        ("Least clock", True, _at("frequency_min_hz")),
        ("Largest clock", True, _at("frequency_max_hz")),
        ("Clock levels", True, lambda body: count(len(body.get("frequency_levels_hz") or ()))),
        ("Memory", True, _at("memory_byte")),
    ),
    "models": (
        ("Cuts", True, _cuts),
        ("FLOP in all", True, _last("flop")),
        ("Parameters", True, _last("parameter_byte")),
        ("Input", True, lambda body: si(body["cuts"][0]["feature_byte"], "B")),
    ),
    "channels": (
        ("Uplink", True, _at("bandwidth_hz")),
        ("Fading", False, _at("fading.kind")),
        ("Path loss exponent", True, _at("path_loss.exponent")),
        ("Round trip", True, _at("rtt_mean_s")),
    ),
    "servers": (
        ("Capacity", True, _at("capacity_flop_per_s")),
        ("At once", True, _at("parallel")),
    ),
    "timings": (
        ("Processor", False, _at("processor")),
        ("Network", False, _at("model")),
        ("Cuts", True, _cuts),
    ),
}


def show_kinds(session: Session, request: Request) -> Response:
    """How many there are of each kind."""
    return page(request.scope, "profiles.html", profiles=kinds(session), what=WHAT)


def show_list(session: Session, request: Request, collection: str, cursor: str | None) -> Response:
    """Profiles of a kind, by name. Raises NothingHere."""
    schema = _schema(collection)
    after = str(decode_cursor(cursor, str)[0]) if cursor is not None else None
    found = service.list_latest(session, schema, after, _SHOWN + 1)
    shown, following = cut_page(found, _SHOWN, attrgetter("name"))
    columns = _LISTED[collection]
    rows = [(each, [text(_body(each)) for _, _, text in columns]) for each in shown]
    here = request.url.path
    return page(
        request.scope,
        "profile_list.html",
        collection=collection,
        what=WHAT[collection],
        columns=columns,
        rows=rows,
        first=here if cursor is not None else None,
        following=following and f"{here}?cursor={following}",
    )


def show(
    session: Session, request: Request, collection: str, name: str, revision: int | None
) -> Response:
    """A profile. Raises NothingHere, ProfileNotFound, RevisionNotFound."""
    schema = _schema(collection)
    found = service.get(session, schema, name, revision)
    revisions = service.list_revisions(session, schema, name, 0, _MOST_REVISIONS)
    body = _body(found)
    return page(
        request.scope,
        "profile.html",
        collection=collection,
        profile=found,
        body=body,
        told=bodies.told(body),
        figures=drawings.of_profile(session, collection, name, revision),
        warnings=warnings_of(found.body, found.stale),
        revisions=revisions[::-1],
        is_latest=revision is None or revision == revisions[-1].revision,
    )


def _body(found: Stored[Any]) -> dict[str, Any]:
    dumped: dict[str, Any] = found.body.model_dump(mode="json", exclude_none=True)
    return dumped


def _schema(collection: str) -> type[Profile]:
    if collection not in _SCHEMAS:
        raise NothingHere(f"There are no {collection[:60]}: profiles are {', '.join(_SCHEMAS)}.")
    return _SCHEMAS[collection]
