"""Rows are the queue: who has a piece of work, who goes first, what is to be told when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_QUEUED = sa.text("status = 'queued'")
_RANKS = (
    "UPDATE plan SET rank = CASE priority WHEN 'high' THEN 0 WHEN 'low' THEN 2 ELSE 1 END"
    " WHERE status IN ('queued', 'running')"
)


def upgrade() -> None:
    for name in ("plan", "validation"):
        op.add_column(name, sa.Column("taken_by", sa.String(128), nullable=True))
        op.add_column(
            name, sa.Column("deaths", sa.SmallInteger(), nullable=False, server_default="0")
        )
    op.add_column(
        "plan", sa.Column("quick", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("plan", sa.Column("rank", sa.SmallInteger(), nullable=False, server_default="1"))
    op.add_column("plan", sa.Column("webhook_due_s", sa.Float(53), nullable=True))
    # Those that wait already are few: all of them as long ones.
    op.execute(_RANKS)
    op.create_index(
        op.f("ix_plan_queue"),
        "plan",
        ["quick", "rank", "number"],
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )


def downgrade() -> None:
    op.drop_index("ix_plan_queue", "plan")
    for column in ("webhook_due_s", "rank", "quick"):
        op.drop_column("plan", column)
    for name in ("plan", "validation"):
        for column in ("deaths", "taken_by"):
            op.drop_column(name, column)
