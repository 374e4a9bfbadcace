"""Which kinds of plans there are is for the registry of families to say, not for the database."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NAME = "ck_plan_kind"
KINDS = "kind IN ('robust', 'stopping', 'multi-user', 'adaptive')"
# How the tables of both are written by this program, and found again in SQLite's own text of them.
CLAUSE = f"CONSTRAINT {NAME} CHECK ({KINDS}), "
BEFORE = "CONSTRAINT ck_plan_status"


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _rewrite(CLAUSE, "")
    else:
        op.drop_constraint(op.f(NAME), "plan", type_="check")


def downgrade() -> None:
    # What the older program cannot name it cannot show.
    op.execute(f"DELETE FROM plan WHERE NOT ({KINDS})")  # noqa: S608 (our own text)
    if op.get_context().dialect.name == "sqlite":
        _rewrite(BEFORE, CLAUSE + BEFORE)
    else:
        op.create_check_constraint(op.f(NAME), "plan", KINDS)


def _rewrite(old: str, new: str) -> None:
    """Replace a part of the table's definition: SQLite has no statement to change a constraint.

    A copy of the table would drop the old one, and with it, by its foreign keys, all users and
    events of all plans. The text may be edited where no content depends on it, as SQLite's manual
    says under "Making Other Kinds Of Table Schema Changes".
    """
    connection = op.get_bind()
    where = "FROM sqlite_schema WHERE type = 'table' AND name = 'plan'"
    before = connection.execute(sa.text(f"SELECT sql {where}")).scalar_one()
    compact = " ".join(before.split())
    assert compact.count(old) == 1, before
    after = compact.replace(old, new)
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.execute(
        sa.text("UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = 'plan'"),
        {"sql": after},
    )
    # Other connections read the schema again when its version has changed.
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
