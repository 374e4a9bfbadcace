"""Measurements are of devices' power too."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NAME = "ck_measurement_kind"
BEFORE = "kind IN ('samples', 'observations')"
AFTER = "kind IN ('samples', 'observations', 'power')"


def upgrade() -> None:
    _allow(BEFORE, AFTER)


def downgrade() -> None:
    # What the older program cannot name it cannot show.
    gone = "SELECT id FROM measurement WHERE kind = 'power'"
    op.execute(f"DELETE FROM measured_samples WHERE measurement_id IN ({gone})")  # noqa: S608 (our own text)
    op.execute("DELETE FROM measurement WHERE kind = 'power'")
    _allow(AFTER, BEFORE)


def _allow(old: str, new: str) -> None:
    if op.get_context().dialect.name == "sqlite":
        _rewrite(f"CHECK ({old})", f"CHECK ({new})")
    else:
        op.drop_constraint(op.f(NAME), "measurement", type_="check")
        op.create_check_constraint(op.f(NAME), "measurement", new)


def _rewrite(old: str, new: str) -> None:
    """Replace a part of the table's definition: SQLite has no statement to change a constraint.

    A copy of the table would drop the old one, and with it, by its foreign keys, all samples; see
    0008.
    """
    connection = op.get_bind()
    where = "FROM sqlite_schema WHERE type = 'table' AND name = 'measurement'"
    before = connection.execute(sa.text(f"SELECT sql {where}")).scalar_one()
    compact = " ".join(before.split())
    assert compact.count(old) == 1, before
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.execute(
        sa.text(
            "UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = 'measurement'"
        ),
        {"sql": compact.replace(old, new)},
    )
    # Other connections read the schema again when its version has changed.
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
