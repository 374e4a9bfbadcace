"""Evidence against the promises of plans, and plans that it revoked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("plan", sa.Column("revoked", sa.JSON(), nullable=True))
    op.create_table(
        "plan_evidence",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("refuted", sa.Integer(), nullable=False),
        sa.Column("inferences", sa.BigInteger(), nullable=False),
        sa.Column("misses", sa.BigInteger(), nullable=False),
        sa.Column("wealth", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_plan_evidence_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", name=op.f("pk_plan_evidence")),
    )
    op.create_table(
        "user_evidence",
        sa.Column("plan_number", sa.Integer(), nullable=False),
        sa.Column(
            "user_id",
            sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("risk", sa.Float(53), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("later", sa.JSON(), nullable=False),
        sa.Column("inferences", sa.BigInteger(), nullable=False),
        sa.Column("misses", sa.BigInteger(), nullable=False),
        sa.Column("e_value", sa.Float(53), nullable=False),
        sa.Column("e_value_max", sa.Float(53), nullable=False),
        sa.Column("refuted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("misses <= inferences", name=op.f("ck_user_evidence_misses")),
        sa.ForeignKeyConstraint(
            ["plan_number"],
            ["plan.number"],
            name=op.f("fk_user_evidence_plan_number_plan"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plan_number", "user_id", name=op.f("pk_user_evidence")),
    )


def downgrade() -> None:
    op.drop_table("user_evidence")
    op.drop_table("plan_evidence")
    op.drop_column("plan", "revoked")
