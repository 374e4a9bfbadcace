"""A stored plan: what the JSON of its row means, and where its users are.

Users are kept in blocks of JSON, or, where there are many, in columns; those of a request are in
its body, or in columns as they came. Nobody else looks into rows for any of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any, Self

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import instants
from app.arrow import pa
from app.db import table_of
from app.errors import PlanUserNotFound, RevisionsUnknown
from app.plans import columnar, heads
from app.plans.columnar import Bulk, Packed
from app.plans.family import Family, Outcome, Prepared
from app.plans.heads import Head, NewPlan, Plan
from app.plans.pins import Pins
from app.plans.resolve import Resolver, used
from app.plans.schemas import INLINE_USERS
from app.plans.tables import PlanRow, PlanUsersRow
from app.plans.versions import versions
from app.profiles.references import ProfileRef
from app.projects import ask, project_of
from app.written import Written, json_byte

Json = dict[str, Any]

BLOCK = 1000
_VERSION = version("splitplan")

# Rows that are only written or read need no objects to keep track of: that would take longer than
# writing or reading them.
_PLANS, _USERS = table_of(PlanRow), table_of(PlanUsersRow)
_NEW_PLAN, _NEW_USERS = insert(_PLANS), insert(_USERS)
_TOLD = heads.MINE.add_columns(_PLANS.c.answer).where(
    _PLANS.c.id == bindparam("id", type_=String())
)
_MINE = _USERS.c.plan_number == bindparam("number", type_=Integer())
_ENTRIES = select(_USERS.c.entries).where(_MINE).order_by(_USERS.c.block)
_SOME = _ENTRIES.where(
    _USERS.c.block.between(bindparam("first", type_=Integer()), bindparam("last", type_=Integer()))
)
_IDS = select(_USERS.c.block, _USERS.c.ids).where(_MINE).order_by(_USERS.c.block)
_NAMED = select(_USERS.c.ids, _USERS.c.entries).where(_MINE)

# The columns that `Answer.read`, `Notice.read` and `Pins.of` read.
ANSWER: InstrumentedAttribute[Json] = PlanRow.answer
WEBHOOK: InstrumentedAttribute[Json | None] = PlanRow.webhook
PINS: InstrumentedAttribute[dict[str, str | None] | None] = PlanRow.pins


_ALWAYS = ("result", "infeasible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a plan says, without its users."""

    options: Json
    """As they take effect."""
    warnings: list[Json]
    result: Json | None
    infeasible: Json | None
    """The reasons; neither result nor reasons until the plan has ended, and where it failed."""
    provenance: Json
    changed: Json | None = None
    """Of a plan made from another: what distinguishes the two."""
    failure: Json | None = None
    versions: dict[str, str] | None = None
    """Of what solved it; None in plans of earlier releases. Told in bundles only."""

    @classmethod
    def read(cls, kept: Json) -> Self:
        """The answer in a row."""
        known: Json = {name: kept.get(name) for name in cls.__slots__}
        evidence = (known["result"] or {}).get("evidence")
        if evidence is not None:
            mended = {"evidence": instants.in_text(evidence, "measured_at")}
            known["result"] = known["result"] | mended
        return cls(**known)

    @classmethod
    def expected(cls, prepared: Prepared, changes: Json | None) -> Self:
        """What can be said before a solver has said anything."""
        resolver = prepared.resolver
        weakest, profiles = used(
            prepared.sources, assumed=resolver.assumed, figures=resolver.figures
        )
        return cls(
            options=prepared.effective_options(),
            warnings=[warning.model_dump() for warning in resolver.warnings],
            result=None,
            infeasible=None,
            provenance={
                "weakest": weakest,
                "profiles": [profile.model_dump() for profile in profiles],
                "solver_version": _VERSION,
                "solve_s": None,
            },
            changed=None if changes is None else changes | {"switched": None},
        )

    def ended(self, outcome: Outcome, changed: Json | None = None) -> Self:
        """With what a solver said, and how that differs from an earlier plan, if it is known."""
        return replace(
            self,
            warnings=[*self.warnings, *(warning.model_dump() for warning in outcome.warnings)],
            result=outcome.result,
            infeasible=outcome.infeasible,
            provenance=self.provenance | {"solve_s": outcome.solve_s},
            versions=versions(),
            failure=self.failure if outcome.failure is None else outcome.failure,
            changed=self.changed if changed is None else changed,
        )

    @property
    def kept(self) -> Json:
        """As a row keeps it: without what does not apply."""
        told = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in told if value is not None or name in _ALWAYS}

    @property
    def time_limit_s(self) -> float | None:
        """How long its solver may take; None where its family has no limit."""
        limit: float | None = self.options.get("time_limit_s")
        return limit

    @property
    def is_told(self) -> bool:
        """Whether it says anything of its users."""
        return self.result is not None or self.infeasible is not None


