"""Older versions of the schema: gone back to where nothing is lost by it, or where it may be."""

from alembic import command
from sqlalchemy import inspect, text

from app import migration
from app.contents import contents, lost
from app.db import Database
from app.errors import ConfigurationError

# Workers that live write here every few seconds, the version changes by design, and sizes are
# measured anew.
_PASSING = frozenset({"worker", "alembic_version", "plan.stored_byte"})


def move(database: Database, revision: str = "head", *, lose_data: bool = False) -> str | None:
    """Bring the database to a version, older ones too ("base" is before the first); which it is.

    Raises ConfigurationError where the version is unknown, or something would be lost that nobody
    said may be; nothing has changed then.
    """
    migration.create_folder(database)
    wanted = {"head": migration.newest(), "base": None}.get(revision, revision)
    if wanted is not None:
        _require_made_here(wanted)
    with database.reading() as session:
        version = migration.current(session.connection())
    if version is not None:
        migration.require_known(version, "the database")
    if _place(wanted) < _place(version):
        _downgrade(database, revision, version or "base", lose_data)
    else:
        migration.migrate(database, revision)
    return wanted


def _require_made_here(version: str) -> None:
    known = migration.known()
    if version not in known:
        raise ConfigurationError(
            f"there is no schema version {version}: there are {known[0]} to {known[-1]}"
        )


def _place(version: str | None) -> int:
    return -1 if version is None else migration.known().index(version)


def _downgrade(database: Database, revision: str, version: str, lose_data: bool) -> None:
    """Go back if that and the way up again leaves everything as it is, and try this first."""
    with database.changing_schema() as connection:
        if connection.dialect.name == "postgresql":
            # Whoever still writes waits: what came after the look would not be seen.
            for table in inspect(connection).get_table_names():
                connection.execute(text(f'LOCK TABLE "{table}"'))
        config = migration.configuration(connection=connection)
        before = None if lose_data else contents(connection, _PASSING)
        command.downgrade(config, revision)
        if before is None:
            return
        command.upgrade(config, version)
        if gone := lost(before, contents(connection, _PASSING)):
            raise ConfigurationError(
                f"schema version {revision} cannot hold {'; '.join(gone)}: nothing was changed."
                " Make a backup, and say --lose-data to go back without"
            )
        command.downgrade(config, revision)
