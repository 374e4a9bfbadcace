"""Which users two plans tell different things to carry out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from sqlalchemy.orm import Session

from app.arrow import pa
from app.plans import stored
from app.plans.families import FAMILIES
from app.plans.family import Outcome
from app.plans.heads import Plan

Json = dict[str, Any]
Decisions = dict[str, tuple[Any, ...]]
"""What each user carries out."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What another plan changes: the ids of users, in the order of their requests."""

    added: list[str]
    removed: list[str]
    changed: list[str]

    @property
    def count(self) -> int:
        """How many users it concerns."""
        return len(self.added) + len(self.removed) + len(self.changed)

    @property
    def each(self) -> Iterator[tuple[str, str]]:
        """Every user whom it concerns, and how."""
        return chain(
            zip(self.added, repeat("added")),
            zip(self.changed, repeat("changed")),
            zip(self.removed, repeat("removed")),
        )


def compared(before: Decisions, after: Decisions) -> Changes:
    """What distinguishes two plans to those who carry them out."""
    return Changes(
        added=[user for user in after if user not in before],
        removed=[user for user in before if user not in after],
        changed=[user for user, told in after.items() if before.get(user, told) != told],
    )


def decided(kind: str, outcome: Outcome) -> Decisions:
    """What an outcome tells its users to carry out."""
    if outcome.table is None:
        return _of_entries(kind, outcome.users)
    return _of_table(kind, outcome.table)


def kept(session: Session, row: Plan) -> Decisions:
    """What a stored plan with a result tells its users to carry out."""
    found: Decisions = {}
    for part in stored.user_parts(session, row):
        of_kind = _of_entries if isinstance(part, list) else _of_table
        found |= of_kind(row.kind, part)
    return found


def _of_entries(kind: str, entries: Iterable[Json]) -> Decisions:
    fields = FAMILIES[kind].carries
    return {
        entry["id"]: (kind, *(_said(entry.get(field)) for field in fields)) for entry in entries
    }


def _of_table(kind: str, table: pa.Table) -> Decisions:
    columns = [_column(table, field) for field in FAMILIES[kind].carries]
    return dict(zip(table["id"].to_pylist(), zip(repeat(kind), *columns), strict=False))


def _column(table: pa.Table, field: str) -> Iterable[Any]:
    if field not in table.column_names:
        return repeat(None)
    values: Sequence[Any] = table[field].to_pylist()
    return map(_said, values) if pa.types.is_nested(table.schema.field(field).type) else values


def _said(value: Any) -> Any:
    """A value without what is null in it: columns say what JSON leaves out."""
    if isinstance(value, dict):
        return {name: _said(member) for name, member in value.items() if member is not None}
    return [_said(member) for member in value] if isinstance(value, list | tuple) else value
