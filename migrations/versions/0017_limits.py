"""What keys may take of their own, and what plans take."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_UNENDED = sa.text("status IN ('queued', 'running')")
# What is told of the users of a plan that is there already, and what its row takes.
_PARTS = (("plan_users", "entries"), ("plan_columns", "data"), ("plan_index", "data"))


def upgrade() -> None:
    op.add_column("api_key", sa.Column("limits", sa.JSON(), nullable=True))
    # The default is kept: webs of the last release go on while others are restarted.
    byte = sa.Column("stored_byte", sa.BigInteger(), server_default="0", nullable=False)
    op.add_column("plan", byte)
    op.execute(_measured(postgresql=op.get_bind().dialect.name == "postgresql"))
    op.create_index(op.f("ix_plan_project_stored_byte"), "plan", ["project", "stored_byte"])
    op.create_index(
        "ix_plan_at_once",
        "plan",
        ["project"],
        sqlite_where=_UNENDED,
        postgresql_where=_UNENDED,
    )


def downgrade() -> None:
    op.drop_index("ix_plan_at_once", "plan")
    op.drop_index("ix_plan_project_stored_byte", "plan")
    op.drop_column("plan", "stored_byte")
    op.drop_column("api_key", "limits")


def _measured(*, postgresql: bool) -> sa.TextClause:
    def size(column: str) -> str:
        # On Postgres as it is kept, without reading it.
        return f"pg_column_size({column})" if postgresql else f"length(CAST({column} AS BLOB))"

    told = [
        f"coalesce((SELECT sum({size(column)}) FROM {table}"  # noqa: S608 (our own names)
        f" WHERE {table}.plan_number = plan.number), 0)"
        for table, column in _PARTS
    ]
    whole = " + ".join([size("request"), size("answer"), *told])
    return sa.text(f"UPDATE plan SET stored_byte = {whole}")  # noqa: S608 (our own names)
