"""Experiments as functions: found, listed, told, forgotten."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session, defer

from app.arrow import pa
from app.errors import ExperimentNotEnded, ExperimentNotFound
from app.experiments import findings, table
from app.experiments.accepting import grid_of
from app.experiments.findings import Points
from app.experiments.grid import Grid
from app.experiments.tables import ExperimentBlockRow, ExperimentRow
from app.plans.schemas import UNENDED

Json = dict[str, Any]

_HEAVY = (ExperimentRow.asked, ExperimentRow.request, ExperimentRow.revisions)


def find(session: Session, experiment_id: str, *, whole: bool = False) -> ExperimentRow:
    """An experiment as it is stored; `whole` with what was asked. Raises ExperimentNotFound."""
    wanted = select(ExperimentRow).where(ExperimentRow.id == experiment_id)
    if not whole:
        wanted = wanted.options(*(defer(column, raiseload=True) for column in _HEAVY))
    row = session.scalars(wanted).one_or_none()
    if row is None:
        raise ExperimentNotFound(experiment_id)
    return row


def get(session: Session, experiment_id: str) -> Json:
    """An experiment with what its points show so far. Raises ExperimentNotFound."""
    row = find(session, experiment_id, whole=True)
    points = _points(session, row, grid_of(row))
    return _document(row, heading(session, row), points, _failure(session, row))


def accepted(row: ExperimentRow) -> Json:
    """An experiment that was stored just now."""
    return _document(row, _told(row, 0), Points(grid_of(row), _nothing()), None)


def _document(row: ExperimentRow, heading: Json, points: Points, failure: Json | None) -> Json:
    grid, plan_id = points.grid, row.asked["base"].get("plan")
    at = f"/v1/experiments/{row.id}"
    seeds = {} if grid.seeds is None else {"seeds": list(grid.seeds)}
    return {
        **heading,
        "axes": [
            {"name": axis.name, "pointer": axis.pointer, "values": list(axis.told)}
            for axis in grid.axes
        ],
        **seeds,
        **({} if plan_id is None else {"plan_id": plan_id}),
        "statuses": points.statuses(),
        "pareto": findings.pareto(points, findings.measures_of(grid.asked.measures, grid)),
        **({} if failure is None else {"failure": failure}),
        "points_url": f"{at}/points",
        **({"differences_url": f"{at}/differences"} if seeds else {}),
    }


def heading(session: Session, row: ExperimentRow) -> Json:
    """An experiment as lists have it."""
    return _told(row, _done(session, [row.number]).get(row.number, 0))


def _told(row: ExperimentRow, done: int) -> Json:
    return {
        "object": "experiment",
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "name": row.name,
        "points_count": row.points,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "progress": {"fraction": done / row.points, "points_done": done},
    }


def _done(session: Session, numbers: Sequence[int]) -> dict[int, int]:
    """How many points of each are planned."""
    block = ExperimentBlockRow
    sums = select(block.experiment_number, func.sum(block.done)).where(
        block.experiment_number.in_(numbers)
    )
    return {
        number: int(done)
        for number, done in session.execute(sums.group_by(block.experiment_number))
    }


def list_experiments(session: Session, before: int | None, limit: int) -> list[tuple[int, Json]]:
    """Experiments in brief with their numbers, newest first, from the first before a number."""
    wanted = select(ExperimentRow).options(*(defer(column, raiseload=True) for column in _HEAVY))
    if before is not None:
        wanted = wanted.where(ExperimentRow.number < before)
    rows = session.scalars(wanted.order_by(ExperimentRow.number.desc()).limit(limit)).all()
    done = _done(session, [row.number for row in rows])
    return [(row.number, _told(row, done.get(row.number, 0))) for row in rows]


def list_points(session: Session, experiment_id: str, start: int, limit: int) -> list[Json]:
    """Points that are there from a place of the grid on. Raises ExperimentNotFound."""
    row = find(session, experiment_id, whole=True)
    block = ExperimentBlockRow
    wanted = _blocks(row).where(block.first + block.points > start)
    found: list[pa.Table] = []
    rows = 0
    for (data,) in session.execute(wanted):
        part = table.unpacked(data)
        first = int((part["index"].to_numpy() < start).sum())
        found.append(part.slice(first))
        rows += part.num_rows - first
        if rows >= limit:
            break
    if not found:
        return []
    return table.told(grid_of(row), pa.concat_tables(found).slice(0, limit))


def point_tables(session: Session, experiment_id: str) -> Iterator[pa.Table]:
    """All points that are there, as tables of one schema. Raises ExperimentNotFound."""
    row = find(session, experiment_id, whole=True)
    stored = (table.unpacked(data) for (data,) in session.execute(_blocks(row)))
    return table.tables(grid_of(row), stored)


def list_differences(session: Session, experiment_id: str) -> Iterator[Json]:
    """How values of axes differ over the seeds. Raises ExperimentNotFound."""
    row = find(session, experiment_id, whole=True)
    grid = grid_of(row)
    measures = findings.measures_of(grid.asked.measures, grid)
    return findings.differences(_points(session, row, grid), measures)


def forget(session: Session, experiment_id: str) -> None:
    """Delete an ended experiment with its points. Raises ExperimentNotFound, ExperimentNotEnded."""
    wanted = select(ExperimentRow).where(ExperimentRow.id == experiment_id).with_for_update()
    row = session.scalars(wanted).one_or_none()
    if row is None:
        raise ExperimentNotFound(experiment_id)
    if row.status in UNENDED:
        raise ExperimentNotEnded(f"The experiment {experiment_id!r} is {row.status}: cancel it.")
    session.delete(row)


def _points(session: Session, row: ExperimentRow, grid: Grid) -> Points:
    """The points that are there."""
    stored = [table.unpacked(data) for (data,) in session.execute(_blocks(row))]
    return Points(grid, pa.concat_tables(stored or [_nothing()]))


def _nothing() -> pa.Table:
    return table.unpacked(table.packed({}))


def _blocks(row: ExperimentRow) -> Any:
    block = ExperimentBlockRow
    mine = block.experiment_number == row.number, ~block.data.is_(None)
    return select(block.data).where(*mine).order_by(block.block)


def _failure(session: Session, row: ExperimentRow) -> Json | None:
    if row.status != "failed":
        return None
    block = ExperimentBlockRow
    failed = select(block.failure).where(
        block.experiment_number == row.number, block.status == "failed"
    )
    found: Row[Any] | None = session.execute(failed.order_by(block.block).limit(1)).first()
    return None if found is None else found[0]
