"""The schema's version: bring a database to the newest, or say how far it is."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import migrations
from app.db import Database


def configuration(database: Database | None = None) -> Config:
    """Alembic, configured from the installed package rather than from a file."""
    config = Config()
    folder = Path(next(iter(migrations.__path__)))
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["database"] = database
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision` (the newest by default) in one transaction; others who try
    meanwhile wait.
    """
    create_folder(database)
    command.upgrade(configuration(database), revision)


def create_folder(database: Database) -> None:
    """SQLite creates its file but not the folder."""
    address = database.engine.url
    if address.get_backend_name() == "sqlite" and address.database:
        Path(address.database).expanduser().parent.mkdir(parents=True, exist_ok=True)


@cache
def newest() -> str | None:
    """The version this code works with."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


def current(connection: Connection) -> str | None:
    """The version a database has; None if it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()
