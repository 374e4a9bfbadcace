"""`splitplan-client experiments`: one request planned in many ways."""

import sys
from pathlib import Path
from typing import Any

import click

from client import present
from client.planning import POINT_TABLES, Json, PlanningClient
from client.terminal import FAILED, NO_RESULT, json_line, machine, read_object, shown_or_json


@click.group()
def experiments() -> None:
    """One request planned in many ways: tables and Pareto fronts."""


@experiments.command("run")
@click.argument("file", metavar="EXPERIMENT", type=click.File("rb"))
@click.option("--async", "in_background", is_flag=True, help="Only order it, and print its id.")
@machine
@click.pass_obj
def run(planning: PlanningClient, file: Any, in_background: bool, as_json: bool) -> None:
    """Plan all points of an EXPERIMENT (JSON or YAML; `-` is standard input), and show the front.

    Exit codes: 0 finished, 1 points are missing by a fault of the service, 4 cancelled.
    """
    told = None if as_json or not sys.stderr.isatty() else _tell
    found = planning.experiment(read_object(file), wait=not in_background, told=told)
    if in_background and not as_json:
        click.echo(found["id"])
        return
    shown_or_json(found, as_json, present.experiment)
    ends = {"failed": FAILED, "cancelled": NO_RESULT}
    sys.exit(ends.get(found["status"], 0))


def _tell(found: Json) -> None:
    progress = found["progress"]
    told = f"{progress['points_done']} of {found['points_count']} points"
    click.echo(f"\r\x1b[K{told}", err=True, nl=False)


@experiments.command("show")
@click.argument("experiment_id", metavar="ID")
@machine
@click.pass_obj
def show(planning: PlanningClient, experiment_id: str, as_json: bool) -> None:
    """Show an experiment and its front, or how far it has come."""
    shown_or_json(planning.show_experiment(experiment_id), as_json, present.experiment)


@experiments.command("points")
@click.argument("experiment_id", metavar="ID")
@click.option("--format", "form", type=click.Choice([*POINT_TABLES]), default="csv")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the table; default: standard output.",
)
@machine
@click.pass_obj
def points(
    planning: PlanningClient, experiment_id: str, form: str, output: Path | None, as_json: bool
) -> None:
    """Print the table of points; as JSON, one point per line."""
    if as_json:
        for point in planning.points(experiment_id):
            click.echo(json_line(point))
        return
    table = planning.point_table(experiment_id, form)
    with click.open_file("-" if output is None else str(output), "wb") as file:
        file.write(table)


@experiments.command("differences")
@click.argument("experiment_id", metavar="ID")
@click.pass_obj
def differences(planning: PlanningClient, experiment_id: str) -> None:
    """Print how values of axes differ over the seeds, as JSON, one line each."""
    for difference in planning.differences(experiment_id):
        click.echo(json_line(difference))


@experiments.command("list")
@machine
@click.pass_obj
def list_experiments(planning: PlanningClient, as_json: bool) -> None:
    """List experiments, newest first; as JSON, one per line."""
    found = list(planning.experiments())
    if as_json:
        for each in found:
            click.echo(json_line(each))
    else:
        present.console(sys.stdout).print(present.table(found, present.EXPERIMENTS))


@experiments.command("cancel")
@click.argument("experiment_id", metavar="ID")
@click.option("--keep-best", is_flag=True, help="Keep also what is being worked on.")
@machine
@click.pass_obj
def cancel(planning: PlanningClient, experiment_id: str, keep_best: bool, as_json: bool) -> None:
    """Stop an experiment; what was planned stays."""
    found = planning.cancel_experiment(experiment_id, keep_best=keep_best)
    shown_or_json(found, as_json, present.experiment)


@experiments.command("forget")
@click.argument("experiment_id", metavar="ID")
@click.pass_obj
def forget(planning: PlanningClient, experiment_id: str) -> None:
    """Delete an experiment that has ended."""
    planning.forget_experiment(experiment_id)
