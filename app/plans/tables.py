"""Plans, what they say of each user (in blocks, so that a page reads only what it shows), and how
they came about.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime
from app.projects import DEFAULT, OfProject

_UNENDED = text("status IN ('queued', 'running')")
_QUEUED = text("status = 'queued'")
_WAITING = text("webhook_waiting")
_HAS_RESULT = text("has_result")

# Plain JSON, not JSONB: an answer read again has its fields in the order in which it was given.


class DurableRow(OfProject):
    """What is kept of work that outlives the processes that are at it."""

    __tablename__: str
    """Also the noun for a piece of the work."""

    id: Mapped[str] = mapped_column(String(32), unique=True)
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(server_default="0")
    """Whoever begins the work counts this up; only the latest attempt may write."""
    taken_by: Mapped[str | None] = mapped_column(String(128))
    """The worker whose attempt runs."""
    deaths: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How many workers died while they had it."""
    cancel: Mapped[str | None] = mapped_column(String(9))
    """`drop` or `keep_best`, once someone asked for the work to be stopped."""
    idempotency: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    """SHA-256 of API key (its id), path and Idempotency-Key."""
    idempotency_body: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the body that came with the key."""
    request_id: Mapped[str | None] = mapped_column(String(128))
    """The id of the request that it came with, for the log of whoever works on it."""
    traceparent: Mapped[str | None] = mapped_column(String(55))
    """The trace that whoever works on it goes on in (W3C Trace Context); null: none."""


class PlanRow(DurableRow, Base):
    """A planning request and its answer without the users."""

    __tablename__ = "plan"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'running', 'solved', 'infeasible', 'failed', 'cancelled',"
            " 'timed_out')",
            name="status",
        ),
        Index(None, "project", "number"),
        Index(None, "project", "name", "number"),
        Index(
            "ix_plan_current",
            "project",
            "name",
            "number",
            sqlite_where=text("has_result = 1"),
            postgresql_where=_HAS_RESULT,
        ),
        Index(None, "status", "number", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
        Index(None, "status", "finished_at"),
        Index(
            "ix_plan_queue",
            "quick",
            "rank",
            "number",
            sqlite_where=_QUEUED,
            postgresql_where=_QUEUED,
        ),
        Index(None, "project", "stored_byte"),
        Index("ix_plan_at_once", "project", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
        Index(None, "webhook_waiting", sqlite_where=_WAITING, postgresql_where=_WAITING),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    """In the order of acceptance; lists go by it."""
    kind: Mapped[str] = mapped_column(String(16))
    """One of the registry of families, the only one to say which there are."""
    name: Mapped[str | None] = mapped_column(String(63))
    supersedes: Mapped[str | None] = mapped_column(String(32))
    parent: Mapped[str | None] = mapped_column(String(32))
    """The plan that this one was made from by a patch; it may be gone."""
    users: Mapped[int]
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_hash: Mapped[str] = mapped_column(String(64))
    stored_byte: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """What request, answer and users take as JSON or columns, to be added up by project."""
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Options, warnings, result or reasons, provenance: as answered, without users."""
    has_result: Mapped[bool] = mapped_column(server_default=false())
    """Whether the answer has a result, to find the current plan of a name by."""
    pins: Mapped[dict[str, str | None] | None] = mapped_column(JSON)
    """The revisions that the request's references stood for; null for plans older than this column.
    """
    priority: Mapped[str] = mapped_column(String(6), server_default="normal")
    quick: Mapped[bool] = mapped_column(server_default=false())
    """Whether it is small, and does not wait behind long ones."""
    rank: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """`priority` as a number: the least goes first."""
    max_switches: Mapped[int | None]
    """How many users may leave the decision of `parent`; null: all."""
    webhook: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Where to tell that the plan ended, and how that went."""
    webhook_waiting: Mapped[bool | None]
    """Whether that is still to be told."""
    webhook_due_s: Mapped[float | None] = mapped_column(Float(53))
    """Not to be told before that, in seconds since 1970 by the database's clock; null: at once."""
    revoked: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Since when the plan is no longer trusted, and why: refuted by what its users saw."""


class PlanUsersRow(Base):
    """A run of users of a plan, in the order of the request."""

    __tablename__ = "plan_users"

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    block: Mapped[int] = mapped_column(primary_key=True)
    ids: Mapped[list[str]] = mapped_column(JSON)
    entries: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class PlanColumnsRow(Base):
    """A run of rows of a large plan: of its request's users, or of what it says of them."""

    __tablename__ = "plan_columns"

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    part: Mapped[str] = mapped_column(String(8), primary_key=True)
    block: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """An Arrow stream."""


class PlanIndexRow(Base):
    """A run of the ids of a large plan's users, in their order, and where each is."""

    __tablename__ = "plan_index"

    plan_number: Mapped[int] = mapped_column(
        ForeignKey("plan.number", ondelete="CASCADE"), primary_key=True
    )
    first_id: Mapped[str] = mapped_column(
        String(128).with_variant(String(128, collation="C"), "postgresql"), primary_key=True
    )
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """An Arrow stream of `id` and `row`."""


class PlanEventRow(Base):
    """A step on the way of a plan that is solved in the background."""

    __tablename__ = "plan_event"
    __table_args__ = (Index(None, "plan_number", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    """Increases with time, over all plans; never given twice."""
    plan_number: Mapped[int] = mapped_column(ForeignKey("plan.number", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class PlanNameRow(OfProject, Base):
    """A name of plans. Whoever changes which of them is current, or adds one, holds its row."""

    __tablename__ = "plan_name"

    project: Mapped[str] = mapped_column(String(63), server_default=DEFAULT, primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    event: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The latest event of the name; 0: none."""


class NameEventRow(OfProject, Base):
    """That a name has another current plan, or that the one it has was revoked."""

    __tablename__ = "name_event"
    __table_args__ = (
        Index(None, "project", "name", "id"),
        ForeignKeyConstraint(
            ["project", "name"], ["plan_name.project", "plan_name.name"], ondelete="CASCADE"
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    """Increases with time within a name; never given twice."""
    name: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(8))
    """`current` or `revoked`."""
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    """As it is told. The plans it names may be gone."""


class NameEventUsersRow(Base):
    """A run of the users whom an event concerns, where they are too many to be told with it."""

    __tablename__ = "name_event_users"

    event_id: Mapped[int] = mapped_column(
        ForeignKey("name_event.id", ondelete="CASCADE"), primary_key=True
    )
    block: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    """An Arrow stream of `id` and `change`."""
