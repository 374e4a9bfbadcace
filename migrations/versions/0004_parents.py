"""Plans know the plan that they were made from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("plan", sa.Column("parent", sa.String(32), nullable=True))


def downgrade() -> None:
    op.drop_column("plan", "parent")
