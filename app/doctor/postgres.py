"""A database on a server: who serves it, what this role may, and for how many there is room."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, make_url, text

from app import migration
from app.db import MOST_CONNECTIONS, Base
from app.doctor.findings import Finding, listed, ok, or_ok, warning, wrong
from app.settings import Settings

_MINE = "database"
# The oldest that still gets corrections; what is older may do, and is not tried.
_OLDEST = 14
_SKEW_S = 1.0
_IDLE_S = 60.0
_LOCAL = ("", "localhost", "127.0.0.1", "::1")
# Beside its solvers a worker has some, and one that listens for news.
_OF_A_WORKER, _OF_A_SOLVER = 7, 2


def look(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """The server and this role, whatever is stored."""
    found = connection.execute(
        text(
            "SELECT current_setting('server_version') AS version,"
            " current_setting('server_version_num')::int / 10000 AS major,"
            " current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,"
            " current_setting('default_transaction_read_only') AS read_only,"
            " pg_database_size(current_database()) AS byte, current_database() AS name"
        )
    ).one()
    said = f"PostgreSQL {found.version}, {found.name}, {found.byte / 1e6:.1f} MB"
    yield ok(_MINE, said)
    if found.major < _OLDEST:
        said = f"PostgreSQL {found.major} is not maintained any more"
        yield warning(_MINE, said, f"Upgrade the server to {_OLDEST} or newer.")
    if found.encoding != "UTF8":
        said = f"the database is in {found.encoding}: names of other letters cannot be stored"
        yield wrong(_MINE, said, "Make the database anew with ENCODING 'UTF8'.")
    if found.standby:
        said = "the server is a standby, which cannot be written to"
        yield wrong(_MINE, said, "Name the primary in SPLITPLAN_DATABASE_URL.")
    yield from _read_only(connection)
    yield from _encrypted(connection, settings)
    yield from _held(connection)


def _read_only(connection: Connection) -> Iterator[Finding]:
    """What is set for the role or the database; this session has its own."""
    found = connection.scalar(
        text(
            "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) AS one WHERE one IN"
            " ('default_transaction_read_only=on', 'default_transaction_read_only=true') AND"
            " setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
            " AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))"
        )
    )
    if found:
        said = "the database or the role is set to be read only (default_transaction_read_only)"
        yield wrong(_MINE, said, "ALTER DATABASE or ROLE … RESET default_transaction_read_only")


def _encrypted(connection: Connection, settings: Settings) -> Iterator[Finding]:
    host = make_url(settings.database_url).host or ""
    secure = connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    if host not in _LOCAL and not host.startswith("/") and not secure:
        said = f"what is said to {host} goes over the network in the clear"
        yield warning(_MINE, said, "Have the server speak TLS, and add ?sslmode=verify-full.")


def _held(connection: Connection) -> Iterator[Finding]:
    """Transactions that somebody left open, and a migration under way."""
    idle = connection.execute(
        text(
            "SELECT count(*), max(extract(epoch FROM clock_timestamp() - state_change))"
            " FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'"
            " AND clock_timestamp() - state_change > make_interval(secs => :idle_s)"
        ),
        {"idle_s": _IDLE_S},
    ).one()
    if idle[0]:
        said = (
            f"{idle[0]} sessions have left a transaction open, one for {idle[1]:.0f} s: others may"
            " wait for it"
        )
        mend = "See who they are in pg_stat_activity, and pg_terminate_backend what is nobody's."
        yield warning(_MINE, said, mend)
    migrating = connection.scalar(
        text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND (classid::bigint << 32) + objid::bigint = :lock"
        ),
        {"lock": migration.LOCK},
    )
    if migrating:
        yield warning("schema", "a migration is under way", "Wait for it, and look again.")


def rights(connection: Connection) -> Iterator[Finding]:
    """What this role may do with what is stored."""
    denied = []
    for table in Base.metadata.sorted_tables:
        may = connection.execute(
            text(
                "SELECT what FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS what"
                " WHERE to_regclass(:name) IS NOT NULL"
                " AND NOT has_table_privilege(to_regclass(:name), what)"
            ),
            {"name": table.name},
        )
        denied += [f"{what} on {table.name}" for (what,) in may]
    role = connection.scalar(text("SELECT current_user"))
    may_make = connection.scalar(
        text("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
    )
    if denied:
        said = f"the role {role} may not {listed(denied, 3)}"
        yield wrong("rights", said, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    elif not may_make:
        said = f"the role {role} works with what is there, and cannot migrate it"
        yield ok("rights", f"{said}: another does")
    else:
        yield ok("rights", f"the role {role} may read, write and migrate")


def room(connection: Connection, settings: Settings, workers: int) -> Iterator[Finding]:
    """Whether all that may connect at the same time have a connection."""
    found = connection.execute(
        text(
            "SELECT current_setting('max_connections')::int -"
            " current_setting('superuser_reserved_connections')::int -"
            " coalesce(current_setting('reserved_connections', true), '0')::int AS server, (SELECT"
            " rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role, (SELECT"
            " datconnlimit FROM pg_database WHERE datname = current_database()) AS database,"
            " (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
            " AND backend_type = 'client backend') AS mine, (SELECT"
            " count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken"
        )
    ).one()
    of_workers = max(workers, settings.workers) * (
        _OF_A_WORKER + _OF_A_SOLVER * (settings.slots + 3)
    )
    needed = MOST_CONNECTIONS + of_workers
    limits = {
        "the server has room for": found.server,
        "the role is limited to": found.role if found.role >= 0 else None,
        "the database is limited to": found.database if found.database >= 0 else None,
    }
    too_few = [
        warning(
            "connections",
            f"{what} {limit} connections, one web and its workers may want {needed}:"
            " under load requests wait for them, some in vain (503 `database-busy`)",
            f"Raise it to {needed} and {MOST_CONNECTIONS} more for each further web.",
        )
        for what, limit in limits.items()
        if limit is not None and limit < needed
    ]
    said = (
        f"{found.taken} of {found.server} taken, {found.mine} by this role; one web and its workers"
        f" want at most {needed}"
    )
    yield from or_ok("connections", said, too_few)


def clocks(connection: Connection, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether the server's clock and this machine's agree."""

    def asked() -> Any:
        before = clock()
        theirs = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8"))
        after = clock()
        assert theirs is not None
        return after - before, theirs - 0.5 * (before + after)

    took_s, ahead_s = min(asked() for _ in range(3))
    if abs(ahead_s) > _SKEW_S + took_s:
        which = "ahead of" if ahead_s > 0.0 else "behind"
        said = (
            f"the database's clock is {abs(ahead_s):.1f} s {which} this machine's: times in answers"
            " are off, and keys expire at another time"
        )
        yield warning("clock", said, "Let both follow a time server (NTP).")
    else:
        yield ok(
            "clock", f"the database's is within {abs(ahead_s) + took_s:.2f} s of this machine's"
        )
