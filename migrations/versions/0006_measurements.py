"""Measurements: samples behind the revisions of timings, observations against them, and what
refuted one.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "profile_revision",
        sa.Column("stale", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True),
    )
    op.create_table(
        "measurement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_measurement_number")),
        sa.CheckConstraint("kind IN ('samples', 'observations')", name=op.f("ck_measurement_kind")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_measurement_profile_id_profile")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurement")),
        sa.UniqueConstraint("profile_id", "number", name=op.f("uq_measurement_profile_id_number")),
    )
    op.create_index(
        op.f("ix_measurement_profile_id_kind_revision"),
        "measurement",
        ["profile_id", "kind", "revision"],
    )
    op.create_table(
        "measured_samples",
        sa.Column("measurement_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["measurement.id"],
            name=op.f("fk_measured_samples_measurement_id_measurement"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measurement_id", name=op.f("pk_measured_samples")),
    )


def downgrade() -> None:
    op.drop_table("measured_samples")
    op.drop_index(op.f("ix_measurement_profile_id_kind_revision"), table_name="measurement")
    op.drop_table("measurement")
    op.drop_column("profile_revision", "stale")
