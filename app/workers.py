"""The workers that live: each says so again and again, by the database's clock, since hosts' clocks
need not agree.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import (
    ColumnElement,
    Float,
    String,
    Text,
    delete,
    func,
    literal_column,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base
from app.errors import ConfigurationError

# Whatever a worker left was taken over long before so many leases have passed.
_FORGOTTEN = 20


class WorkerRow(Base):
    """A worker that has said that it lives."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    beat_s: Mapped[float] = mapped_column(Float(53))
    """Seconds since 1970 by the database's clock."""
    slots: Mapped[int]
    """Plans that it solves at a time."""
    told: Mapped[str | None] = mapped_column(Text)
    """What it has counted of itself and its solvers, as JSON."""


def beat(session: Session, worker: str, slots: int, told: str | None = None) -> None:
    """Say that a worker lives, and what it has counted where that is news."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(WorkerRow).values(id=worker, beat_s=now_s(session), slots=slots, told=told)
    news = {"beat_s": row.excluded.beat_s} | ({} if told is None else {"told": told})
    session.execute(row.on_conflict_do_update(index_elements=["id"], set_=news))


def leave(session: Session, worker: str, lease_s: float) -> None:
    """Say that a worker ends: what it hands back may be taken over at once."""
    row = session.get(WorkerRow, worker)
    if row is not None:
        row.beat_s -= lease_s


def alive(session: Session, lease_s: float) -> list[str]:
    """Workers that were heard of within a lease; those long gone are forgotten."""
    age_s = now_s(session) - WorkerRow.beat_s
    session.execute(delete(WorkerRow).where(age_s > _FORGOTTEN * lease_s))
    return list(session.scalars(select(WorkerRow.id).where(age_s <= lease_s)))


def living(session: Session, lease_s: float) -> int:
    """How many workers were heard of within a lease."""
    age_s = now_s(session) - WorkerRow.beat_s
    return session.scalar(select(func.count()).where(age_s <= lease_s)) or 0


def now_s(session: Session) -> ColumnElement[float]:
    """Seconds since 1970 by the database's clock."""
    if session.get_bind().dialect.name == "postgresql":
        return literal_column("extract(epoch FROM clock_timestamp())::float8", Float)
    return literal_column("(julianday('now') - 2440587.5) * 86400.0", Float)


def only_worker(database_url: str) -> IO[str]:
    """The lock of whoever takes plans of an SQLite database.

    Raises ConfigurationError where another has it.
    """
    held, file = _lock(database_url)
    if held is None:
        raise ConfigurationError(
            f"another worker holds {file}: an SQLite database has one, a Postgres database as many"
            " as you like"
        )
    return held


@contextmanager
def hold_alone(database_url: str) -> Iterator[None]:
    """No worker takes plans of an SQLite database meanwhile.

    Raises ConfigurationError where one does.
    """
    held, file = _lock(database_url)
    if held is None:
        raise ConfigurationError(f"a worker holds {file}: stop the service first")
    with held:
        yield


def _lock(url: str) -> tuple[IO[str] | None, Path]:
    """The lock, None where another has it."""
    file = Path(f"{make_url(url).database}.lock")
    opened = file.open("w")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        opened.close()
        return None, file
    return opened, file
