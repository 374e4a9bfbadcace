"""Plans as jobs: whose attempt counts, what was asked of them, what happened to them, who works on
them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

WAITING = sa.text("webhook_waiting")
UNENDED = sa.text("status IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("plan", sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "plan", sa.Column("priority", sa.String(6), nullable=False, server_default="normal")
    )
    op.add_column("plan", sa.Column("cancel", sa.String(9), nullable=True))
    op.add_column("plan", sa.Column("max_switches", sa.Integer(), nullable=True))
    op.add_column("plan", sa.Column("idempotency", sa.String(64), nullable=True))
    op.add_column("plan", sa.Column("idempotency_body", sa.String(64), nullable=True))
    op.add_column("plan", sa.Column("webhook", sa.JSON(), nullable=True))
    op.add_column("plan", sa.Column("webhook_waiting", sa.Boolean(), nullable=True))
    op.create_index(op.f("ix_plan_idempotency"), "plan", ["idempotency"], unique=True)
    op.create_index(
        op.f("ix_plan_status_number"),
        "plan",
        ["status", "number"],
        sqlite_where=UNENDED,
        postgresql_where=UNENDED,
    )
    op.create_index(
        op.f("ix_plan_webhook_waiting"),
        "plan",
        ["webhook_waiting"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_table(
        "plan_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_plan_event_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_plan_event_plan_number_id"), "plan_event", ["plan_number", "id"])
    op.create_table(
        "worker",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("beat_s", sa.Float(53), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )


def downgrade() -> None:
    op.drop_table("worker")
    op.drop_index(op.f("ix_plan_event_plan_number_id"), table_name="plan_event")
    op.drop_table("plan_event")
    op.drop_index(op.f("ix_plan_webhook_waiting"), table_name="plan")
    op.drop_index(op.f("ix_plan_status_number"), table_name="plan")
    op.drop_index(op.f("ix_plan_idempotency"), table_name="plan")
    # What was never ended has no answer that the older program could show.
    op.execute("DELETE FROM plan WHERE status IN ('queued', 'running', 'failed', 'cancelled')")
    for column in (
        "webhook_waiting",
        "webhook",
        "idempotency_body",
        "idempotency",
        "max_switches",
        "cancel",
        "priority",
        "attempt",
    ):
        op.drop_column("plan", column)
