"""Projects: a session of one sees nothing of another, whatever it is asked.

What is stored belongs to a project. Rows of classes that are `OfProject` say to which; all others
hang on one of these by a foreign key, or belong to nobody (`tests/app/test_projects.py` has the
list). A session of a project adds its condition to every statement that goes through it, and the
connection refuses those that went around it; only who looks after the work of all projects has a
session without.
"""

import base64
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    String,
    and_,
    bindparam,
    event,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.sql.base import ExecutableOption

DEFAULT = "default"
"""Whose everything is that nobody named a project for."""
SHARED = "shared"
"""Whose profiles every project sees: the shipped ones. It has nothing else, and no key."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PROJECT = "project"
_EVERYWHERE = "every_project"
_NUMBERS = {
    "plan": "number",
    "profile": "id",
    "validation": "plan_number",
    "name_event": "id",
    "experiment": "number",
    "experiment_block": "experiment_number",
}

S = TypeVar("S", bound=Executable)
T = TypeVar("T")


class OfProject:
    """Rows of which each says whose it is."""

    # The default is for webs of an earlier release that still answer while others are restarted.
    project: Mapped[str] = mapped_column(String(63), server_default=DEFAULT, sort_order=1)

    @classmethod
    def seen_by(cls, project: str) -> ColumnElement[bool]:
        """Which rows a project sees."""
        return cls.project == project


class OfProjectOrShared(OfProject):
    """Rows that others may share, until a project has one of its own of the same name."""

    kind: Mapped[str]
    name: Mapped[str]

    @classmethod
    def seen_by(cls, project: str) -> ColumnElement[bool]:
        """Its own rows, and the shared ones of which it has none."""
        return seen_in(cls.__table__, cls, project)  # type: ignore[attr-defined]


def seen_in(table: Any, columns: Any, project: Any) -> ColumnElement[bool]:
    """What a project sees of a table whose rows may be shared, by the table's columns or another
    name for them.
    """
    own = table.alias("own")
    has_own = exists(
        select(own.c.project).where(
            own.c.project == project, own.c.kind == columns.kind, own.c.name == columns.name
        )
    )
    return and_(columns.project.in_((project, SHARED)), or_(columns.project == project, ~has_own))


def checked(project: str) -> str:
    """A project that somebody may have. Raises ValueError."""
    if not _NAME.fullmatch(project):
        raise ValueError(f"must match {_NAME.pattern}")
    if project == SHARED:
        raise ValueError("is what all projects see: `splitplan catalogue load` stores it")
    return project


Project = Annotated[str, AfterValidator(checked)]


def secret_of(secret: str, project: str) -> str:
    """What signs the webhooks of a project: whoever may check those of one cannot make those of
    another. Of `default` it is the secret of the settings itself.
    """
    if project == DEFAULT:
        return secret
    key = base64.b64decode(secret.removeprefix("whsec_"))
    derived = hmac.digest(key, f"splitplan project {project}".encode(), "sha256")
    return f"whsec_{base64.b64encode(derived).decode()}"


class SessionOfOne(Session):
    """A session that sees and stores what is of one project."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The same engine for sessions of all projects, and for those of one, whose connections refuse
    what goes around them.
    """

    of_all: Engine
    of_one: Engine

    @classmethod
    def on(cls, engine: Engine) -> Self:
        """Made once: an engine with other options takes a while."""
        return cls(engine, engine.execution_options(**{_PROJECT: True}))


def session_of(project: str | None, on: Engines | Connection, *, expire_on_commit: bool) -> Session:
    """A session of a project, or of all.

    On a connection, which says so as long as it lasts, whoever began the transaction ends it.
    """
    of_one = project is not None
    bind: Engine | Connection
    if isinstance(on, Connection):
        bind = on.execution_options(**{_PROJECT: of_one})
    else:
        bind = on.of_one if of_one else on.of_all
    options: dict[str, Any] = {
        "bind": bind,
        "expire_on_commit": expire_on_commit,
        "join_transaction_mode": "rollback_only",
    }
    if project is None:
        return Session(**options)
    return SessionOfOne(**options, info={_PROJECT: project})


class LateSession(SessionOfOne):
    """A session of one project in a transaction of its caller, who has its connection: made whole
    once somebody asks it for more than that, for to make and end one takes as long as to store two
    rows.
    """

    _is_whole = False

    def __init__(self, project: str, connection: Connection) -> None:
        self._within = connection.execution_options(**{_PROJECT: True})
        self.__dict__["info"] = {_PROJECT: project}

    def __getattr__(self, name: str) -> Any:
        """What a session has, which this one has not yet."""
        if name.startswith("__") or self._is_whole:
            raise AttributeError(name)
        self._is_whole = True
        super().__init__(
            bind=self._within, expire_on_commit=False, join_transaction_mode="rollback_only"
        )
        self.begin()
        return getattr(self, name)

    def connection(self, *args: Any, **options: Any) -> Connection:
        """As of any session."""
        return super().connection(*args, **options) if self._is_whole else self._within

    def flush(self, objects: Any = None) -> None:
        """As of any session."""
        if self._is_whole:
            super().flush(objects)

    def carry_out(self, act: Callable[[Session], T]) -> T:
        """Call `act` with this session, and have done what it was asked to."""
        try:
            told = act(self)
            if self._is_whole:
                self.commit()
            return told
        finally:
            if self._is_whole:
                self.close()


def project_of(session: Session) -> str:
    """The project of a session that has one: what is stored in it is of that project."""
    project = session.info.get(_PROJECT)
    assert isinstance(project, str), "this session is of all projects"
    return project


OF_PROJECT = bindparam("of_project", type_=String())
"""The project of the session of what `ask` asks."""


def ask(session: Session, statement: Executable, **asked: Any) -> CursorResult[Any]:
    """What a statement finds that goes around the session: rows that it does not keep track of,
    several times as fast. The statement says itself what the project sees.
    """
    session.flush()
    asked["of_project"] = project_of(session)
    return session.connection().execute(statement, asked)


def everywhere(statement: S) -> S:
    """A statement that counts or looks over all projects, said so where it is made."""
    return statement.execution_options(**{_EVERYWHERE: True})


def restrict(state: ORMExecuteState) -> None:
    """Add the condition of a session's project to a statement."""
    project = state.session.info.get(_PROJECT)
    # Columns that are read later are read by the key of a row that was found.
    if project is None or state.is_column_load or state.is_insert or not state.is_orm_statement:
        return
    if not state.execution_options.get(_EVERYWHERE):
        changes = state.is_update or state.is_delete
        state.statement = state.statement.options(*_conditions(project, changes))