def answer_of(row: PlanRow | NewPlan) -> Answer:
    """What a plan says, without its users."""
    return Answer.read(row.answer)


def told(session: Session, plan_id: str) -> tuple[Head, Answer] | None:
    """A plan with what it says, without its users; None where there is none."""
    row = ask(session, _TOLD, id=plan_id).one_or_none()
    return None if row is None else (Head._make(row[:-1]), Answer.read(row[-1]))


def end(row: PlanRow, outcome: Outcome, changed: Json | None = None) -> None:
    """Keep what a solver said."""
    before = row.answer
    say(row, outcome, changed)
    row.stored_byte = (row.stored_byte or 0) + json_byte(row.answer) - json_byte(before)


def say(plan: PlanRow | NewPlan, outcome: Outcome, changed: Json | None = None) -> None:
    """Have a plan say what a solver said."""
    plan.answer = answer_of(plan).ended(outcome, changed).kept
    plan.has_result = outcome.result is not None


TIME_LIMIT_S = PlanRow.answer["options", "time_limit_s"].as_float()
"""How long a plan may be solved, as the database reads it."""

FAILURE_REASON = PlanRow.answer["failure", "reason"].as_string()
"""Why a plan failed, as the database reads it."""

WEBHOOK_URL = PlanRow.webhook["url"].as_string()
"""Where it is to be told that a plan has ended, as the database reads it."""


def pins_of(row: PlanRow) -> Pins | None:
    """The revisions of a plan; None where it is older than they were kept."""
    return None if row.pins is None else Pins.of(row.pins)


def known_pins(row: PlanRow) -> Pins:
    """The revisions of a plan, to plan on them again. Raises RevisionsUnknown."""
    pins = pins_of(row)
    if pins is None:
        raise RevisionsUnknown(
            f"The plan {row.id!r} is from a time when the revisions behind names were not kept:"
            " plan it again."
        )
    return pins


def may_rest_on(ref: ProfileRef) -> ColumnElement[bool]:
    """Whether a revision is among a plan's pins, of any kind: the database searches their text."""
    return cast(PlanRow.pins, Text).contains(f'"{ref}"', autoescape=True)


@dataclass(frozen=True, slots=True)
class Notice:
    """Where it is told that a plan has ended, and how that went."""

    url: str
    status: str = "waiting"
    attempts: int = 0
    detail: str | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port: the rest of an address may hold a secret."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}"

    @classmethod
    def read(cls, kept: Json) -> Self:
        """The notice in a row."""
        return cls(**kept)

    def keep(self, row: PlanRow | NewPlan) -> None:
        """Keep it with a plan."""
        row.webhook, row.webhook_waiting = asdict(self), self.status == "waiting"
        row.webhook_due_s = None


