"""The schema's version: bring a database to the newest, or say how far it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

import migrations
from app.db import Database
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

LOCK = 7_308_609_402  # of whoever migrates on Postgres: any number, the same in every process

# What Alembic keeps of a database, and what it is read from without Alembic (half a second and
# 14 MB), which only whoever migrates loads.
_VERSION = table("alembic_version", column("version_num"))


def configuration(database: Database | None = None, connection: Connection | None = None) -> Config:
    """Alembic, configured from the installed package rather than from a file.

    It opens a transaction of its own on a database, and works in the one of a connection.
    """
    from alembic.config import Config

    config = Config()
    folder = _folder()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes.update(database=database, connection=connection)
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision` (the newest by default) in one transaction; others who try
    meanwhile wait.
    """
    from alembic import command

    create_folder(database)
    command.upgrade(configuration(database), revision)


def create_folder(database: Database) -> None:
    """SQLite creates its file but not the folder."""
    address = database.engine.url
    if address.get_backend_name() == "sqlite" and address.database:
        Path(address.database).expanduser().parent.mkdir(parents=True, exist_ok=True)


@cache
def known() -> tuple[str, ...]:
    """Every version that this code can bring a database to, oldest first: revisions stand in one
    line, in files of their numbers.
    """
    files = _folder().glob("versions/[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def newest() -> str:
    """The version this code works with."""
    return known()[-1]


def require_known(version: str, name: str) -> None:
    """Raises ConfigurationError for the schema of a newer release."""
    if version not in known():
        raise ConfigurationError(
            f"{name} is at schema version {version}, made by a newer release: this program knows"
            f" those up to {newest()}"
        )


def current(connection: Connection) -> str | None:
    """The version a database has; None if it was never migrated."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def _folder() -> Path:
    return Path(next(iter(migrations.__path__)))
