"""Validations: the evidence of replayed plans, and the revisions that make a plan replayable."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Null for the plans that are there: which revisions their references meant was not kept.
    op.add_column("plan", sa.Column("pins", sa.JSON(), nullable=True))
    op.create_table(
        "validation",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_validation_number")),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_validation_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", "number", name=op.f("pk_validation")),
    )


def downgrade() -> None:
    op.drop_table("validation")
    op.drop_column("plan", "pins")