def notice_of(row: Plan) -> Notice | None:
    """Where it is to be told that a plan has ended."""
    return None if row.webhook is None else Notice.read(row.webhook)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of a plan, however its users came."""

    body: Json
    """With the users, unless they are a table."""
    table: pa.Table | None

    @property
    def users(self) -> list[Json]:
        """All of them, as JSON has them."""
        return self.body["users"] if self.table is None else as_json(self.table)

    def user(self, position: int) -> Json:
        """One of them."""
        if self.table is None:
            found: Json = self.body["users"][position]
            return found
        return as_json(self.table.slice(position, 1))[0]

    def named(self, ids: Sequence[str]) -> dict[str, Json]:
        """Those of them that have one of these ids."""
        if self.table is None:
            wanted = set(ids)
            return {user["id"]: user for user in self.body["users"] if user["id"] in wanted}
        rows = np.nonzero(np.isin(self.table["id"].to_numpy().astype(str), ids))[0]
        return {user["id"]: user for user in as_json(self.table.take(rows))}

    def prepared(self, family: Family, resolver: Resolver) -> Prepared:
        """The request, ready to be solved."""
        if self.table is None:
            return family.prepare(family.request.model_validate(self.body), resolver)
        assert family.prepare_bulk is not None
        return family.prepare_bulk(self.bulk(), resolver)

    def bulk(self, **terms: Any) -> Bulk:
        """The request in columns, with other terms."""
        return Bulk(self.body | terms, self.table, "")


def as_json(table: pa.Table) -> list[Json]:
    """Users in columns as JSON has them: without what is not said of them."""
    return [
        {name: value for name, value in user.items() if value is not None}
        for user in table.to_pylist()
    ]


def request_of(session: Session, row: PlanRow) -> Asked:
    """What was asked for."""
    columns = "users" not in row.request
    table = columnar.load(session, row.number, "request") if columns else None
    assert (table is not None) == columns
    return Asked(row.request, table)


def terms_of(row: PlanRow) -> Json:
    """What was asked for, but for the users."""
    return {name: value for name, value in row.request.items() if name != "users"}


def users_asked(session: Session, row: PlanRow, start: int, limit: int) -> list[Json] | pa.Table:
    """Some users of a request as they came, from a position on."""
    if "users" in row.request:
        users: list[Json] = row.request["users"][start : start + limit]
        return users
    return columnar.load(session, row.number, "request", start, limit)


def users_told(session: Session, row: PlanRow, start: int, limit: int) -> list[Json] | pa.Table:
    """What a plan says of some users, from a position on, as it is kept."""
    if row.users > INLINE_USERS:
        table = columnar.load(session, row.number, "users", start, limit)
        if table is not None:
            return table
    return users_of(session, row, start, limit)


def request_blocks(session: Session, row: PlanRow) -> Iterator[bytes]:
    """The users of a request in columns as Arrow streams; none where they are in its body."""
    return columnar.packed_blocks(session, row.number, "request")


def keep(session: Session, plan: NewPlan, bulk: Bulk | None, told: int = 0) -> None:
    """Store a new plan with the users of a request that came as columns, and tell it its number.
    `told` is what its answer says of users [byte].

    Raises IntegrityError where its Idempotency-Key is taken.
    """
    asked = None if bulk is None else bulk.packed
    request, answer = Written.of(plan.request), Written.of(plan.answer)
    given = vars(plan) | {
        "project": project_of(session),
        "request": request,
        "answer": answer,
        "stored_byte": len(request.content)
        + len(answer.content)
        + told
        + (0 if asked is None else asked.byte),
    }
    del given["number"]
    key = session.connection().execute(_NEW_PLAN, given).inserted_primary_key
    assert key is not None
    plan.number = key[0]
    if asked is not None:
        columnar.store(session, plan.number, "request", asked)


@dataclass(frozen=True, slots=True)
class Listed:
    """What an outcome says of its users, ready to be stored: that takes a while, so it is made with
    no transaction open.
    """

    blocks: Sequence[tuple[Written, Written]]
    """Ids and entries, run by run."""
    packed: Packed | None
    """Of many users, in columns."""

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Write what an outcome says of its users."""
        entries, table = outcome.users, outcome.table
        runs = (entries[start : start + BLOCK] for start in range(0, len(entries), BLOCK))
        blocks = [(Written.of([user["id"] for user in run]), Written.of(run)) for run in runs]
        return cls(blocks, None if table is None else columnar.packed(table, table["id"]))

    @property
    def few(self) -> Written | None:
        """All entries, where they are told with the plan; None: they have their own address."""
        if self.packed is not None or len(self.blocks) > INLINE_USERS // BLOCK:
            return None
        return self.blocks[0][1] if self.blocks else Written.of([])

    @property
    def byte(self) -> int:
        """What it takes [byte]."""
        entries = sum(len(entries.content) - 1 for _, entries in self.blocks)
        return max(entries, 1) + 1 + (0 if self.packed is None else self.packed.byte)


def keep_users(session: Session, plan_number: int, listed: Listed) -> None:
    """Store what an outcome says of its users."""
    if listed.packed is not None:
        columnar.store(session, plan_number, "users", listed.packed)
    keep_few(session, {plan_number: listed})


