"""`splitplan catalogue import`: profiles from the files of other tools."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from app.catalogue.tools import operators, profiles, runs, traces
from app.db import Database
from app.errors import ConfigurationError, InvalidRequest, ProfileExists, ProfileNotFound
from app.profiles import service
from app.profiles.plausibility import warnings_of
from app.profiles.references import ProfileRef
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import Profile
from app.quantities import NAME_PATTERN

Opened = Callable[[], AbstractContextManager[Database]]


def _name(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise click.BadParameter(f"must match {NAME_PATTERN}")
    return name


FILE = click.Argument(["file"], type=click.Path(exists=True, dir_okay=False, path_type=Path))
NAME = click.Option(["--name"], required=True, callback=_name, help="Of the new profile.")
PRINT = click.Option(["--print", "print_only"], is_flag=True, help="Print JSON; store nothing.")
PUBLISHED = click.Option(
    ["--published"], help="The document these figures are from; without it they are your own."
)
ORIGIN = [
    click.Option(["--processor"], required=True, callback=_name, help="What it ran on."),
    click.Option(
        ["--clock-hz"],
        type=click.FloatRange(1e3, 1e12),
        help="The device's clock meanwhile; without it the processor is a server.",
    ),
    click.Option(
        ["--variation"],
        type=click.FloatRange(0.0, 10.0),
        help="Coefficient of variation of the times, where the file does not say their spread.",
    ),
    PUBLISHED,
    PRINT,
]
MODEL = click.Option(["--model"], required=True, callback=_name, help="The stored network.")
SKIP = click.Option(
    ["--skip"],
    type=click.IntRange(0, 1_000_000),
    default=1,
    help="First runs that are left out; default 1.",
)


def import_group(opened: Opened) -> click.Group:
    """The commands, one a format, with how they come to the database where they need one."""
    group = click.Group("import", help="Profiles from the files of other tools.")
    tools = _Tools(opened)
    at = click.Option(
        ["--at"], multiple=True, help="CUT=OPERATOR: what ends a cut; may be repeated."
    )
    each = [click.Option(["--machine"]), click.Option(["--network"])]
    input_byte = click.Option(
        ["--input-byte"], type=click.IntRange(1), required=True, help="What the network is given."
    )
    whole = [FILE, NAME, MODEL, *ORIGIN[:2]]
    above_0 = click.FloatRange(min=0, min_open=True)
    trace = [
        FILE,
        NAME,
        click.Option(
            ["--bandwidth-hz"], type=click.FloatRange(min=0, min_open=True), required=True
        ),
        click.Option(["--states"], type=click.IntRange(1, 1000), help="Fit a chain of as many."),
        click.Option(["--min-rate-bps"], type=above_0, help="Its outage."),
        PUBLISHED,
        PRINT,
    ]
    seconds = click.FloatRange(1e-3, 1e5)
    second = click.Option(["--period-s"], type=seconds, default=1.0, help="Default 1.")
    as_recorded = click.Option(["--period-s"], type=seconds, help="Default: as recorded.")
    column = click.Option(["--column"], help="The rate, where several may be.")
    for command, run, params in (
        ("blocks", tools.blocks, [FILE, NAME, input_byte, *each, *ORIGIN]),
        ("onnxruntime", tools.onnxruntime, [FILE, MODEL, at, SKIP, *ORIGIN]),
        ("tflite", tools.tflite, [FILE, MODEL, at, *ORIGIN]),
        ("trtexec", tools.trtexec, [*whole, SKIP]),
        ("mlperf-tiny", tools.mlperf_tiny, whole),
        ("mlperf", tools.mlperf, whole),
        ("mahimahi", tools.mahimahi, [*trace, second]),
        ("rates", tools.rates, [*trace, column, as_recorded]),
    ):
        assert run.__doc__ is not None
        group.add_command(_Command(command, help=run.__doc__, params=params, callback=run))
    return group


class _Command(click.Command):
    """A command whose profiles may turn out to be none: the fault is told in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InvalidRequest as error:
            raise ConfigurationError(f"{ctx.params['file']}: {_words(error)}") from None


