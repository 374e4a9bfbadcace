"""Profiles: the names and their revisions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "profile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column(
            "name",
            sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("timing_processor", sa.String(63), nullable=True),
        sa.Column("timing_processor_kind", sa.String(10), nullable=True),
        sa.Column("timing_model", sa.String(63), nullable=True),
        sa.CheckConstraint(
            "kind IN ('device', 'model', 'channel', 'server', 'timing')",
            name=op.f("ck_profile_kind"),
        ),
        sa.CheckConstraint("latest >= 1", name=op.f("ck_profile_latest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_profile_kind_name")),
    )
    op.create_index(
        op.f("ix_profile_timing_model_timing_processor_timing_processor_kind"),
        "profile",
        ["timing_model", "timing_processor", "timing_processor_kind"],
    )
    op.create_table(
        "profile_revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_profile_revision_number")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profile.id"], name=op.f("fk_profile_revision_profile_id_profile")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_revision")),
        sa.UniqueConstraint(
            "profile_id", "number", name=op.f("uq_profile_revision_profile_id_number")
        ),
    )


def downgrade() -> None:
    op.drop_table("profile_revision")
    op.drop_index(
        op.f("ix_profile_timing_model_timing_processor_timing_processor_kind"), table_name="profile"
    )
    op.drop_table("profile")
