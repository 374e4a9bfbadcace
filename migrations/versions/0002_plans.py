"""Plans: requests with their answers, and what they say of each user."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "plan",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("name", sa.String(63), nullable=True),
        sa.Column("supersedes", sa.String(32), nullable=True),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('robust', 'stopping', 'multi-user', 'adaptive')", name=op.f("ck_plan_kind")
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'solved', 'infeasible', 'failed', 'cancelled',"
            " 'timed_out')",
            name=op.f("ck_plan_status"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_plan")),
        sa.UniqueConstraint("id", name=op.f("uq_plan_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_plan_name_number"), "plan", ["name", "number"])
    op.create_table(
        "plan_users",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_plan_users_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", "block", name=op.f("pk_plan_users")),
    )


def downgrade() -> None:
    op.drop_table("plan_users")
    op.drop_index(op.f("ix_plan_name_number"), table_name="plan")
    op.drop_table("plan")