def keep_few(session: Session, users: Mapping[int, Listed]) -> None:
    """Store what outcomes say of their users, by the numbers of their plans, all at once."""
    blocks = [
        {"plan_number": number, "block": block, "ids": ids, "entries": entries}
        for number, listed in users.items()
        for block, (ids, entries) in enumerate(listed.blocks)
    ]
    if blocks:
        session.connection().execute(_NEW_USERS, blocks)


def forget_users(session: Session, plan_numbers: Sequence[int]) -> None:
    """Delete the users of plans, asked for and told."""
    session.execute(delete(PlanUsersRow).where(PlanUsersRow.plan_number.in_(plan_numbers)))
    columnar.forget(session, plan_numbers)


def few_users(session: Session, row: Plan, answer: Answer) -> list[Json] | None:
    """What a plan says of its users if that is told with the plan; None: it has its own address."""
    if row.users <= INLINE_USERS:
        return _entries(session, _ENTRIES, row.number)
    admission = (answer.result or {}).get("admission")
    if answer.result is not None and admission is None:
        return None
    # Few users may fail in a large cell, or be admitted: at most one block is read to see.
    first = session.connection().execute(_ENTRIES.limit(2), {"number": row.number}).all()
    if len(first) > 1 or (admission is not None and not first):
        return None
    return [entry for (block,) in first for entry in block]


def _entries(session: Session, statement: Select[Any], number: int, **asked: int) -> list[Json]:
    blocks = session.connection().execute(statement, {"number": number, **asked})
    return [entry for (block,) in blocks for entry in block]


def users_of(session: Session, row: Plan, start: int, limit: int) -> list[Json]:
    """What a plan says of its users, in the order of the request."""
    if row.users > INLINE_USERS:
        table = columnar.load(session, row.number, "users", start, limit)
        if table is not None:
            rows: list[Json] = table.to_pylist()
            return rows
    first, last = start // BLOCK, (start + limit - 1) // BLOCK
    entries = _entries(session, _SOME, row.number, first=first, last=last)
    offset = start % BLOCK
    return entries[offset : offset + limit]


def user_of(session: Session, row: Plan, user_id: str) -> Json:
    """What a plan says of one user. Raises PlanUserNotFound."""
    if row.users > INLINE_USERS:
        known = columnar.find(session, row.number, user_id)
        if known is not None:
            return known
    told = _of_few if row.users <= BLOCK else _of_many
    for names, entries in told(session, row.number, user_id):
        if user_id in names:
            entry: Json = entries[names.index(user_id)]
            return entry
    raise PlanUserNotFound(row.id, user_id)


def _of_few(session: Session, number: int, _: str) -> Iterable[Any]:
    """The ids and entries of a plan's only block."""
    return session.connection().execute(_NAMED, {"number": number})


def _of_many(session: Session, number: int, user_id: str) -> Iterator[tuple[list[str], list[Json]]]:
    """The same of the one block that tells of a user."""
    for block, names in session.connection().execute(_IDS, {"number": number}):
        if user_id in names:
            yield names, _entries(session, _SOME, number, first=block, last=block)
            return


def users_named(session: Session, row: Plan, ids: Sequence[str]) -> Mapping[str, Json]:
    """What a plan says of those with one of these ids, as far as it knows them."""
    if row.users <= INLINE_USERS:
        return {user["id"]: user for user in users_of(session, row, 0, row.users)}
    found = {}
    for user_id in ids:
        try:
            found[user_id] = user_of(session, row, user_id)
        except PlanUserNotFound:
            continue
    return found


def user_parts(session: Session, row: Plan) -> Iterator[list[Json] | pa.Table]:
    """What a plan says of all its users, part by part as it is kept."""
    many = row.users > INLINE_USERS
    blocks = columnar.blocks(session, row.number, "users") if many else iter(())
    first = next(blocks, None)
    if first is None:
        yield users_of(session, row, 0, row.users)
        return
    yield first
    yield from blocks


def user_tables(session: Session, row: Plan) -> Iterator[pa.Table]:
    """What a plan says of all its users, as tables of one schema."""
    for part in user_parts(session, row):
        yield pa.Table.from_pylist(part) if isinstance(part, list) else part
