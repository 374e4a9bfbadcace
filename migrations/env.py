"""Run the migrations in one transaction, one process at a time."""

from contextlib import ExitStack
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo
from alembic.util import CommandError
from sqlalchemy import Connection, text

import app.auth.tables
import app.evidence.tables
import app.plans.tables
import app.profiles.tables
import app.samples.tables
import app.validations.tables
import app.workers
from app import migration
from app.db import Base, Database, open_database
from app.settings import read_settings

TABLES = [
    app.auth.tables,
    app.evidence.tables,
    app.samples.tables,
    app.plans.tables,
    app.profiles.tables,
    app.validations.tables,
    app.workers,
]  # importing a feature's tables is what makes them known to Base


def refuse_to_go_back(*, step: MigrationInfo, **_: Any) -> None:
    """Raise CommandError where a step has gone back, which takes the whole transaction back."""
    if not step.is_upgrade:
        raise CommandError(
            "alembic does not look at what is lost by going back: nothing was changed."
            " `splitplan migrate --to VERSION` looks, and goes back where nothing is"
        )


def run(connection: Connection, *, back: bool) -> None:
    """Migrate in the transaction that is open, under the database's write lock."""
    each_step: Any = None if back else refuse_to_go_back
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migration.LOCK})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name
        == "sqlite",  # SQLite alters a table by making it again
        compare_server_default=True,
        # SQLite too: the transaction is opened before the first statement
        transactional_ddl=True,
        on_version_apply=each_step,
    )
    with context.begin_transaction():
        context.run_migrations()


attributes = context.config.attributes
if (given := attributes.get("connection")) is not None:
    run(given, back=True)
else:
    # Who gives a database knows what is in it; the command line of alembic gives none.
    known: Database | None = attributes.get("database")
    with ExitStack() as stack:
        if (database := known) is None:
            database = open_database(read_settings().database_url)
            stack.callback(database.engine.dispose)
        with database.changing_schema() as connection:
            run(connection, back=known is not None)
