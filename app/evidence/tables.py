"""Counts of inferences and misses under a plan: of each user, and of the plan as a whole."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class PlanEvidenceRow(Base):
    """The evidence against a plan as a whole: whoever counts reports holds this row."""

    __tablename__ = "plan_evidence"

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    users: Mapped[int]
    """Who have reported anything."""
    refuted: Mapped[int]
    """Users whose own risk is refuted."""
    inferences: Mapped[int] = mapped_column(BigInteger)
    misses: Mapped[int] = mapped_column(BigInteger)
    wealth: Mapped[float] = mapped_column(Float(53))
    """Sum of the e-values of these users."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UserEvidenceRow(Base):
    """The evidence against the risk that one user was promised."""

    __tablename__ = "user_evidence"
    __table_args__ = (CheckConstraint("misses <= inferences", name="misses"),)

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(
        String(128).with_variant(String(128, collation="C"), "postgresql"), primary_key=True
    )
    risk: Mapped[float] = mapped_column(Float(53))
    sequence: Mapped[int] = mapped_column(BigInteger)
    """All reports up to this one are counted."""
    later: Mapped[list[Any]] = mapped_column(JSON)
    """Reports beyond it that are counted too, as ranges [first, last], ascending."""
    inferences: Mapped[int] = mapped_column(BigInteger)
    misses: Mapped[int] = mapped_column(BigInteger)
    e_value: Mapped[float] = mapped_column(Float(53))
    """As it stands."""
    e_value_max: Mapped[float] = mapped_column(Float(53))
    """The largest it ever was: what the user is refuted by."""
    refuted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
