"""What replays of plans found."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class ValidationRow(Base):
    """One replay of a plan; it goes when the plan goes."""

    __tablename__ = "validation"
    __table_args__ = (CheckConstraint("number >= 1", name="number"),)

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    """Counts the plan's validations from 1."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    verdict: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What was asked and what came out of it, as answered: all that a list shows."""
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Of each law, the users."""