class _Tools:
    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    def blocks(
        self,
        file: Path,
        name: str,
        input_byte: int,
        machine: str | None,
        network: str | None,
        print_only: bool,
        **said: Any,
    ) -> None:
        """A network's blocks timed one by one, in the manner of Scission: a model cut behind every
        block, and its timing.

        CSV with machine, network, first_layer, last_layer, layers, time_ms, output_byte, flop,
        params.
        """
        origin = _origin(file, **said)
        table = profiles.timed_blocks(file, machine, network)
        model = profiles.model_of_blocks(table, name, input_byte, origin)
        self._keep(print_only, model, profiles.timing_of_blocks(table, model, origin))

    def onnxruntime(
        self, file: Path, model: str, at: tuple[str, ...], skip: int, print_only: bool, **said: Any
    ) -> None:
        """A profile of onnxruntime (SessionOptions.enable_profiling) of a stored network: its
        timing at every cut, over all runs.
        """
        found = operators.onnxruntime(file, skip)
        self._operators(file, model, at, print_only, found, said)

    def tflite(
        self, file: Path, model: str, at: tuple[str, ...], print_only: bool, **said: Any
    ) -> None:
        """A log of TFLite's benchmark_model with --enable_op_profiling=true of a stored network:
        its timing at every cut.
        """
        self._operators(file, model, at, print_only, operators.tflite(file), said)

    def _operators(
        self,
        file: Path,
        model: str,
        at: tuple[str, ...],
        print_only: bool,
        found: operators.OperatorTimes,
        said: dict[str, Any],
    ) -> None:
        origin = _origin(file, source=found.source, **said)
        with self.opened() as database, database.reading() as session:
            try:
                stored = service.get(session, Model, model).body
            except ProfileNotFound as error:
                raise ConfigurationError(error.detail) from None
        timing = profiles.timing_of_operators(found, stored, profiles.pairs(at), origin)
        self._keep(print_only, timing)

    def trtexec(self, file: Path, skip: int, **said: Any) -> None:
        """Times that trtexec --exportTimes wrote: a request for POST /v1/timings/estimate."""
        _whole(runs.trtexec(file, skip), **said)

    def mlperf_tiny(self, file: Path, **said: Any) -> None:
        """results.txt of an MLPerf Tiny submission: a request for POST /v1/timings/estimate."""
        _whole(runs.mlperf_tiny(file), **said)

    def mlperf(self, file: Path, **said: Any) -> None:
        """LoadGen's mlperf_log_summary.txt of a SingleStream run: a request for POST
        /v1/timings/estimate.
        """
        _whole(runs.mlperf_loadgen(file), **said)

    def mahimahi(self, file: Path, period_s: float, **said: Any) -> None:
        """A mahimahi trace, a line for each millisecond at which 1,500 bytes may leave: a channel
        of rates.
        """
        self._channel(file, traces.mahimahi(file, period_s), period_s, "mahimahi trace", said)

    def rates(self, file: Path, column: str | None, period_s: float | None, **said: Any) -> None:
        """CSV with a time (time_s, time_ms) and a rate whose column names its unit (rate_bps,
        throughput_mbps, "uplink (Mbit/s)"): a channel of rates.
        """
        found, period = traces.table(file, column, period_s)
        self._channel(file, found, period, "table of rates", said)

    def _channel(
        self, file: Path, rates: list[float], period_s: float, what: str, said: dict[str, Any]
    ) -> None:
        print_only, published = said.pop("print_only"), said.pop("published")
        provenance, reference = _cited(published, f"{what} of {len(rates)} periods", file)
        self._keep(
            print_only,
            profiles.channel(
                rates, period_s=period_s, provenance=provenance, reference=reference, **said
            ),
        )

    def _keep(self, print_only: bool, *made: Profile) -> None:
        """Print, or store all or nothing."""
        if print_only:
            bodies = [each.model_dump(mode="json", exclude_none=True) for each in made]
            click.echo(json.dumps(bodies if len(bodies) > 1 else bodies[0], indent=2))
        else:
            self._store(made)
        for profile in made:
            for warning in warnings_of(profile):
                click.echo(f"{profile.name}: {warning.field}: {warning.message}", err=True)

    def _store(self, made: tuple[Profile, ...]) -> None:
        try:
            with self.opened() as database, database.writing() as session:
                stored = [service.create(session, each) for each in made]
        except ProfileExists as error:
            raise ConfigurationError(error.detail) from None
        for each in stored:
            click.echo(f"stored {each.body.kind} {ProfileRef(each.name, each.revision)}")


def _words(error: InvalidRequest) -> str:
    return "; ".join(f"{each.pointer}: {each.detail}".lstrip(": ") for each in error.errors)


def _origin(
    file: Path,
    processor: str,
    clock_hz: float | None,
    variation: float | None,
    published: str | None,
    source: str = "times of blocks",
) -> profiles.Origin:
    provenance, reference = _cited(published, source, file)
    return profiles.Origin(
        processor=processor,
        clock_hz=clock_hz,
        variation=variation,
        provenance=provenance,
        reference=reference,
    )


def _cited(published: str | None, what: str, file: Path) -> tuple[Any, str]:
    """Provenance and reference, the file by its digest."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    own = f"{what} ({re.sub(r'[^ -~]', '?', file.name)}, sha256 {digest})"
    if published is None:
        return "measured", own
    return "published", f"{published}; {own}"


def _whole(
    found: runs.WholeTime, name: str, model: str, processor: str, clock_hz: float | None
) -> None:
    """Print a time as what shares it out over the cuts is asked."""
    said = {
        "name": name,
        "processor": processor,
        "model": model,
        "time_s": found.time_s,
        "frequency_hz": clock_hz,
        "std_s": found.std_s,
        "worst_s": found.worst_s,
    }
    known = {key: value for key, value in said.items() if value is not None}
    click.echo(json.dumps(known, indent=2))
    told = f"{found.samples} inferences; {found.source}"
    if found.energy_j is not None:
        told += f"; {found.energy_j:g} J an inference, the whole board's"
    click.echo(told, err=True)
