"""Which plan of a name is current, and what is told when that changes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_HAS_RESULT = {
    "sqlite": "json_extract(answer, '$.result') IS NOT NULL",
    "postgresql": "(answer ->> 'result') IS NOT NULL",
}


def upgrade() -> None:
    op.add_column(
        "plan", sa.Column("has_result", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    plan = sa.table("plan", sa.column("has_result", sa.Boolean))
    has_result = sa.text(_HAS_RESULT[op.get_bind().dialect.name])
    op.execute(sa.update(plan).values(has_result=sa.true()).where(has_result))
    op.create_index(
        "ix_plan_current",
        "plan",
        ["name", "number"],
        sqlite_where=sa.text("has_result = 1"),
        postgresql_where=sa.text("has_result"),
    )
    op.create_table(
        "plan_name",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("event", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_plan_name")),
    )
    op.create_table(
        "name_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name"],
            ["plan_name.name"],
            name=op.f("fk_name_event_name_plan_name"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_name_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_name_event_name_id"), "name_event", ["name", "id"])
    op.create_table(
        "name_event_users",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["name_event.id"],
            name=op.f("fk_name_event_users_event_id_name_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", "block", name=op.f("pk_name_event_users")),
    )


def downgrade() -> None:
    op.drop_table("name_event_users")
    op.drop_table("name_event")
    op.drop_table("plan_name")
    op.drop_index("ix_plan_current", "plan")
    op.drop_column("plan", "has_result")
