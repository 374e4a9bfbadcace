"""The engine, the two kinds of session, and the one commit of a request."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Request
from sqlalchemy import (
    JSON,
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from app import drivers, projects
from app.drivers import Patience
from app.lending import KeepingPool, LendingPool
from app.projects import Engines, LateSession
from app.same_file import SameFile
from app.together import Together
from app.turns import Turns
from app.written import written

# Constraint names are fixed by rule, so that a migration can drop what another database created.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Connections of those who write, and as many of those who read: more than the web lets write at a
# time, and than other threads are left to read.
_CONNECTIONS = 30
MOST_CONNECTIONS = 2 * _CONNECTIONS + 2
"""That one web has to Postgres: of writers, of readers, and of who looks whether it is there."""

# So many writers share a commit: with more, the first would wait for the last.
_TOGETHER = 64

T = TypeVar("T")

Json = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware datetimes in, UTC out, on SQLite too (which stores no offset)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime does not name an instant")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's signature)
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table of the service."""

    metadata = MetaData(naming_convention=NAMES)


def table_of(row: type[object]) -> Table:
    """The table of rows that are read or written without objects to keep track of."""
    table = getattr(row, "__table__", None)
    assert isinstance(table, Table)
    return table


@dataclass(frozen=True, slots=True)
class Database:
    """One engine and the ways to open a session on it: of one project, or of all of them."""

    engine: Engine
    _readers: Engines
    _writers: Engines
    _lookers: Engines
    _turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """What writers wait for before they ask the database."""
    _together: Together[Any, Any] | None = None
    """Who writes for others too, where a commit may be that of several."""
    project: str | None = None
    """Whose rows sessions see and store; None: everybody's, for whoever looks after all work."""

    def of(self, project: str) -> "Database":
        """The same database as a project sees it."""
        return replace(self, project=project)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one snapshot on SQLite, takes no write lock and is rolled back at the
        end.
        """
        with self._session(self._readers) as session:
            yield session

    @contextmanager
    def looking(self) -> Iterator[Session]:
        """As `reading`, by connections that nobody else can have taken: is the database there?"""
        with self._session(self._lookers) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction, committed on leaving unless an exception passes through."""
        # Rows are turned into plain objects before the commit, so nothing needs to be read again
        # after it.
        with (
            self._turn(),
            self._session(self._writers, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def write_together(self, act: Callable[[Session], T]) -> T:
        """Call `act`, which writes little, with a session as `writing` has it; on SQLite in a
        transaction with others who wait.

        It may be called again, where the transaction failed of another one.
        """
        if self._together is None:
            with self.writing() as session:
                return act(session)
        told: T = self._together.carry_out(_Write(self, act, copy_context()), 1)
        return told

    def _write_all(self, writes: Sequence["_Write"]) -> list[Any]:
        """Carry out what several threads want written, in one transaction."""
        with self._turn(), self._writers.of_all.connect() as connection, connection.begin():
            return [write.on(connection) for write in writes]

    @contextmanager
    def changing_schema(self) -> Iterator[Connection]:
        """A connection in one transaction in which tables may be made anew.

        SQLite alters a table by making it again, and to drop one that others refer to would empty
        those too: it looks at references at the end only.
        """
        with self._turn(), self._writers.of_all.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            if sqlite:  # has no effect within a transaction
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            try:
                with connection.begin():
                    yield connection
                    if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                        raise RuntimeError("the migration left references to rows that are gone")
            finally:
                if sqlite:  # no other session gets a connection that does not look at references
                    connection.invalidate()

    def _session(self, bind: Engines | Connection, *, expire_on_commit: bool = True) -> Session:
        return projects.session_of(self.project, bind, expire_on_commit=expire_on_commit)


@dataclass(frozen=True, slots=True)
class _Write:
    """What a thread wants written, by whichever of those who wait."""

    database: Database
    act: Callable[[Session], Any]
    context: Context

    def on(self, connection: Connection) -> Any:
        """Write it, in a transaction of others."""
        return self.context.run(self._written, connection)

    def _written(self, connection: Connection) -> Any:
        project = self.database.project
        if project is not None:
            return LateSession(project, connection).carry_out(self.act)
        with (
            self.database._session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            return self.act(session)


def open_database(
    url: str, sqlite_busy_timeout_s: float = 30.0, patience: Patience | None = None
) -> Database:
    """Build the engines for `url` (sqlite:///path, postgresql://...); connects to nothing yet."""
    address = make_url(url)
    options: dict[str, Any] = {
        "json_serializer": written,
        "json_deserializer": orjson.loads,
        # What users store belongs in no message of an error.
        "hide_parameters": True,
    }
    if address.drivername in ("postgres", "postgresql"):
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() == "postgresql":
        return _postgres(address, options, patience)
    if address.get_backend_name() == "sqlite":
        return _sqlite(address, options, sqlite_busy_timeout_s)
    raise ValueError(f"{address.get_backend_name()} is not supported: use sqlite or postgresql")


def _postgres(address: URL, options: dict[str, Any], patience: Patience | None) -> Database:
    # Those who read and those who look never wait for connections that writers have, who may
    # wait for each other.
    options |= {"pool_size": 10, "max_overflow": _CONNECTIONS - 10}
    options |= {"pool_timeout": 10.0, "connect_args": {"connect_timeout": 5}}
    engine = create_engine(address, poolclass=LendingPool, **options)
    # Each statement sees what was committed before it, in a transaction of several too, whose
    # begin and end would be two more questions to the server.
    options |= {"isolation_level": "AUTOCOMMIT"}
    readers = create_engine(address, poolclass=LendingPool, **options)
    options |= {"pool_size": 1, "max_overflow": 1, "poolclass": KeepingPool}
    lookers = create_engine(address, **options)
    for other in (readers, lookers):
        event.listen(engine, "engine_disposed", _with(other))
    for each in (engine, readers):
        event.listen(each, "before_cursor_execute", projects.keep_to_one)
    for each in (readers, lookers):
        event.listen(each, "before_cursor_execute", drivers.refuse_changes)
    for each in (engine, readers, lookers):
        event.listen(each, "handle_error", drivers.not_now, retval=True)
        drivers.replace_the_dead(each)
    if patience is not None:
        for each in (engine, readers, lookers):
            event.listen(each, "connect", partial(drivers.be_patient, patience))
    return Database(engine, Engines.on(readers), Engines.on(engine), Engines.on(lookers))


def _sqlite(address: URL, options: dict[str, Any], busy_timeout_s: float) -> Database:
    options |= {"pool_size": 10, "max_overflow": 30, "connect_args": {"timeout": busy_timeout_s}}
    # Who asked last has pages and statements at hand; the others wait for when many ask at once.
    engine = create_engine(address, pool_use_lifo=True, pool_reset_on_return=None, **options)
    event.listen(engine, "connect", drivers.configure_sqlite)
    event.listen(engine, "reset", drivers.end_sqlite)
    event.listen(engine, "begin", drivers.begin_sqlite)
    if address.database not in (None, "", ":memory:"):
        file = Path(str(address.database))
        SameFile(file).watch(engine)
        event.listen(engine, "handle_error", partial(drivers.no_room, file), retval=True)
    event.listen(engine, "before_cursor_execute", projects.keep_to_one)
    readers = Engines.on(engine)
    writers = Engines.on(engine.execution_options(sqlite_immediate=True))
    turn = partial(Turns().one, busy_timeout_s)
    alone = Database(engine, readers, writers, readers, turn)
    return replace(alone, _together=Together(alone._write_all, _TOGETHER, (OperationalError,)))


def _with(other: Engine) -> Callable[[Engine], None]:
    """Have the connections of another engine closed, too."""
    return lambda _: other.dispose()


def database_of(request: Request) -> Database:
    """The database as the caller's project sees it."""
    database: Database = request.app.state.database
    return database.of(request.state.caller.project)


def open_read_session(request: Request) -> Iterator[Session]:
    """The session of a request that changes nothing."""
    with database_of(request).reading() as session:
        yield session


def open_write_session(request: Request) -> Iterator[Session]:
    """The session of a request that changes something: all of it or nothing."""
    with database_of(request).writing() as session:
        yield session


# scope="function": the commit comes before the answer leaves: if it fails, nobody is told 200.
ReadSession = Annotated[Session, Depends(open_read_session, scope="function")]
WriteSession = Annotated[Session, Depends(open_write_session, scope="function")]
