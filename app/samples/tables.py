"""What was measured: the findings, and the raw samples in a table of their own, so that a list does
not read them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class MeasurementRow(Base):
    """Samples that made a revision of a timing or of a device, or observations that were held
    against one.
    """

    __tablename__ = "measurement"
    __table_args__ = (
        UniqueConstraint("profile_id", "number"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("kind IN ('samples', 'observations', 'power')", name="kind"),
        Index(None, "profile_id", "kind", "revision"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    profile_id: Mapped[int] = mapped_column(ForeignKey("profile.id"))
    number: Mapped[int]
    """Counts the profile's measurements from 1."""
    kind: Mapped[str] = mapped_column(String(12))
    revision: Mapped[int]
    """The one that came of it, or that was tested."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    """All that a list shows."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The rest of the answer."""


class MeasuredSamplesRow(Base):
    """The raw samples of a measurement, as compressed columns."""

    __tablename__ = "measured_samples"

    measurement_id: Mapped[int] = mapped_column(
        ForeignKey("measurement.id", ondelete="CASCADE"), primary_key=True
    )
    content: Mapped[bytes] = mapped_column(LargeBinary)
