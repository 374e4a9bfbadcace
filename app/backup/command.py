"""`splitplan backup` and `splitplan restore`."""

from pathlib import Path

import click

from app import migration
from app.backup.files import back_up, restore
from app.settings import read_settings

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("backup")
@click.argument("file", type=_FILE)
def backup_command(file: Path) -> None:
    """Copy the SQLite database into a new FILE, while the service runs.

    The copy is of one instant, is checked, and holds all that `splitplan restore` needs. On
    Postgres use pg_dump; the message says how.
    """
    version = back_up(read_settings().database_url, file)
    click.echo(f"{file}: {file.stat().st_size} bytes, schema version {version}, checked")


@click.command("restore")
@click.argument("file", type=_FILE)
def restore_command(file: Path) -> None:
    """Put the SQLite database of a backup FILE in the place of the one there.

    The service must be stopped. An older schema is migrated; the database before is kept beside.
    """
    restored = restore(read_settings().database_url, file)
    newest = migration.newest()
    migrated = "" if restored.version == newest else f", migrated from {restored.version}"
    click.echo(f"restored {file} (schema version {newest}{migrated})")
    if restored.kept is not None:
        click.echo(f"the database before it is kept as {restored.kept}")
