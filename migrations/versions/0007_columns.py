"""Large plans in columns."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "plan_columns",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(8), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_plan_columns_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", "part", "block", name=op.f("pk_plan_columns")),
    )
    op.create_table(
        "plan_index",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column(
            "first_id",
            sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_plan_index_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", "first_id", name=op.f("pk_plan_index")),
    )


def downgrade() -> None:
    # A plan whose users are gone says nothing.
    op.execute("DELETE FROM plan WHERE number IN (SELECT plan_number FROM plan_columns)")
    op.drop_table("plan_index")
    op.drop_table("plan_columns")
