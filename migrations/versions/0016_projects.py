"""Whose what is stored is: what there is, is of the project `default`."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.errors import ConfigurationError

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_CURRENT: dict[str, Any] = {
    "sqlite_where": sa.text("has_result = 1"),
    "postgresql_where": sa.text("has_result"),
}
_PROFILE = sa.table("profile", *map(sa.column, ("id", "kind", "name", "project")))
_OWN = _PROFILE.alias("own")
_REVISION = sa.table("profile_revision", sa.column("profile_id"))
_OF_OTHERS = ("plan", "validation", "profile", "plan_name", "name_event")


def upgrade() -> None:
    for table in _OF_OTHERS:
        # The default is kept: webs of the last release go on while others are restarted.
        project = sa.Column("project", sa.String(63), server_default="default", nullable=False)
        op.add_column(table, project)
    with op.batch_alter_table("profile") as profile:
        profile.drop_constraint("uq_profile_kind_name", type_="unique")
        name = op.f("uq_profile_kind_name_project")
        profile.create_unique_constraint(name, ["kind", "name", "project"])
    op.create_index(op.f("ix_profile_project_kind_name"), "profile", ["project", "kind", "name"])
    op.drop_index("ix_plan_current", "plan")
    op.drop_index("ix_plan_name_number", "plan")
    op.create_index("ix_plan_current", "plan", ["project", "name", "number"], **_CURRENT)
    op.create_index(op.f("ix_plan_project_number"), "plan", ["project", "number"])
    op.create_index(op.f("ix_plan_project_name_number"), "plan", ["project", "name", "number"])
    _key_names_by(["project", "name"])
    op.drop_index("ix_name_event_name_id", "name_event")
    op.create_index(op.f("ix_name_event_project_name_id"), "name_event", ["project", "name", "id"])


def downgrade() -> None:
    _require_one_project()
    # The shipped profiles are everybody's again: of those that `default` changed, its own stay.
    gone = sa.select(_PROFILE.c.id).where(
        _PROFILE.c.project == "shared",
        sa.exists().where(
            _OWN.c.project == "default",
            _OWN.c.kind == _PROFILE.c.kind,
            _OWN.c.name == _PROFILE.c.name,
        ),
    )
    op.execute(sa.delete(_REVISION).where(_REVISION.c.profile_id.in_(gone)))
    op.execute(sa.delete(_PROFILE).where(_PROFILE.c.id.in_(gone)))
    op.execute(sa.update(_PROFILE).values(project="default"))
    op.drop_index("ix_name_event_project_name_id", "name_event")
    op.create_index(op.f("ix_name_event_name_id"), "name_event", ["name", "id"])
    _key_names_by(["name"])
    op.drop_index("ix_plan_project_name_number", "plan")
    op.drop_index("ix_plan_project_number", "plan")
    op.drop_index("ix_plan_current", "plan")
    op.create_index("ix_plan_current", "plan", ["name", "number"], **_CURRENT)
    op.create_index(op.f("ix_plan_name_number"), "plan", ["name", "number"])
    op.drop_index("ix_profile_project_kind_name", "profile")
    with op.batch_alter_table("profile") as profile:
        profile.drop_constraint("uq_profile_kind_name_project", type_="unique")
        profile.create_unique_constraint(op.f("uq_profile_kind_name"), ["kind", "name"])
    for table in _OF_OTHERS:
        op.drop_column(table, "project")


def _key_names_by(columns: list[str]) -> None:
    """Have names of plans, and their events, known by these columns."""
    old = ["name"] if len(columns) > 1 else ["project", "name"]
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    last = None
    if sqlite:  # an id of an event is never given twice, though the table is made anew
        given = "SELECT seq FROM sqlite_sequence WHERE name = 'name_event'"
        last = connection.execute(sa.text(given)).scalar()
    autoincrement = {"sqlite_autoincrement": True}
    with op.batch_alter_table("name_event", table_kwargs=autoincrement) as events:
        events.drop_constraint(f"fk_name_event_{'_'.join(old)}_plan_name", type_="foreignkey")
    with op.batch_alter_table("plan_name") as names:
        names.drop_constraint("pk_plan_name", type_="primary")
        names.create_primary_key(op.f("pk_plan_name"), columns)
    with op.batch_alter_table("name_event", table_kwargs=autoincrement) as events:
        events.create_foreign_key(
            op.f(f"fk_name_event_{'_'.join(columns)}_plan_name"),
            "plan_name",
            columns,
            columns,
            ondelete="CASCADE",
        )
    if last is not None:
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'name_event'"))
        kept = "INSERT INTO sqlite_sequence (name, seq) VALUES ('name_event', :last)"
        connection.execute(sa.text(kept), {"last": last})


def _require_one_project() -> None:
    """Refuse to mix what projects were promised to be kept apart."""
    for table in _OF_OTHERS:
        others = f"SELECT project FROM {table} WHERE project NOT IN ('default', 'shared')"  # noqa: S608 (our own names)
        found = op.get_bind().execute(sa.text(f"{others} LIMIT 1")).scalar()
        if found is not None:
            raise ConfigurationError(
                f"the table {table} has rows of the project {found!r}, which the earlier schema"
                " could not tell from those of others: delete them first"
            )
    used = "SELECT id FROM api_key WHERE project <> 'default' AND revoked_at IS NULL LIMIT 1"
    if (key := op.get_bind().execute(sa.text(used)).scalar()) is not None:
        raise ConfigurationError(
            f"the key {key} is of another project than `default`, and would see what is stored"
            " there: `splitplan keys revoke` it first"
        )
