"""Bundles as functions of a session: what a plan was made of, written piece by piece."""

import base64
import hashlib
import json
from collections.abc import Generator, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import instants
from app.bundles import digests
from app.bundles.schemas import FORMAT, FORMAT_VERSION
from app.errors import NothingToBundle
from app.http.media import ARROW
from app.plans import columnar, service, stored
from app.plans.families import FAMILIES
from app.plans.family import Family
from app.plans.orders import digest
from app.plans.pins import Pins
from app.plans.replan import held_to
from app.plans.tables import PlanRow
from app.profiles import service as profiles
from app.profiles.schemas.profile import Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from app.samples.behind import measurement_behind
from app.samples.tables import MeasuredSamplesRow, MeasurementRow

Json = dict[str, Any]


def request(row: PlanRow) -> Json:
    """A request as it was sent, without users in columns, and without the address of a webhook:
    that may hold a secret.
    """
    return {name: value for name, value in row.request.items() if name != "webhook_url"}


def in_columns(row: PlanRow) -> bool:
    """Whether the users of a request came as columns."""
    return "users" not in row.request


def bundled(session: Session, plan_id: str) -> PlanRow:
    """A plan that a bundle can be made of.

    Raises PlanNotFound, PlanNotEnded, RevisionsUnknown, NothingToBundle.
    """
    row = service.ended(session, plan_id)
    stored.known_pins(row)
    if not stored.answer_of(row).is_told:
        raise NothingToBundle(
            f"The plan {plan_id!r} is {row.status} and says nothing that could be computed again."
        )
    if row.max_switches is not None and _parent(session, row) is None:
        raise NothingToBundle(
            f"The plan {plan_id!r} was held to the decisions of {row.parent!r}, which is forgotten."
        )
    return row


def written(session: Session, row: PlanRow) -> Iterator[str]:
    """A bundle as JSON, piece by piece: at any time one block of users, one profile or one
    measurement is in memory. `row` is one that `bundled` found.
    """
    family, pins = FAMILIES[row.kind], stored.known_pins(row)
    head = _head(session, row, family, pins)
    yield _text(head)[:-1]
    lists: dict[str, list[str]] = {}
    for name, entries in (
        ("profiles", _profiles(session, pins)),
        ("samples", _samples(session, row, family, pins)),
    ):
        lists[name] = yield from _list(name, entries)
    blocks: list[str] = []
    if in_columns(row):
        columns = {"media_type": ARROW, "rows": row.users}
        blocks = yield from _blocks(session, row, columns)
        head["columns"] = columns
    yield f',"sha256":{_text(digests.of_bundle(head, lists, blocks))}}}'


def _head(session: Session, row: PlanRow, family: Family, pins: Pins) -> Json:
    """The short members of a bundle."""
    answer = stored.answer_of(row)
    told = stored.user_parts(session, row)
    found = digests.of_answer(family, row.status, answer.result, answer.infeasible, told)
    seed = answer.options.get("seed")
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "plan": {
            "id": row.id,
            "kind": row.kind,
            "name": row.name,
            "users_count": row.users,
            "created_at": _time(row.created_at),
            "finished_at": _time(row.finished_at),
            "solve_s": answer.provenance["solve_s"],
            "request_hash": row.request_hash,
        },
        "versions": answer.versions or {"splitplan": answer.provenance["solver_version"]},
        "request": request(row),
        "options": answer.options,
        "seeds": {} if seed is None else {"solver": seed},
        "pinned": pins.kept,
        "answered": {
            "status": row.status,
            "result": answer.result,
            "infeasible": answer.infeasible,
            "digests": found,
        },
    }
    parent = _held(session, row, family)
    return head if parent is None else head | {"parent": parent}


def _time(value: Any) -> str | None:
    return None if value is None else instants.text(value)


def _parent(session: Session, row: PlanRow) -> PlanRow | None:
    return session.scalars(select(PlanRow).where(PlanRow.id == row.parent)).one_or_none()


def _held(session: Session, row: PlanRow, family: Family) -> Json | None:
    """What a plan with a limit on switches was held to."""
    if row.max_switches is None:
        return None
    parent = _parent(session, row)
    assert parent is not None
    users = {user["id"]: user for user in stored.request_of(session, row).users}
    _, entries = held_to(session, parent, users)
    decisions = [
        {name: entry[name] for name in ("id", *family.decided) if name in entry}
        for entry in entries.values()
    ]
    return {"id": parent.id, "max_switches": row.max_switches, "decisions": decisions}


def _profiles(session: Session, pins: Pins) -> Iterator[Json]:
    """Every revision that is pinned, once."""
    kinds: dict[str, type[Profile]] = {schema.kind: schema for schema in SCHEMAS}
    for kind, ref in sorted(pins.revisions):
        body = profiles.get(session, kinds[kind], ref.name, ref.revision).body
        yield {"kind": kind, "revision": ref.revision, "body": body.model_dump(mode="json")}


def _samples(session: Session, row: PlanRow, family: Family, pins: Pins) -> Iterator[Json]:
    """The measurements behind the pinned timings, where the plan reads them."""
    if not family.rests_on_samples(stored.answer_of(row).options):
        return
    for ref in sorted(pins.timings):
        timing = profiles.get(session, Timing, ref.name, ref.revision).body
        cuts_of: dict[int, list[int]] = {}
        for cut in range(len(timing.cuts)):
            key = measurement_behind(session, ref.name, timing, cut)
            if key is not None:
                cuts_of.setdefault(key, []).append(cut)
        for key, cuts in cuts_of.items():
            measured = session.get_one(MeasurementRow, key)
            content = session.scalars(
                select(MeasuredSamplesRow.content).where(MeasuredSamplesRow.measurement_id == key)
            ).one()
            yield {
                "timing": str(ref),
                "cuts": cuts,
                "measured_at": instants.text(measured.summary["measured_at"]),
                "started_at": instants.texts(measured.details.get("started_at")),
                "npz": base64.b64encode(content).decode(),
            }


def _list(name: str, entries: Iterator[Json]) -> Generator[str, None, list[str]]:
    """A member that is a list; returns the digests of its entries."""
    found: list[str] = []
    yield f",{_text(name)}:["
    for entry in entries:
        yield ("," if found else "") + _text(entry)
        found.append(digest(entry))
    yield "]"
    return found


def _blocks(session: Session, row: PlanRow, columns: Json) -> Generator[str, None, list[str]]:
    """The member that is the users in columns; returns the SHA-256 of each block."""
    found: list[str] = []
    yield f',"columns":{_text(columns)[:-1]},"blocks":['
    for data in stored.request_blocks(session, row):
        yield ("," if found else "") + f'"{base64.b64encode(data).decode()}"'
        found.append(hashlib.sha256(data).hexdigest())
    yield "]}"
    return found


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def request_tables(session: Session, row: PlanRow) -> Iterator[Any]:
    """A request in columns as it can be sent again: the terms are in the metadata of the schema."""
    metadata = {columnar.METADATA: json.dumps(request(row)).encode()}
    for block in stored.request_blocks(session, row):
        yield columnar.unpacked(block).replace_schema_metadata(metadata)
