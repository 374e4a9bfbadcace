"""Whether the schema is the one that this program works with, and whole."""

from collections.abc import Iterator

from sqlalchemy import Connection, inspect, text

from app import migration
from app.auth import tables as _auth
from app.db import Base
from app.doctor.findings import Finding, listed, ok, warning, wrong
from app.evidence import tables as _evidence
from app.plans import tables as _plans
from app.profiles import tables as _profiles
from app.samples import tables as _samples
from app.validations import tables as _validations

_MINE = "schema"
_RESTORE = (
    "Restore a backup (`splitplan restore`, or pg_restore), or bring it to the newest schema by"
    " hand."
)
# Importing a feature's tables is what makes them known to Base.
_TABLES = (_auth, _evidence, _plans, _profiles, _samples, _validations)


def look(connection: Connection) -> tuple[bool, list[Finding]]:
    """Whether the program can work with it, and what was found."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if "alembic_version" not in tables:
        known = {table.name for table in Base.metadata.sorted_tables} & tables
        if known:
            said = f"there are tables ({listed(sorted(known))}), and no version of a schema"
            return False, [wrong(_MINE, said, _RESTORE)]
        said = "the database has no tables yet"
        return False, [wrong(_MINE, said, "Run `splitplan migrate --load-catalogue`.")]
    versions = [
        str(row[0]) for row in connection.execute(text("SELECT version_num FROM alembic_version"))
    ]
    if len(versions) != 1:
        said = f"{len(versions)} versions are kept, so a migration was not finished"
        return False, [wrong(_MINE, said, _RESTORE)]
    return _of_version(connection, versions[0], tables)


def _of_version(
    connection: Connection, version: str, tables: set[str]
) -> tuple[bool, list[Finding]]:
    newest = migration.newest()
    if version not in migration.known():
        said = (
            f"version {version} was made by a newer release; this program knows those up to"
            f" {newest}"
        )
        mend = (
            "Start the newer release; with it, `splitplan migrate --to` goes back where nothing is"
            " lost."
        )
        return False, [wrong(_MINE, said, mend)]
    left = sorted(name for name in tables if name.startswith("_alembic_tmp_"))
    found = []
    if left:
        said = f"a migration was not finished: {listed(left)} is left of it"
        found.append(warning(_MINE, said, "Back the database up, then drop what is left."))
    if version != newest:
        said = f"version {version} is older than {newest}, which this program needs"
        return False, [*found, wrong(_MINE, said, "Run `splitplan migrate`.")]
    lacking = list(_lacking(connection, tables))
    if lacking:
        said = f"version {version}, but it lacks {listed(lacking)}: it was changed by hand"
        return False, [*found, wrong(_MINE, said, _RESTORE)]
    return True, [*found, ok(_MINE, f"version {version}, the newest, with all its tables")]


def _lacking(connection: Connection, tables: set[str]) -> Iterator[str]:
    inspector = inspect(connection)
    for table in Base.metadata.sorted_tables:
        if table.name not in tables:
            yield f"the table {table.name}"
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                yield f"the column {table.name}.{column.name}"
