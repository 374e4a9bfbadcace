"""Experiments: many plans of one request, worked off in blocks of points."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_UNENDED = sa.text("status IN ('queued', 'running')")
_STATUS = "status IN ('queued', 'running', 'finished', 'failed', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "experiment",
        *_durable(),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(63), nullable=True),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("event", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("revisions", sa.JSON(), nullable=False),
        *_constraints("experiment"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_experiment")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_experiment_project_number"), "experiment", ["project", "number"])
    op.create_table(
        "experiment_block",
        *_durable(),
        sa.Column("experiment_number", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("failure", sa.JSON(), nullable=True),
        *_constraints("experiment_block"),
        sa.ForeignKeyConstraint(
            ["experiment_number"],
            ["experiment.number"],
            name=op.f("fk_experiment_block_experiment_number_experiment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("experiment_number", "block", name=op.f("pk_experiment_block")),
    )
    for table in ("experiment", "experiment_block"):
        name = op.f(f"ix_{table}_idempotency")
        op.create_index(name, table, ["idempotency"], unique=True)
        op.create_index(
            op.f(f"ix_{table}_status"),
            table,
            ["status"],
            sqlite_where=_UNENDED,
            postgresql_where=_UNENDED,
        )


def downgrade() -> None:
    op.drop_table("experiment_block")
    op.drop_table("experiment")


def _durable() -> tuple[sa.Column[Any], ...]:
    """What is kept of work that outlives the processes that are at it."""
    at = sa.DateTime(timezone=True)
    return (
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", at, nullable=False),
        sa.Column("started_at", at, nullable=True),
        sa.Column("finished_at", at, nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("taken_by", sa.String(128), nullable=True),
        sa.Column("deaths", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("cancel", sa.String(9), nullable=True),
        sa.Column("idempotency", sa.String(64), nullable=True),
        sa.Column("idempotency_body", sa.String(64), nullable=True),
        sa.Column("request_id", sa.String(128), nullable=True),
        sa.Column("traceparent", sa.String(55), nullable=True),
        sa.Column("project", sa.String(63), server_default="default", nullable=False),
    )


def _constraints(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.CheckConstraint(_STATUS, name=op.f(f"ck_{table}_status")),
        sa.UniqueConstraint("id", name=op.f(f"uq_{table}_id")),
    )
