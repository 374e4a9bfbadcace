"""The operator's commands on API keys."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app import instants, projects
from app.auth import service
from app.auth.callers import SCOPES, Scope, up_to
from app.auth.tables import ApiKeyRow
from app.db import Database
from app.errors import ConfigurationError
from app.limits import OwnLimits

_IN_DAYS = re.compile(r"([1-9]\d{0,4})d")
_COLUMNS = ("id", "project", "scope", "state", "created", "expires", "last used", "limits", "name")

Opened = Callable[[], AbstractContextManager[Database]]


def project_name(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A project as a command is told it."""
    try:
        return None if given is None else projects.checked(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _expiry(_: click.Context, __: click.Parameter, given: str | None) -> datetime | None:
    """An instant in the future: a number of days (`90d`), or a date with or without a time."""
    if given is None:
        return None
    if days := _IN_DAYS.fullmatch(given):
        return datetime.now(UTC) + timedelta(days=int(days[1]))
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter("send days (90d) or a date (2027-06-30)") from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at <= datetime.now(UTC):
        raise click.BadParameter(f"{given} is over")
    return at.astimezone(UTC)


def _label(_: click.Context, __: click.Parameter, given: str) -> str:
    if not 1 <= len(given) <= 100 or not given.isprintable():
        raise click.BadParameter("must have 1 to 100 characters, all of them printable")
    return given


# What a key may have of its own, instead of the setting of that name.
_LIMITS: dict[str, click.FloatRange | click.IntRange] = {
    "requests_per_second": click.FloatRange(0.1, 1e6),
    "max_body_byte": click.IntRange(1024),
    "max_users": click.IntRange(1),
    "max_bulk_users": click.IntRange(1),
    "max_plans_at_once": click.IntRange(1),
    "max_stored_byte": click.IntRange(2**20),
}


def _limited(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes limits of a key's own."""
    for name, kind in reversed(_LIMITS.items()):
        option = f"--{name.replace('_', '-')}"
        said = f"Instead of SPLITPLAN_{name.upper()}."
        command = click.option(option, name, type=kind, help=said)(command)
    return command


def keys_group(opened: Opened) -> click.Group:
    """`splitplan keys`, on the database that `opened` opens."""

    @click.group("keys", help="API keys: who may use the service, and for what.")
    @click.pass_context
    def keys(ctx: click.Context) -> None:
        ctx.obj = opened

    for command in (create, list_all, revoke):
        keys.add_command(command)
    return keys


@click.command("create")
@click.option("--name", required=True, callback=_label, help="What the key is for.")
@click.option(
    "--project",
    default=projects.DEFAULT,
    show_default=True,
    callback=project_name,
    help="Whose profiles and plans it sees.",
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("read",),
    show_default=True,
    help="What it may do; each includes those before it.",
)
@click.option("--expires", callback=_expiry, help="90d, or a date; by default never.")
@_limited
@click.pass_obj
def create(
    opened: Opened,
    /,
    name: str,
    project: str,
    scopes: Sequence[Scope],
    expires: datetime | None,
    **own: Any,
) -> None:
    """Make a key and print it, this once: only its SHA-256 is stored."""
    limits = OwnLimits(**own)
    scope = max(scopes, key=SCOPES.index)
    with opened() as database, database.writing() as session:
        key = service.create(session, name, project, scope, expires, limits)
    may = ", ".join(sorted(up_to(scope), key=SCOPES.index))
    until = "" if expires is None else f" until {instants.text(expires)}"
    click.echo(f"for project {project}: {may}{until}; it is not shown again:", err=True)
    click.echo(key)


@click.command("list")
@click.option("--project", callback=project_name, help="Only the keys of this project.")
@click.pass_obj
def list_all(opened: Opened, project: str | None) -> None:
    """Print the keys without their secrets, tab-separated, those no longer in use too."""
    with opened() as database, database.reading() as session:
        rows = service.list_keys(session, project)
    click.echo("\t".join(_COLUMNS))
    for row in rows:
        click.echo("\t".join(_described(row)))


@click.command("revoke")
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(opened: Opened, key_id: str) -> None:
    """Take a key out of use for good; running services notice within SPLITPLAN_KEY_CACHE_S."""
    with opened() as database, database.writing() as session:
        row = service.revoke(session, key_id)
        if row is None:
            raise ConfigurationError(f"there is no key {key_id!r}: `splitplan keys list`")
        click.echo(f"revoked {row.id} of project {row.project}: {row.name}")


def _described(row: ApiKeyRow) -> tuple[str, ...]:
    used = "" if row.last_used_at is None else instants.text(row.last_used_at)
    ends = "" if row.expires_at is None else instants.text(row.expires_at)
    return (
        row.id,
        row.project,
        row.scope,
        _state(row),
        instants.text(row.created_at),
        ends,
        used,
        " ".join(f"{name}={value}" for name, value in (row.limits or {}).items()),
        row.name,
    )


def _state(row: ApiKeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    over = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    return "expired" if over else "in use"