@lru_cache(maxsize=1024)
def _conditions(project: str, changes: bool) -> tuple[ExecutableOption, ...]:
    """The condition on each class; what is shared is read only."""
    return tuple(
        with_loader_criteria(
            rows,
            rows.project == project if changes else rows.seen_by(project),
            include_aliases=True,
        )
        for rows in classes()
    )


def those_of(session: Session, rows: type[OfProject]) -> Iterator[str]:
    """The projects that have such rows; each is one look at an index that begins with it."""
    last = ""
    while found := session.scalar(select(func.min(rows.project)).where(rows.project > last)):
        yield found
        last = found


def classes(base: type[Any] = OfProject) -> list[type[OfProject]]:
    """Every mapped class whose rows say whose they are."""
    found: list[type[OfProject]] = []
    for below in base.__subclasses__():
        found += [below] if hasattr(below, "__tablename__") else classes(below)
    return found


def belongs(session: Session, row: object) -> None:
    """A new row is of its session's project."""
    if isinstance(row, OfProject):
        row.project = project_of(session)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What in a statement reads or changes rows that say whose they are, and what adds one without
    saying so.
    """
    names = "|".join(sorted(rows.__tablename__ for rows in classes()))  # type: ignore[attr-defined]
    return (
        re.compile(rf'(?:FROM|JOIN|UPDATE|,)\s+"?({names})"?(?: AS "?(\w+)"?)?(?![\w."])'),
        re.compile(rf'INSERT INTO "?(?:{names})"? \((?![^)]*\bproject\b)'),
    )


def keep_to_one(
    connection: Connection, _: Any, text: str, __: Any, context: Any, ___: bool
) -> None:
    """Refuse a statement on the connection of a session of one project that would see, or store,
    rows of others. Each is looked at once: SQLAlchemy keeps what it compiled.
    """
    compiled = context.compiled
    if (
        not connection.get_execution_options().get(_PROJECT)
        or getattr(compiled, "keeps_to_one", False)
        or context.execution_options.get(_EVERYWHERE)
    ):
        return
    reads, stores = _patterns()
    for table, alias in reads.findall(text):
        # By such a number a row that was found before is read on, or changed.
        key = _NUMBERS.get(table, _PROJECT)
        if not re.search(rf'"?\b{alias or table}"?\.(project\b|{key} = [?%])', text):
            raise RuntimeError(f"a statement on {table} that is not of one project: {text}")
    if stores.search(text):
        raise RuntimeError(f"a row of no project: {text}")
    if compiled is not None:
        compiled.keeps_to_one = True


event.listen(SessionOfOne, "do_orm_execute", restrict)
event.listen(SessionOfOne, "before_attach", belongs)
