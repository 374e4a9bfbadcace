"""`splitplan fit power`: the law of a device's power from files of measurements."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from app.db import Database
from app.errors import ConfigurationError, InvalidRequest, ProfileNotFound
from app.field_errors import validated
from app.measurements.power import service
from app.measurements.power.fitting import Fitted, Wanted, fitted
from app.measurements.power.logs import FORMS, joined
from app.measurements.power.logs.lines import How
from app.measurements.power.prepare import from_json
from app.measurements.power.present import fit_told
from app.measurements.power.report import lines_of
from app.measurements.power.schemas import PowerFile
from app.measurements.power.sheet import PowerSheet
from app.profiles import service as profiles
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BY_SUFFIX = {".json": "json", ".csv": "csv"}
_SINGLE = ("json", "csv", "rapl")


_FLAG: dict[str, Any] = {"is_flag": True, "default": False}
_PARAMETERS = [
    click.Argument(["files"], type=_FILE, nargs=-1, required=True),
    click.Option(
        ["--format", "form"],
        type=click.Choice(["json", *FORMS]),
        help="What the files are; default by suffix: .json, .csv.",
    ),
    click.Option(
        ["--idle", "idle_files"],
        type=_FILE,
        multiple=True,
        help="A log of the idle device; may be repeated.",
    ),
    click.Option(["--rail"], help="tegrastats: the rail; default that of the board."),
    click.Option(
        ["--clock"],
        type=click.Choice(["cpu", "gpu"]),
        default="gpu",
        help="tegrastats: whose clock and load count.",
    ),
    click.Option(
        ["--busy-percent"],
        type=click.FloatRange(0.0, 100.0),
        default=30.0,
        help="tegrastats: lines with less load are passed over.",
    ),
    click.Option(
        ["--frequency-hz"],
        type=click.FloatRange(1e3, 1e12),
        help="The clock, where no file says it.",
    ),
    click.Option(
        ["--idle-power-w"],
        type=click.FloatRange(0.0, 1e6),
        help="Of the whole device, doing nothing, where no samples say it.",
    ),
    click.Option(["--above-idle"], help="Idle power was taken off already.", **_FLAG),
    click.Option(
        ["--product"],
        type=click.Choice(["law", "levels"]),
        default="law",
        help="With --apply: a law, or level_power_w beside it.",
    ),
    click.Option(
        ["--leave-out-suspicious"],
        help="Leave samples out whose time says that another clock ran.",
        **_FLAG,
    ),
    click.Option(["--device"], help="The stored device that was measured."),
    click.Option(["--apply"], help="Store the device's next revision.", **_FLAG),
    click.Option(["--json", "as_json"], help="Print JSON.", **_FLAG),
]


def power_command(
    opened: Callable[[], AbstractContextManager[Database]], only: str | None = None
) -> click.Command:
    """The command, with how it comes to the database of the service where it needs one; named for
    the one format that it reads where that is told.
    """

    def run(device: str | None, apply: bool, as_json: bool, **said: Any) -> None:
        sheet, wanted = _read(**{"form": only} | said)
        try:
            if device is None:
                _show(fitted(sheet, None, wanted), as_json)
                return
            with opened() as database:
                with database.reading() as session:
                    stored = profiles.get(session, Device, device)
                _show(fitted(sheet, stored.body, wanted), as_json)
                if apply:
                    made = service.receive(database, device, sheet, wanted)
                    click.echo(f"stored {ProfileRef(device, made['revision'])}", err=True)
        except InvalidRequest as error:
            raise ConfigurationError(_words(error)) from None
        except ProfileNotFound as error:
            raise ConfigurationError(error.detail) from None

    params = [each for each in _PARAMETERS if only is None or each.name != "form"]
    return click.Command(only or "power", help=_HELP, params=params, callback=_checked(run))


_HELP = """Fit power over the clock to FILES of energies or powers, and say how far the fit can be
believed.

\b
csv         frequency_mhz,time_ms,energy_mj[,wait_ms,idle_w,workload,run], or power_w
rapl        time_s,energy_uj,frequency_mhz[,max_energy_range_uj]
powerstat, tegrastats
            what these print; several files are several runs

A line `# run NAME frequency_hz=... time_s=...` begins a run, `# idle` one in which nothing ran.
"""


def _checked(run: Callable[..., None]) -> Callable[..., None]:
    def checked(device: str | None, apply: bool, **said: Any) -> None:
        if apply and device is None:
            raise click.UsageError("--apply makes a revision of a device: say --device")
        run(device, apply, **said)

    return checked


def _read(
    files: tuple[Path, ...],
    form: str | None,
    idle_files: tuple[Path, ...],
    rail: str | None,
    clock: Any,
    busy_percent: float,
    frequency_hz: float | None,
    **wanted: Any,
) -> tuple[PowerSheet, Wanted]:
    """The samples, and what is to become of them."""
    chosen: Any = form or _BY_SUFFIX.get(files[0].suffix.lower())
    if chosen is None:
        raise click.UsageError(f"say --format: {files[0].name} could be any of {', '.join(FORMS)}")
    if chosen in _SINGLE and (len(files) > 1 or idle_files):
        raise click.UsageError(f"{chosen} is one file: its rows say what ran, and what is idle")
    try:
        if chosen == "json":
            return _of_json(files[0], wanted)
        how = How(rail=rail, clock=clock, busy_percent=busy_percent, frequency_hz=frequency_hz)
        one = len(files) == 1 and not idle_files
        body = files[0].read_bytes() if one else joined(files, idle_files)
        return FORMS[chosen](body, how), Wanted(**wanted)
    except InvalidRequest as error:
        raise ConfigurationError(f"{files[0]}: {_words(error)}") from None


def _of_json(file: Path, wanted: dict[str, Any]) -> tuple[PowerSheet, Wanted]:
    try:
        body = json.loads(file.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from None
    content = validated(PowerFile, body)
    said = {name: getattr(content, name) for name in ("above_idle", "idle_power_w", "product")}
    said |= {"leave_out_suspicious": content.leave_out_suspicious, "runtime": content.runtime}
    return from_json(content), Wanted(**said | {key: one for key, one in wanted.items() if one})


def _words(error: InvalidRequest) -> str:
    fault = error.errors[0]
    where = "" if fault.pointer.startswith("/lines/") or not fault.pointer else f"{fault.pointer}: "
    return where + fault.detail


def _show(found: Fitted, as_json: bool) -> None:
    told = fit_told(found)
    click.echo(json.dumps(told, indent=2) if as_json else "\n".join(lines_of(told)))
