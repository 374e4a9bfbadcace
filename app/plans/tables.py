"""Plans and what they say of each user, in blocks so that a page reads only what it shows."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime

# Plain JSON, not JSONB: an answer read again has its fields in the order in which it was given.


class PlanRow(Base):
    """A planning request and its answer without the users."""

    __tablename__ = "plan"
    __table_args__ = (
        CheckConstraint("kind IN ('robust', 'stopping', 'multi-user', 'adaptive')", name="kind"),
        CheckConstraint(
            "status IN ('queued', 'running', 'solved', 'infeasible', 'failed', 'cancelled', 'timed_out')",
            name="status",
        ),
        Index(None, "name", "number"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    """In the order of acceptance; lists go by it."""
    id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    name: Mapped[str | None] = mapped_column(String(63))
    supersedes: Mapped[str | None] = mapped_column(String(32))
    parent: Mapped[str | None] = mapped_column(String(32))
    """The plan that this one was made from by a patch; it may be gone."""
    users: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Options, warnings, result or reasons, provenance: as answered, without users."""
    pins: Mapped[dict[str, str | None] | None] = mapped_column(JSON)
    """The revisions that the request's references stood for; null for plans older than this column."""


class PlanUsersRow(Base):
    """A run of users of a plan, in the order of the request."""

    __tablename__ = "plan_users"

    plan_number: Mapped[int] = mapped_column(ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True)
    block: Mapped[int] = mapped_column(primary_key=True)
    ids: Mapped[list[str]] = mapped_column(JSON)
    entries: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
