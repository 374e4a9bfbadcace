"""What projects have stored, as the database knows it."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, cast, func, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import StorageFull
from app.experiments.tables import ExperimentBlockRow, ExperimentRow
from app.plans.tables import PlanRow
from app.profiles.tables import ProfileRow, RevisionRow
from app.samples.tables import MeasuredSamplesRow, MeasurementRow
from app.validations.tables import ValidationRow

# What was found is believed for so long, and longer where finding it took long: the database is
# asked for a hundredth of the time at most.
_BELIEVED_S, _SHARE = 5.0, 0.01


@dataclass(slots=True)
class _Found:
    """What a project has stored, and until when that is believed."""

    byte: int
    until: float


class Storage:
    """What projects have stored. Nothing keeps account: sizes are added up where the rows are, so
    that whatever is deleted, by whom ever, is not counted any more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._found: dict[str, _Found] = {}

    def require_room(self, project: str, most_byte: int, more_byte: int) -> None:
        """Refuse a project that has so much stored more. Raises StorageFull.

        What was sent since the database was asked is taken to have been stored.
        """
        now = time.monotonic()
        with self._lock:
            found = self._found.get(project)
            stale = found is None or found.until < now
            if found is not None and stale:
                found.until = now + _BELIEVED_S  # others go on while this one looks
        if found is None or stale:
            found = self._look(project)
            with self._lock:
                self._found[project] = found
        if found.byte >= most_byte:
            raise StorageFull(f"The project may have {most_byte} bytes stored, and has them.")
        with self._lock:
            found.byte += more_byte

    def forget(self) -> None:
        """Look anew."""
        with self._lock:
            self._found.clear()

    def _look(self, project: str) -> _Found:
        begun = time.monotonic()
        with self._database.reading() as session:
            byte = stored_byte(session, project)
        took_s = time.monotonic() - begun
        return _Found(byte, time.monotonic() + max(_BELIEVED_S, took_s / _SHARE))


def stored_byte(session: Session, project: str) -> int:
    """What a project has stored [byte]: requests and answers of plans, revisions of profiles,
    samples, validations, experiments. Of a session of all projects.
    """
    sums = _sums(session.get_bind().dialect.name == "postgresql", project)
    return sum(int(session.scalar(each) or 0) for each in sums)


def _sums(postgresql: bool, project: str) -> Iterator[Select[Any]]:
    def size(column: Any) -> ColumnElement[int]:
        # On Postgres as it is kept, compressed or not, without reading it.
        if postgresql:
            return func.pg_column_size(column)
        return func.length(cast(column, LargeBinary))

    yield select(func.sum(PlanRow.stored_byte)).where(PlanRow.project == project)
    validations = size(ValidationRow.verdict) + size(ValidationRow.evidence)
    yield select(func.sum(validations)).where(ValidationRow.project == project)
    asked = size(ExperimentRow.asked) + size(ExperimentRow.request)
    yield select(func.sum(asked)).where(ExperimentRow.project == project)
    points = select(func.sum(func.length(ExperimentBlockRow.data)))
    yield points.where(ExperimentBlockRow.project == project)
    revisions = select(func.sum(size(RevisionRow.body))).select_from(RevisionRow)
    revisions = revisions.join(ProfileRow, ProfileRow.id == RevisionRow.profile_id)
    yield revisions.where(ProfileRow.project == project)
    measured = size(MeasurementRow.summary) + size(MeasurementRow.details)
    samples = (
        select(func.sum(measured + func.length(MeasuredSamplesRow.content)))
        .select_from(MeasuredSamplesRow)
        .join(MeasurementRow, MeasurementRow.id == MeasuredSamplesRow.measurement_id)
        .join(ProfileRow, ProfileRow.id == MeasurementRow.profile_id)
    )
    yield samples.where(ProfileRow.project == project)
