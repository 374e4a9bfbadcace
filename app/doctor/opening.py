"""The database, opened to be looked at: nothing is made, migrated or written."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import Session

from app.db import open_database
from app.drivers import Patience
from app.settings import Settings

_PATIENCE = Patience(lock_s=2.0, statement_s=60.0)


def file_of(settings: Settings) -> Path | None:
    """The file of a SQLite database."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        return None
    return Path(str(url.database)).expanduser()


@contextmanager
def looking(settings: Settings) -> Iterator[Session]:
    """A session that can change nothing. Raises a database's errors."""
    file = file_of(settings)
    if file is not None:
        engine = create_engine("sqlite://", creator=opening(file), hide_parameters=True)
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()
        return
    database = open_database(settings.database_url, patience=_PATIENCE)
    try:
        with database.looking() as session:
            yield session
    finally:
        database.engine.dispose()


def opening(file: Path) -> Callable[[], sqlite3.Connection]:
    """Opens a file to be read, whoever writes meanwhile; where nobody has it open, without the two
    files beside it that a reader would make.
    """
    logged = Path(f"{file}-wal").exists() and Path(f"{file}-shm").exists()
    how = "mode=ro" if logged else "mode=ro&immutable=1"
    return lambda: sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}", uri=True, check_same_thread=False
    )
