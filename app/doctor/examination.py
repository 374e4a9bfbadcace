"""Everything that is looked at, in the order in which it is told."""

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.doctor import (
    catalogue,
    certificate,
    environment,
    kernel,
    keys,
    network,
    opening,
    postgres,
    schema,
    sqlite,
    work,
)
from app.doctor.findings import Finding, warning, wrong
from app.errors import in_one_line
from app.settings import Settings


def examine() -> Iterator[Finding]:
    """Look at all that can be looked at; what one look runs into ends no other."""
    read = environment.read()
    settings = read.settings
    yield from read.findings
    yield from _safely("network", lambda: network.look(settings))
    yield from _safely("tls", lambda: certificate.look(settings))
    yield from _safely("kernel", lambda: kernel.look(settings))
    yield from _safely("installed", kernel.extras)
    if "database_url" in read.refused:
        said = "not looked at: SPLITPLAN_DATABASE_URL cannot be read"
        yield wrong("database", said, "Mend the setting, and look again.")
    else:
        yield from _safely("database", lambda: _database(settings))
    if not read.refused & {"host", "port", "tls_cert", "tls_key"}:
        yield from _safely("service", lambda: network.ask(settings))


def _safely(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as failure:
        said = f"could not be looked at: {type(failure).__name__}: {in_one_line(failure)}"
        yield warning(check, said, "Look at what it says.")


def _database(settings: Settings) -> Iterator[Finding]:
    file = opening.file_of(settings)
    if file is not None:
        there, found = sqlite.look(file)
        yield from found
        if not there:
            yield from _safely("keys", lambda: keys.none_made(settings))
            return
    try:
        with opening.looking(settings) as session:
            yield from _stored(session, settings)
    except SQLAlchemyError as error:
        shown = make_url(settings.database_url).render_as_string(hide_password=True)
        cause = in_one_line(getattr(error, "orig", None) or error)
        mend = (
            "See that it runs and that SPLITPLAN_DATABASE_URL names it, with a role that may enter."
        )
        yield wrong("database", f"{shown} cannot be asked: {cause}", mend)


def _stored(session: Session, settings: Settings) -> Iterator[Finding]:
    connection = session.connection()
    on_a_server = connection.dialect.name == "postgresql"
    if on_a_server:
        yield from postgres.look(connection, settings)
        yield from postgres.clocks(connection)
    fits, found = schema.look(connection)
    yield from found
    if on_a_server:
        yield from postgres.rights(connection)
    if not fits:
        yield from keys.none_made(settings) if _never_migrated(found) else ()
        return
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("workers", lambda: work.workers(session, work.heard(session, settings))),
        ("plans", lambda: work.plans(session, work.heard(session, settings))),
        ("webhooks", lambda: work.webhooks(session, settings)),
        ("keys", lambda: keys.look(session, settings)),
        ("catalogue", lambda: catalogue.look(session)),
    ]
    if on_a_server:
        looks.insert(0, ("connections", lambda: _room(session, settings)))
    for check, look in looks:
        yield from _safely(check, look)
        session.rollback()  # of a look that was refused nothing is left


def _room(session: Session, settings: Settings) -> Iterator[Finding]:
    workers = len(work.heard(session, settings).living)
    return postgres.room(session.connection(), settings, workers)


def _never_migrated(found: Iterable[Finding]) -> bool:
    return any("no tables" in each.says for each in found)
