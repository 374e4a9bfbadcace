"""`splitplan replay`: a plan made again from its bundle, without a service or a database."""

import sys
from typing import BinaryIO

import click


@click.command("replay")
@click.argument("file", metavar="BUNDLE.json", type=click.File("rb"))
@click.option(
    "--time-limit",
    "time_limit_s",
    type=click.FloatRange(min=0.0, min_open=True, max=3600.0),
    help="Seconds that solving may take, instead of what the request says.",
)
@click.option(
    "--any-version", is_flag=True, help="Compute with this version, whichever made the plan."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def replay_command(
    file: BinaryIO, time_limit_s: float | None, any_version: bool, as_json: bool
) -> None:
    """Make a plan again from its bundle (`GET /v1/plans/{id}/bundle`), and say whether every digit
    agrees; `-` reads standard input.

    Needs no service and no database. Exit codes: 0 every digit agrees, 1 it is no bundle, or was
    changed, or the check contradicts the solver, 2 wrong usage, 3 the answer differs, 4 it is the
    same but for rounding, 5 it cannot be compared (another version of the solver, or stopped by its
    time limit).
    """
    # The solvers are loaded here: no other command needs them.
    from app.bundles.telling import told

    said, code = told(file.read(), time_limit_s, any_version=any_version, as_json=as_json)
    click.echo(said, err=code == 1)
    sys.exit(code)
