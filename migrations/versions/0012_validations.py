"""Validations as jobs: whose attempt counts, how far it has come, what was asked of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_UNENDED = sa.text("status IN ('queued', 'running')")
_STATUS = "status IN ('queued', 'running', 'replayed', 'failed', 'cancelled')"


def upgrade() -> None:
    at = sa.DateTime(timezone=True)
    with op.batch_alter_table("validation") as table:
        table.add_column(sa.Column("id", sa.String(32), nullable=True))
        table.add_column(
            sa.Column("status", sa.String(16), nullable=False, server_default="replayed")
        )
        table.add_column(sa.Column("started_at", at, nullable=True))
        table.add_column(sa.Column("finished_at", at, nullable=True))
        table.add_column(sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("cancel", sa.String(9), nullable=True))
        table.add_column(sa.Column("idempotency", sa.String(64), nullable=True))
        table.add_column(sa.Column("idempotency_body", sa.String(64), nullable=True))
        table.add_column(sa.Column("progress", sa.JSON(), nullable=True))
        table.add_column(sa.Column("failure", sa.JSON(), nullable=True))
    # The workers never ask for these: they have ended.
    op.execute("UPDATE validation SET id = 'of.' || plan_number || '.' || number")
    with op.batch_alter_table("validation") as table:
        table.alter_column("id", existing_type=sa.String(32), nullable=False)
        table.alter_column("status", existing_type=sa.String(16), server_default=None)
        table.create_unique_constraint(op.f("uq_validation_id"), ["id"])
        table.create_check_constraint(op.f("ck_validation_status"), _STATUS)
    op.create_index(op.f("ix_validation_idempotency"), "validation", ["idempotency"], unique=True)
    op.create_index(
        op.f("ix_validation_status"),
        "validation",
        ["status"],
        sqlite_where=_UNENDED,
        postgresql_where=_UNENDED,
    )


def downgrade() -> None:
    op.execute("DELETE FROM validation WHERE status <> 'replayed'")
    op.drop_index("ix_validation_status", "validation")
    op.drop_index("ix_validation_idempotency", "validation")
    with op.batch_alter_table("validation") as table:
        table.drop_constraint(op.f("ck_validation_status"), type_="check")
        table.drop_constraint(op.f("uq_validation_id"), type_="unique")
        for name in (
            "id",
            "status",
            "started_at",
            "finished_at",
            "attempt",
            "cancel",
            "idempotency",
            "idempotency_body",
            "progress",
            "failure",
        ):
            table.drop_column(name)
