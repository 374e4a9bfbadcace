"""Replays of plans, and what they found."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.plans.tables import DurableRow

_UNENDED = text("status IN ('queued', 'running')")


class ValidationRow(DurableRow, Base):
    """One replay of a plan; it goes when the plan goes."""

    __tablename__ = "validation"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(
            "status IN ('queued', 'running', 'replayed', 'failed', 'cancelled')", name="status"
        ),
        Index(None, "status", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    )

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    """Counts the plan's validations from 1."""
    verdict: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What was asked and, once it is replayed, what came out of it: all that a list shows."""
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Of each law, the users; empty until it is replayed."""
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """How far the latest attempt has come."""
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Why there is no verdict."""
