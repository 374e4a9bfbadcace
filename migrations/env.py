"""Run the migrations in one transaction, one process at a time."""

from alembic import context
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


def run(connection: Connection) -> None:
    """Migrate in the transaction that is open, under the database's write lock."""
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
    )
    with context.begin_transaction():
        context.run_migrations()


attributes = context.config.attributes
if (given := attributes.get("connection")) is not None:
    run(given)
else:
    database: Database = attributes.get("database") or open_database(read_settings().database_url)
    with database.changing_schema() as connection:
        run(connection)
