"""`splitplan-client measurements`: what was measured, from files."""

from pathlib import Path
from typing import Any

import click

from client import present
from client.planning import MEASUREMENT_TYPES, PlanningClient
from client.terminal import machine, shown_or_json


@click.group()
def measurements() -> None:
    """Times that were measured or observed, and measured power."""


@measurements.command("send")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--timing", required=True, help="The timing to revise or to hold the times against.")
@click.option("--model", help="For tables: the model that was measured, unless the timing exists.")
@click.option(
    "--processor", help="For tables: the processor that was measured, unless the timing exists."
)
@click.option(
    "--processor-kind",
    type=click.Choice(["device", "server"]),
    help="For tables: which of the two it is.",
)
@click.option("--model-sha256", help="For tables: digest of the file that was run.")
@machine
@click.pass_obj
def send_measurements(
    planning: PlanningClient, /, file: Path, timing: str, as_json: bool, **heading: Any
) -> None:
    """Send samples or observations: a JSON, CSV or Parquet file."""
    if file.suffix.lower() not in MEASUREMENT_TYPES:
        raise click.UsageError(f"{file} must end in one of {', '.join(MEASUREMENT_TYPES)}")
    shown_or_json(planning.send_measurements(timing, file, **heading), as_json, present.measurement)


@measurements.command("send-power")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--device", required=True, help="The device to revise.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "rapl", "powerstat", "tegrastats"]),
    help="What a text is; .json and .csv say it themselves.",
)
@click.option(
    "--idle",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A log of the idle device; may be repeated.",
)
@click.option("--rail", help="tegrastats: the rail; default that of the board.")
@click.option(
    "--clock", type=click.Choice(["cpu", "gpu"]), help="tegrastats: whose clock and load count."
)
@click.option("--busy-percent", type=float, help="tegrastats: lines with less are passed over.")
@click.option("--frequency-hz", type=float, help="The clock, where no file says it.")
@click.option("--idle-power-w", type=float, help="Of the whole device, doing nothing.")
@click.option("--above-idle", is_flag=True, default=None, help="Idle power was taken off already.")
@click.option(
    "--product", type=click.Choice(["law", "levels"]), help="A law, or level_power_w beside it."
)
@click.option(
    "--leave-out-suspicious",
    is_flag=True,
    default=None,
    help="Leave samples out whose time says that another clock ran.",
)
@machine
@click.pass_obj
def send_power(
    planning: PlanningClient, /, files: tuple[Path, ...], device: str, as_json: bool, **how: Any
) -> None:
    """Send energies or powers at several clocks: JSON, CSV, or logs, each a run of its own.

    They make the device's next revision.
    """
    try:
        measured = planning.send_power(device, files, **how)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    shown_or_json(measured, as_json, present.power)
