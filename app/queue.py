"""The job engine, embedded on SQLite and shared by many workers on Postgres: the only file that
names it.

What is queued is only the id of a plan, or of a validation. Its row is the truth; losing the whole
queue loses nothing, since every worker puts what has not ended and the engine does not know back in
line.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy import event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from app.errors import ConfigurationError, in_one_line

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

log = logging.getLogger(__name__)

Lane = Literal["quick", "plan", "validation", "webhook"]
Work = Callable[[str], None]
"""Given the id of a plan, or of a validation."""

# Changes only when what is stored for a job changes its shape: jobs of another version are left
# alone.
_VERSION = "jobs-1"
_SCHEMA = "dbos"
_NAME = "splitplan"
_RECORDS = "workflow_status"  # the table in which the engine has its jobs
_POLL_S = 0.2
_PRIORITY = {"high": 1, "normal": 10, "low": 100}
# Small plans take milliseconds: what one poll brings must keep a slot busy until the next.
_QUICK_AHEAD = 16
_DELIVERIES = 8
# While the database is away.
_SELDOM_S = 60.0

# Where the engine says that a job will not be run again.
_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


def engine_url(database_url: str) -> str:
    """Where the engine keeps its jobs: the same Postgres in a schema of its own, or a file beside
    SQLite's.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        file = Path(url.database)
        return url.set(
            database=str(file.with_name(f"{file.stem}.jobs{file.suffix}"))
        ).render_as_string(False)
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


class Queue:
    """Where plans wait for a worker; cheap to make, connects when first used.

    The engine's client (0.5 s and some 15 MB) is loaded with the first plan that waits.
    """

    def __init__(self, database_url: str) -> None:
        self._url = engine_url(database_url)
        self._lock = threading.Lock()
        self._made: DBOSClient | None = None
        address = make_url(self._url)
        if address.get_backend_name() == "postgresql":
            address = address.set(drivername="postgresql+psycopg")
            self._records = f"{_SCHEMA}.{_RECORDS}"
        else:
            self._records = _RECORDS
        self._looking = sa.create_engine(address, pool_size=1, pool_pre_ping=True)

    @property
    def _client(self) -> DBOSClient:
        with self._lock:
            if self._made is None:
                from dbos import DBOSClient

                self._made = DBOSClient(
                    system_database_url=self._url,
                    dbos_system_schema=_SCHEMA,
                    application_name=_NAME,
                    lazy=True,
                    retry_connection_errors=False,
                )
            return self._made

    def put(
        self,
        lane: Lane,
        plan_id: str,
        priority: str = "normal",
        *,
        turn: int = 0,
        delay_s: float = 0.0,
    ) -> None:
        """Put a plan in line, to be taken not before `delay_s`; the same turn once more is
        harmless.
        """
        options: EnqueueOptions = {
            "workflow_name": lane,
            "queue_name": lane,
            "workflow_id": _job(lane, plan_id, turn),
            "app_version": _VERSION,
            "priority": _PRIORITY[priority],
        }
        if delay_s > 0.0:
            options["delay_seconds"] = delay_s
        self._client.enqueue(options, plan_id)

    def unknown(self, lanes: Sequence[Lane], plan_ids: Sequence[str]) -> set[str]:
        """Of these unended plans those that no job cares for.

        A job may end before its plan does, since the attempt was another worker's by then, or the
        database was away for too long. Its record is deleted: for as long as it stands nothing more
        would be run under its name.
        """
        jobs = [_job(lane, plan_id) for plan_id in plan_ids for lane in lanes]
        found = (
            self._client.list_workflows(workflow_ids=jobs, load_input=False, load_output=False)
            if jobs
            else []
        )
        cared_for = {_plan(job.workflow_id) for job in found if job.status not in _OVER}
        if over := [job.workflow_id for job in found if _plan(job.workflow_id) not in cared_for]:
            self._client.delete_workflows(over)
        return set(plan_ids) - cared_for

    def forget_before(self, instant: float, most: int = 1000) -> int:
        """Delete the engine's records of jobs that ended before an instant (seconds since 1970);
        how many.
        """
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant))
        over = self._client.list_workflows(
            status=list(_OVER),
            completed_before=before,
            limit=most,
            load_input=False,
            load_output=False,
        )
        if over:
            self._client.delete_workflows([job.workflow_id for job in over])
        return len(over)

    def answers(self) -> bool:
        """Whether the engine's database answers, and an engine has set it up."""
        try:
            with self._looking.connect() as connection:
                connection.execute(sa.text(f"SELECT 1 FROM {self._records} LIMIT 1"))  # noqa: S608 (our own name)
        except Exception as failure:
            log.warning("the queue does not answer: %s", in_one_line(failure))
            return False
        return True

    def close(self) -> None:
        """Let go of the connections."""
        self._looking.dispose()
        with self._lock:
            if self._made is not None:
                self._made.destroy()
                self._made = None


