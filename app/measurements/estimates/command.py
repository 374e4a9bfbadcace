"""`splitplan timings estimate` and `devices estimate`: estimates from the service's own machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click

from app.db import Database
from app.errors import ConfigurationError, InvalidRequest, ProfileExists
from app.field_errors import validated
from app.measurements.estimates import service
from app.measurements.estimates.devices import estimated_device
from app.measurements.estimates.schemas import DeviceEstimate, TimingEstimate
from app.profiles import service as profiles
from app.profiles.plausibility import warnings_of
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import FieldWarning, Profile

Opened = Callable[[], AbstractContextManager[Database]]

_NUMBER = click.FLOAT
_SHOWN = [
    click.Option(["--dry-run"], is_flag=True, help="Print it, and store nothing."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print the profile as JSON."),
]
_TIMING = [
    click.Option(["--name"], required=True, help="Of the timing."),
    click.Option(["--processor"], required=True, help="A stored device or server."),
    click.Option(["--processor-kind"], type=click.Choice(["device", "server"])),
    click.Option(["--model"], required=True, help="A stored model."),
    click.Option(["--time-s"], type=_NUMBER, help="One inference of the whole network."),
    click.Option(["--frequency-hz"], type=_NUMBER, help="The device's clock meanwhile."),
    click.Option(
        ["--point", "points"],
        type=(_NUMBER, _NUMBER),
        multiple=True,
        metavar="TIME_S FREQUENCY_HZ",
        help="In place of these: one for each of several clocks.",
    ),
    click.Option(["--std-s"], type=_NUMBER, help="Standard deviation of that time."),
    click.Option(["--worst-s"], type=_NUMBER, help="The slowest inference."),
    click.Option(["--clock-law"], type=click.Choice(["given_clocks", "cycles"])),
    click.Option(["--runtime"], help="What runs the network, e.g. onnxruntime."),
    click.Option(
        ["--share-by"], type=click.Choice(["measured_shape", "operator_mix", "flop"])
    ),
]  # fmt: skip


def timings_group(opened: Opened) -> click.Group:
    """`timings`, with how it comes to the database of the service."""

    def estimate(*, dry_run: bool, as_json: bool, points: Any, **said: Any) -> None:
        body = {name: value for name, value in said.items() if value is not None}
        if points:
            body["points"] = [
                {"time_s": time_s, "frequency_hz": clock_hz} for time_s, clock_hz in points
            ]
        with opened() as database, _in_words():
            wanted = validated(TimingEstimate, body)
            with database.reading() as session:
                made = service.timing(session, wanted)
                others = list(service.others(session, made))
            _keep(database, made, others, dry_run=dry_run, as_json=as_json)

    return click.Group(
        "timings",
        help="Timings of processors with networks.",
        commands=[
            click.Command(
                "estimate",
                help="Share the time of a whole network out over its cuts, and store the timing.",
                params=[*_TIMING, *_SHOWN],
                callback=estimate,
            )
        ],
    )


_DEVICE = [
    click.Option(["--name"], required=True, help="Of the device."),
    click.Option(["--processor"], type=click.Choice(["cpu", "gpu", "npu"]), required=True),
    click.Option(["--frequency-max-hz"], type=_NUMBER, required=True, help="Its highest clock."),
    click.Option(["--frequency-min-hz"], type=_NUMBER, help="Default: the highest alone."),
    click.Option(
        ["--frequency-level-hz", "levels"], type=_NUMBER, multiple=True, help="Clocks it offers."
    ),
    click.Option(
        ["--busy-power-w"], type=_NUMBER, required=True, help="Computing at the highest clock."
    ),
    click.Option(["--idle-power-w"], type=_NUMBER, required=True, help="Doing nothing."),
    click.Option(["--power-exponent"], type=_NUMBER, help="Default: what others measured."),
    click.Option(["--tx-power-w"], type=_NUMBER, required=True, help="What its radio radiates."),
    click.Option(["--rx-power-w"], type=_NUMBER),
    click.Option(["--memory-byte"], type=click.INT),
]


def devices_group(opened: Opened) -> click.Group:
    """`devices`, with how it comes to the database of the service."""

    def estimate(*, dry_run: bool, as_json: bool, levels: Any, **said: Any) -> None:
        body = {name: value for name, value in said.items() if value is not None}
        if levels:
            body["frequency_levels_hz"] = list(levels)
        with opened() as database, _in_words():
            made = estimated_device(validated(DeviceEstimate, body))
            _keep(database, made, [], dry_run=dry_run, as_json=as_json)

    return click.Group(
        "devices",
        help="Processors with their clocks, power and radio.",
        commands=[
            click.Command(
                "estimate",
                help="Make a device of what a meter shows: power at the highest clock, and idle.",
                params=[*_DEVICE, *_SHOWN],
                callback=estimate,
            )
        ],
    )


def _keep(
    database: Database,
    made: Profile,
    warnings: list[FieldWarning],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Store a profile unless it is only to be shown; say how it was made."""
    stored = "not stored"
    if not dry_run:
        with database.writing() as session:
            kept = profiles.create(session, made)
        stored = f"stored {ProfileRef(kept.name, kept.revision)}"
    if as_json:
        click.echo(made.model_dump_json(indent=2))
    else:
        click.echo(made.reference)
    for warning in (*warnings, *warnings_of(made)):
        click.echo(f"{warning.field}: {warning.message}", err=True)
    click.echo(stored, err=True)


@contextmanager
def _in_words() -> Iterator[None]:
    """Refusals as a line for each fault."""
    try:
        yield
    except InvalidRequest as error:
        lines = [f"{each.pointer}: {each.detail}" for each in error.errors]
        raise ConfigurationError("\n".join(lines)) from None
    except ProfileExists as error:
        raise ConfigurationError(error.detail) from None
