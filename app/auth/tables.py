"""The keys that were made. None is ever deleted, so that a service that had keys stays closed when
the last of them is revoked.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class ApiKeyRow(Base):
    """A key without its secret."""

    __tablename__ = "api_key"
    __table_args__ = (CheckConstraint("scope IN ('read', 'plan', 'admin')", name="scope"),)

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    """Part of the key, and no secret."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the 256 secret bits."""
    name: Mapped[str] = mapped_column(String(100))
    """What it is for, as whoever made it says."""
    project: Mapped[str] = mapped_column(String(63))
    scope: Mapped[str] = mapped_column(String(5))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    limits: Mapped[dict[str, float] | None] = mapped_column(JSON(none_as_null=True))
    """What it may take instead of what the settings say (`OwnLimits`)."""
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """To the minute or so: a request writes nothing."""
