"""`splitplan-client timings estimate` and `devices estimate`: a profile from a number or two."""

from typing import Any

import click

from client import present
from client.planning import PlanningClient
from client.terminal import machine, shown_or_json

_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show it, and store nothing.")


@click.group()
def timings() -> None:
    """How long processors take for networks."""


@timings.command("estimate")
@click.option("--name", required=True, help="Of the timing.")
@click.option("--processor", required=True, help="A stored device or server.")
@click.option("--processor-kind", type=click.Choice(["device", "server"]), help="Which of the two.")
@click.option("--model", required=True, help="A stored model.")
@click.option("--time-s", type=float, help="One inference of the whole network.")
@click.option("--frequency-hz", type=float, help="The device's clock meanwhile.")
@click.option(
    "--point",
    "points",
    type=(float, float),
    multiple=True,
    metavar="TIME_S FREQUENCY_HZ",
    help="In place of these: one for each of several clocks.",
)
@click.option("--std-s", type=float, help="Standard deviation of that time.")
@click.option("--worst-s", type=float, help="The slowest inference.")
@click.option(
    "--clock-law",
    type=click.Choice(["given_clocks", "cycles"]),
    help="What holds at other clocks than one.",
)
@click.option("--runtime", help="What runs the network, e.g. onnxruntime.")
@click.option(
    "--share-by",
    type=click.Choice(["measured_shape", "operator_mix", "flop"]),
    help="Default: the best that is known of the network.",
)
@_DRY_RUN
@machine
@click.pass_obj
def estimate_timing(
    planning: PlanningClient,
    /,
    points: tuple[tuple[float, float], ...],
    dry_run: bool,
    as_json: bool,
    **said: Any,
) -> None:
    """Share the time of a whole network out over its cuts, as other boards spent it."""
    body = {name: value for name, value in said.items() if value is not None}
    if points:
        body["points"] = [{"time_s": time_s, "frequency_hz": hz} for time_s, hz in points]
    shown_or_json(
        planning.estimate_profile("timings", body, dry_run=dry_run), as_json, present.estimated
    )


@click.group()
def devices() -> None:
    """Processors with their clocks, power and radio."""


@devices.command("estimate")
@click.option("--name", required=True, help="Of the device.")
@click.option("--processor", type=click.Choice(["cpu", "gpu", "npu"]), required=True)
@click.option("--frequency-max-hz", type=float, required=True, help="Its highest clock.")
@click.option("--frequency-min-hz", type=float, help="Default: it runs at the highest alone.")
@click.option("--frequency-level-hz", "levels", type=float, multiple=True, help="Clocks it offers.")
@click.option("--busy-power-w", type=float, required=True, help="Computing at the highest clock.")
@click.option("--idle-power-w", type=float, required=True, help="Doing nothing; whole device.")
@click.option("--power-exponent", type=float, help="Default: the middle of what others measured.")
@click.option("--tx-power-w", type=float, required=True, help="What its radio radiates.")
@click.option("--rx-power-w", type=float)
@click.option("--memory-byte", type=int)
@_DRY_RUN
@machine
@click.pass_obj
def estimate_device(
    planning: PlanningClient,
    /,
    levels: tuple[float, ...],
    dry_run: bool,
    as_json: bool,
    **said: Any,
) -> None:
    """Make a device of what a meter shows: power at the highest clock, and idle."""
    body = {name: value for name, value in said.items() if value is not None}
    if levels:
        body["frequency_levels_hz"] = list(levels)
    shown = planning.estimate_profile("devices", body, dry_run=dry_run)
    shown_or_json(shown, as_json, present.estimated)
