"""Experiments, and the blocks of points that workers take of them."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.plans.tables import DurableRow

_UNENDED = text("status IN ('queued', 'running')")
_STATUS = "status IN ('queued', 'running', 'finished', 'failed', 'cancelled')"


class ExperimentRow(DurableRow, Base):
    """What was asked, and how far it has come. Nobody takes it: its blocks are the work."""

    __tablename__ = "experiment"
    __table_args__ = (
        CheckConstraint(_STATUS, name="status"),
        Index(None, "project", "number"),
        Index(None, "status", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    """In the order of acceptance; lists go by it."""
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str | None] = mapped_column(String(63))
    points: Mapped[int]
    event: Mapped[int] = mapped_column(server_default="0")
    """Counts what was told of it; never falls."""
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The body that was sent."""
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The base: a request of its family, with its users."""
    revisions: Mapped[dict[str, str | None]] = mapped_column(JSON)
    """The revisions that all references stand for."""


class ExperimentBlockRow(DurableRow, Base):
    """A run of adjacent points: a piece of work, and then what came of it."""

    __tablename__ = "experiment_block"
    __table_args__ = (
        CheckConstraint(_STATUS, name="status"),
        Index(None, "status", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    )

    experiment_number: Mapped[int] = mapped_column(
        ForeignKey("experiment.number", ondelete="CASCADE"), primary_key=True
    )
    block: Mapped[int] = mapped_column(primary_key=True)
    """In the order of the points."""
    first: Mapped[int]
    """Its first point."""
    points: Mapped[int]
    done: Mapped[int] = mapped_column(server_default="0")
    """How many of its points the latest attempt has planned."""
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The points as an Arrow stream; null until they are there."""
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Why they are not there."""
