"""Problems and decisions as records: arrays that nobody can change, and contracts that refuse by
name.
"""

from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from solvers.arrays import Floats, Integers

CellT = TypeVar("CellT")


def freeze(record: Any) -> None:
    """Make the arrays of a record read-only, so that nobody can change a problem that was already
    answered.
    """
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray) and value.flags.writeable:
            view = value.view()
            view.flags.writeable = False
            object.__setattr__(record, field.name, view)


def require(condition: bool, what: str) -> None:
    """Refuse a record (ValueError), saying what it must be."""
    if not condition:
        raise ValueError(what)


def require_workloads(first: Integers, rows: int, kind: str) -> None:
    """Refuse (ValueError) what does not share `rows` out to workloads, of which workload k has rows
    `first[k]:first[k+1]`, each at least one of that kind.
    """
    require(
        len(first) >= 2
        and first[0] == 0
        and first[-1] == rows
        and bool(np.all(np.diff(first) >= 1)),
        f"first must rise from 0 to the number of rows, with at least one {kind} per workload",
    )


def all_finite(values: Floats, above: float | None = None) -> bool:
    """Whether all values are finite, and not negative or (with `above`) larger than that."""
    low = values >= 0.0 if above is None else values > above
    return bool((low & np.isfinite(values)).all())


def with_cut(cell: CellT, user: int, cut: int) -> CellT:
    """The same cell with a user who takes this cut, in whatever way: by a workload of its own, of
    no other rows.
    """
    problem: Any = cell
    work, kind = problem.workloads, int(problem.workload[user])
    rows = np.arange(work.first[kind], work.first[kind + 1])
    rows = rows[work.cut[rows] == cut]
    columns = {"first": np.append(work.first, work.first[-1] + len(rows))}
    for name in (field.name for field in fields(work)[1:]):
        if (values := getattr(work, name)) is not None:
            more = values[rows] if name in work.per_row() else values[kind : kind + 1]
            columns[name] = np.concatenate([values, more])
    workload = problem.workload.copy()
    workload[user] = len(work.first) - 1
    changed: CellT = replace(problem, workloads=replace(work, **columns), workload=workload)
    return changed