class Engine:
    """Takes ids from the queue and hands each to the work of its lane, in a thread of its own.

    At most `slots` long plans, one validation and a handful of quick plans are taken at a time. On
    SQLite only one engine may run: a lock on a file beside the database sees to it. On Postgres
    each engine has a name of its own, and what a dead one leaves is taken over by its name.
    """

    def __init__(self, database_url: str, slots: int, work: Mapping[Lane, Work]) -> None:
        self._url = engine_url(database_url)
        self._embedded = make_url(database_url).get_backend_name() == "sqlite"
        self._slots = slots
        self._work = work
        self._lock: IO[str] | None = None
        self.name = (
            "local"
            if self._embedded
            else f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        )

    def start(self) -> None:
        """Begin to take plans.

        Raises ConfigurationError where another engine holds the SQLite database.
        """
        from dbos import DBOS

        if self._embedded:
            self._take_lock()
        for lane, work in self._work.items():
            # The engine would count jobs that a dead worker had taken ahead and never begun: a plan
            # counts by itself.
            DBOS.workflow(name=lane, max_recovery_attempts=None)(_job_of(work))
        DBOS(
            config={
                "name": _NAME,
                "system_database_url": self._url,
                "dbos_system_schema": _SCHEMA,
                "application_version": _VERSION,
                "executor_id": self.name,
                "log_level": "WARNING",
            }
        )
        DBOS.launch()
        ahead: dict[Lane, int] = {
            "quick": _QUICK_AHEAD * self._slots,
            "plan": self._slots,
            "validation": 1,
            "webhook": _DELIVERIES,
        }
        for lane in self._work:
            DBOS.register_queue(
                lane,
                worker_concurrency=ahead[lane],
                polling_interval_sec=_POLL_S,
                on_conflict="always_update",
            )
        engine_log = logging.getLogger("dbos")
        engine_log.setLevel(logging.WARNING)
        engine_log.addFilter(_Seldom())

    def take_over(self, names: Sequence[str]) -> None:
        """Put what dead engines were at back in line; once more is harmless."""
        if names and not self._embedded:
            from dbos import DBOS

            DBOS._recover_pending_workflows(list(names))

    def stop(self, grace_s: float) -> None:
        """Take nothing new, wait so long for what runs, end.

        Jobs that still run then stay the engine's own, for its next start or for whoever takes
        over.
        """
        from dbos import DBOS

        DBOS.destroy(workflow_completion_timeout_sec=math.ceil(grace_s))

    def _take_lock(self) -> None:
        self._lock, file = _lock(self._url)
        if self._lock is None:
            raise ConfigurationError(
                f"another worker holds {file}: an SQLite database has one, a Postgres database as"
                " many as you like"
            )


@contextmanager
def hold_alone(database_url: str) -> Iterator[None]:
    """No worker takes plans of a SQLite database meanwhile.

    Raises ConfigurationError where one does.
    """
    held, file = _lock(engine_url(database_url))
    if held is None:
        raise ConfigurationError(f"a worker holds {file}: stop the service first")
    with held:
        yield


def _lock(url: str) -> tuple[IO[str] | None, Path]:
    """The lock of whoever takes plans of a SQLite database, None where another has it."""
    file = Path(f"{make_url(url).database}.lock")
    opened = file.open("w")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.close()
        return None, file
    return opened, file


class _Seldom(logging.Filter):
    """Every poll of the engine says at length that the database is away: once a minute, in one
    line, is enough.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let a record through, shortened."""
        text = record.getMessage()
        cause = record.exc_info[1] if record.exc_info else None
        if not isinstance(cause, DBAPIError) and "psycopg." not in text and "sqlite3." not in text:
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now - self._said.get(place, -math.inf) < _SELDOM_S:
            return False
        self._said[place] = now
        record.msg, record.args, record.exc_info = text.partition("\n")[0], (), None
        return True


def _job(lane: Lane, plan_id: str, turn: int = 0) -> str:
    return f"{lane}-{turn}-{plan_id}"


def _plan(job: str) -> str:
    return job.rpartition("-")[2]


def _job_of(work: Work) -> Callable[[str], None]:
    def job(plan_id: str) -> None:
        work(plan_id)

    return job


@event.listens_for(sa.Engine, "connect")
def _teach_sqlite(connection: DBAPIConnection, _: Any) -> None:
    # The engine asks SQLite for a function that came with its release 3.42; Debian 12 has 3.40.
    if isinstance(connection, sqlite3.Connection) and sqlite3.sqlite_version_info < (3, 42):
        connection.create_function("unixepoch", 1, lambda _: time.time())
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode = WAL")
