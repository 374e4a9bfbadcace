"""Where work comes from, what workers have counted, and plans found by how and when they ended."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_WORK = ("plan", "validation")


def upgrade() -> None:
    for table in _WORK:
        op.add_column(table, sa.Column("request_id", sa.String(128), nullable=True))
        op.add_column(table, sa.Column("traceparent", sa.String(55), nullable=True))
    op.add_column("worker", sa.Column("told", sa.Text(), nullable=True))
    op.create_index(op.f("ix_plan_status_finished_at"), "plan", ["status", "finished_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_plan_status_finished_at"), "plan")
    op.drop_column("worker", "told")
    for table in _WORK:
        op.drop_column(table, "traceparent")
        op.drop_column(table, "request_id")
