"""The operator's commands."""

# ruff: noqa: E402 (garbage is to be left alone before anything is loaded)

import gc

# What is loaded stays: see `serving.load`.
gc.disable()

import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy import inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from app import migration, projects
from app.auth import service as auth
from app.auth.command import keys_group, project_name
from app.auth.tables import ApiKeyRow
from app.bundles.command import replay_command
from app.catalogue.names import names_in_use, shipped_names
from app.db import Database, open_database
from app.errors import ConfigurationError, ImporterBusy, InvalidRequest, ProfileExists
from app.quantities import NAME_PATTERN
from app.settings import Settings, read_settings
from app.telemetry import logs
from solvers.compiled.library import described, missing

CHECKOUT = Path(__file__).parent.parent
DOCUMENT = CHECKOUT / "openapi" / "openapi.json"

log = logging.getLogger(__name__)


class Commands(click.Group):
    """A group whose failures are one line and exit code 1.

    What is in `later` is only made when it is asked for: it loads parts of the science, which
    nobody who stores or serves has to wait for.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.later: dict[str, Callable[[], click.Command]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.later:
            self.add_command(self.later.pop(cmd_name)(), cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise click.ClickException(error.detail) from None


@click.group(cls=Commands)
def main() -> None:
    """Plan where to cut neural networks between devices and an edge server."""


@main.command()
@click.option("--host", help="Address to listen on (SPLITPLAN_HOST).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on, 0 for a free one (SPLITPLAN_PORT).",
)
@click.option(
    "--migrate",
    "migrate_first",
    is_flag=True,
    help="Bring the database to the newest schema first.",
)
@click.option(
    "--load-catalogue", is_flag=True, help="Store the shipped profiles whose names are free first."
)
def serve(host: str | None, port: int | None, migrate_first: bool, load_catalogue: bool) -> None:
    """Serve the API until told to stop."""
    # Only where it is served: solvers load this module too, as their main one.
    from app.serving import (
        listen,
        load,
        require_certificate,
        require_guarded,
        serve_until_stopped,
    )

    settings = read_settings()
    given = {"host": host, "port": port}
    settings = settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    require_guarded(settings, lambda: _keys_made(settings))
    require_certificate(settings)
    logs.start(settings)
    # Taken before the database is touched: a second `serve` by mistake stops here.
    listener = listen(settings)
    with listener, _opened(settings) as database:
        with _prepared(database, migrate_first=migrate_first, load_catalogue=load_catalogue):
            load()
        version = _require_newest(database)
        log.info(
            "database %s (schema version %s)", settings.shown()["SPLITPLAN_DATABASE_URL"], version
        )
        _say_kernel()
        serve_until_stopped(settings, listener)


@contextmanager
def _prepared(database: Database, *, migrate_first: bool, load_catalogue: bool) -> Iterator[None]:
    """Have the database made what it must be meanwhile, where it is not.

    By a process of its own, since what migrates and what checks profiles is needed at the first
    start and after an upgrade only: a service would carry it along for as long as it runs.
    """
    with database.of(projects.SHARED).reading() as session:
        version = migration.current(session.connection())
        names = shipped_names() if load_catalogue else set()
        if migrate_first and version != migration.newest():
            arguments = ["migrate", *(["--load-catalogue"] if load_catalogue else [])]
        elif version == migration.newest() and names - names_in_use(session):
            arguments = ["catalogue", "load"]
        else:
            arguments = []
    if not arguments:
        yield
        if names and version == migration.newest():
            click.echo(f"catalogue: 0 profiles stored, {len(names)} left as they are", err=True)
        return
    command = (sys.executable, "-m", "app.command", *arguments)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as preparing:  # noqa: S603 (our own command)
        yield
    if preparing.returncode != 0:  # it has said why
        raise click.exceptions.Exit(1)


def _say_kernel() -> None:
    """Who solves; and why it is not the faster one, where that was not asked for."""
    log.info("solved by the kernel: %s", described())
    if (why := missing()) is not None:
        log.warning("large plans take some ten times as long without the compiled kernel: %s", why)


@main.command()
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input does.")
def worker(with_parent: bool) -> None:
    """Solve plans in the background until told to stop.

    On Postgres as many as you like, on as many hosts; on SQLite one, and `serve` starts it.
    """
    settings = read_settings()
    logs.start(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    with _opened(settings) as database:
        _require_newest(database)
    # Only now: who cannot start need not load all that solves to say so.
    from app.telemetry import traces
    from app.worker import Worker

    traces.start(settings, "worker")
    Worker(settings).run(stop)


def _end_with_parent() -> None:
    # Not through sys.stdin: who ends while another thread reads from that is aborted by the
    # interpreter.
    while os.read(0, 4096):
        pass
    os._exit(1)


@main.command()
@click.option(
    "--load-catalogue", is_flag=True, help="Then store the shipped profiles whose names are free."
)
@click.option("--to", "revision", metavar="VERSION", help="Another version than the newest.")
@click.option("--lose-data", is_flag=True, help="Go back though an older schema cannot hold it.")
def migrate(load_catalogue: bool, revision: str | None, lose_data: bool) -> None:
    """Bring the database to the newest schema.

    An older one is gone back to only where nothing would be lost by it, or with --lose-data.
    """
    from app.downgrade import move

    if load_catalogue and revision is not None:
        raise click.UsageError("--load-catalogue needs the newest schema: leave out --to")
    settings = read_settings()
    logs.start(settings)
    with _opened(settings) as database:
        version = move(database, revision or "head", lose_data=lose_data)
        if load_catalogue:
            _load(database)
        click.echo(f"the database is at schema version {version or 'none'}")


@main.group(cls=Commands)
def catalogue() -> None:
    """The profiles that come with the program."""


@catalogue.command("load")
@click.option("--restore", is_flag=True, help="Store those that were deleted, too.")
def catalogue_load(restore: bool) -> None:
    """Store the shipped profiles whose names are free; never change one that is stored."""
    with _migrated() as database:
        _load(database, restore=restore)


def _profile_name(_: click.Context, __: click.Parameter, name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise click.BadParameter(f"must match {NAME_PATTERN}")
    return name


@main.group()
def models() -> None:
    """Profiles of neural networks."""


@models.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, callback=_profile_name, help="Of the new profile.")
@click.option(
    "--shape",
    multiple=True,
    help="An input with its dimensions, e.g. data:1,3,224,224; may be repeated.",
)
@click.option(
    "--value",
    multiple=True,
    help="What an input is wherever the network runs, e.g. sr:16000; may be repeated.",
)
@click.option(
    "--size",
    multiple=True,
    help="What depends on the data, as it usually is, e.g. boxes:100; may be repeated.",
)
@click.option(
    "--input-byte",
    multiple=True,
    help="What sending an input takes, e.g. data:150528; may be repeated.",
)
@click.option(
    "--max-tensors", type=click.IntRange(1, 8), default=1, help="How many tensors may cross a cut."
)
@click.option(
    "--fusion-boundaries",
    is_flag=True,
    help="No cuts inside what a runtime computes in one kernel.",
)
@click.option("--pareto", is_flag=True, help="No cuts that another beats in FLOP and bytes.")
@click.option(
    "--print", "print_only", is_flag=True, help="Print the profile as JSON; store nothing."
)
def models_import(
    file: Path,
    name: str,
    shape: tuple[str, ...],
    value: tuple[str, ...],
    size: tuple[str, ...],
    input_byte: tuple[str, ...],
    max_tensors: int,
    fusion_boundaries: bool,
    pareto: bool,
    print_only: bool,
) -> None:
    """Store the places to cut the network in an ONNX file as a new model profile."""
    from app.profiles import service
    from app.profiles.reading import Wanted, read_model
    from app.profiles.references import ProfileRef

    settings = read_settings()
    wanted = Wanted(
        name=name,
        shapes=shape,
        values=value,
        sizes=size,
        input_byte=input_byte,
        max_tensors=max_tensors,
        fusion_boundaries=fusion_boundaries,
        pareto=pareto,
    )
    try:
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        found = read_model(file, sha256, wanted, settings.import_time_limit_s)
        model = found.model
        if print_only:
            click.echo(model.model_dump_json(indent=2))
        else:
            with _of_project() as database, database.writing() as session:
                made = service.create(session, model)
            click.echo(f"stored {ProfileRef(made.name, made.revision)} with {len(model.cuts)} cuts")
    except InvalidRequest as error:
        raise ConfigurationError(f"{file}: {error.errors[0].detail}") from None
    except (ImporterBusy, ProfileExists) as error:
        raise ConfigurationError(error.detail) from None
    for warning in found.warnings:
        click.echo(warning.message, err=True)


@contextmanager
def _migrated() -> Iterator[Database]:
    with _opened(read_settings()) as database:
        _require_newest(database)
        yield database


@contextmanager
def _of_project() -> Iterator[Database]:
    """The database as the project of the settings sees it."""
    settings = read_settings()
    with _opened(settings) as database:
        _require_newest(database)
        yield database.of(settings.project)


@main.group(cls=Commands)
def fit() -> None:
    """Laws, fitted to what was measured."""


def _power(*fixed: str) -> click.Command:
    from app.measurements.power.command import power_command

    return power_command(_of_project, *fixed)


def _imports() -> click.Command:
    from app.catalogue.tools.command import import_group

    imports = import_group(_of_project)
    imports.add_command(_power("tegrastats"))
    return imports


def _timings() -> click.Command:
    from app.measurements.estimates.command import timings_group

    return timings_group(_of_project)


def _devices() -> click.Command:
    from app.measurements.estimates.command import devices_group

    return devices_group(_of_project)


def _backup() -> click.Command:
    from app.backup.command import backup_command

    return backup_command


def _restore() -> click.Command:
    from app.backup.command import restore_command

    return restore_command


def _doctor() -> click.Command:
    from app.doctor.command import doctor_command

    return doctor_command


assert isinstance(fit, Commands)
assert isinstance(catalogue, Commands)
fit.later["power"] = _power
catalogue.later["import"] = _imports
main.later |= {"timings": _timings, "devices": _devices, "backup": _backup, "restore": _restore}
main.later["doctor"] = _doctor
main.add_command(replay_command)
main.add_command(keys_group(_migrated))


@main.command("webhook-secret")
@click.argument("project", callback=project_name)
def webhook_secret(project: str) -> None:
    """Print what the webhooks of a project are signed with, for its receivers."""
    from app.projects import secret_of

    secret = read_settings().webhook_secret
    if secret is None:
        raise ConfigurationError("SPLITPLAN_WEBHOOK_SECRET is not set: webhooks are refused")
    click.echo(secret_of(secret, project))


@main.command()
def settings() -> None:
    """Print the effective settings."""
    for name, value in read_settings().shown().items():
        click.echo(f"{name}={value}")


@main.command()
@click.option(
    "--check", is_flag=True, help="Write nothing; fail if the document is not what the code serves."
)
def openapi(check: bool) -> None:
    """Write openapi/openapi.json of the source checkout from the code."""
    from app.document import unclear_names, unexplained
    from app.main import openapi_document

    if not (CHECKOUT / "pyproject.toml").is_file():
        raise ConfigurationError(f"{CHECKOUT} is not a source checkout")
    document = openapi_document()
    if unclear := unclear_names(json.loads(document)):
        raise ConfigurationError(f"names in the API: {'; '.join(unclear)}")
    if silent := unexplained(json.loads(document)):
        raise ConfigurationError(f"descriptions in the API: {'; '.join(silent)}")
    if not check:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_bytes(document)
        click.echo(f"wrote {DOCUMENT}")
    elif not DOCUMENT.is_file() or DOCUMENT.read_bytes() != document:
        raise ConfigurationError(f"{DOCUMENT} is not what the code serves: run `splitplan openapi`")


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """The database of a command; its failures are told in one line."""
    database = open_database(settings.database_url, settings.sqlite_busy_timeout_s)
    try:
        migration.create_folder(database)
        yield database
    except (SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        shown = settings.shown()["SPLITPLAN_DATABASE_URL"]
        raise ConfigurationError(f"the database {shown} failed: {cause}") from None
    finally:
        database.engine.dispose()


def _keys_made(settings: Settings) -> bool:
    """Whether a database that may not be there yet has keys."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return False
    with _opened(settings) as database, database.reading() as session:
        known = inspect(session.connection()).has_table(ApiKeyRow.__tablename__)
        return known and auth.any_made(session)


def _require_newest(database: Database) -> str | None:
    with database.reading() as session:
        version = migration.current(session.connection())
    if version != migration.newest():
        raise ConfigurationError(
            f"the database is at schema version {version or 'none'}, this program needs"
            f" {migration.newest()}: run `splitplan migrate`, or serve with --migrate"
        )
    return version


def _load(database: Database, *, restore: bool = False) -> None:
    from app.catalogue import service

    shipped = service.shipped()
    with database.of(projects.SHARED).writing() as session:
        loaded = service.load(session, shipped)
    if restore:  # deleted is what a project has taken out of its own sight
        with database.of(read_settings().project).writing() as session:
            loaded = service.load(session, shipped, restore=True)
    for profile, reason in loaded.refused:
        click.echo(f"refused {profile.kind} {profile.name}: {reason}", err=True)
    click.echo(
        f"catalogue: {len(loaded.created)} profiles stored, {len(loaded.skipped)} left as they are",
        err=True,
    )


gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
