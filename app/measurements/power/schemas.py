"""Measured power as JSON: what is sent, and what is answered."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from app.errors import FieldError
from app.measurements.power.sheet import IDLE, MOST_SAMPLES
from app.measurements.schemas.files import Clock, FreeText, Seconds, SessionStart, Sheet
from app.measurements.schemas.reports import ReceivedAt, SamplesCount, SamplesUrl
from app.profiles.schemas.device import DevicePowerIntervals, Span
from app.quantities import (
    Body,
    Count,
    Name,
    NextCursor,
    NonNegative,
    Number,
    PositiveCount,
    Text,
    absent,
)

_LARGEST = 1e12
Product = Literal["law", "levels"]
Measures = Annotated[
    tuple[Annotated[NonNegative, Field(le=_LARGEST)], ...],
    Field(min_length=1, max_length=MOST_SAMPLES),
]

EXAMPLE: dict[str, Any] = {
    "schema_version": 1,
    "sessions": [
        {
            "started_at": "2026-11-20T09:00:00Z",
            "samples": [
                {"workload": IDLE, "power_w": [2.31, 2.29]},
                {
                    "workload": "alexnet",
                    "frequency_hz": 6.0e8,
                    "time_s": [0.21, 0.212],
                    "energy_j": [0.61, 0.62],
                },
                {
                    "workload": "alexnet",
                    "frequency_hz": 1.2e9,
                    "time_s": [0.11, 0.109],
                    "energy_j": [0.37, 0.36],
                },
            ],
        }
    ],
}


class PowerSampleSet(Sheet):
    """Energies or powers of one workload at one clock, in the order in which they were measured."""

    workload: Text = "busy"
    """What ran: times of different workloads are not compared. `idle`: nothing did, and `power_w`
    is what the device draws then."""
    frequency_hz: Clock | None = absent()
    """The clock that ran [Hz]; required, except where nothing ran."""
    time_s: Seconds | None = absent()
    """Time of computing, of one inference each [s]."""
    energy_j: Measures | None = absent()
    """Energy of one inference each, waiting included [J]; needs `time_s`."""
    power_w: Measures | None = absent()
    """Power while computing [W]; instead of `energy_j`."""
    wait_s: Seconds | None = absent()
    """Of the time that an `energy_j` is of, what was spent waiting beside `time_s` [s]."""
    idle_w: NonNegative | None = absent()
    """Idle power to be taken off these [W]; otherwise what the idle samples, `idle_power_w` or
    the device say."""

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.energy_j or self.power_w or ())

    def faults(self) -> Iterator[FieldError]:
        if (self.energy_j is None) == (self.power_w is None):
            yield FieldError("", "give one of energy_j and power_w")
            return
        for field in ("time_s", "wait_s"):
            given = getattr(self, field)
            if given is not None and len(given) != self.count:
                yield FieldError(
                    f"/{field}", f"must have one entry per sample ({self.count}), not {len(given)}"
                )
        for n, time in enumerate(self.time_s or ()):
            if time <= 0.0:
                yield FieldError(f"/time_s/{n}", "nothing is computed in no time: was it rounded?")
                break
        if self.workload == IDLE:
            if self.energy_j is not None:
                yield FieldError("/energy_j", "where nothing runs there is a power: give power_w")
            return
        if self.frequency_hz is None:
            yield FieldError("/frequency_hz", "is required: the clock at which it ran")
        if self.energy_j is not None and self.time_s is None:
            yield FieldError("/time_s", "is required: an energy is of an inference that took time")
        if self.wait_s is not None and self.energy_j is None:
            yield FieldError("/wait_s", "belongs to energy_j: power_w is that of computing alone")


class PowerSession(Body):
    """One stretch of measuring, whose errors may be alike."""

    started_at: SessionStart = absent()
    samples: Annotated[tuple[PowerSampleSet, ...], Field(min_length=1, max_length=100_000)]
    """What was measured meanwhile, by workload and clock."""


class PowerFile(Sheet):
    """Measured energies or powers of one device at several clocks."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    schema_version: Literal[1] = 1
    """The version of this form of file; default 1."""
    above_idle: bool = False
    """Whether idle power was taken off already."""
    idle_power_w: NonNegative | None = absent()
    """Power of the whole device, doing nothing [W], where no samples say it; the next revision
    has it."""
    part_of_device: bool = False
    """Whether the meter saw a part of the device only: its idle power is then not the device's."""
    product: Product = "law"
    """What the next revision gets: a law over the clock, or `level_power_w` beside it."""
    leave_out_suspicious: bool = False
    """Whether samples are left out whose time says that another clock ran."""
    runtime: Annotated[dict[Text, FreeText | bool | Number | None], Field(max_length=50)] | None = (
        absent()
    )
    """What ran, and the meter, in free words."""
    sessions: Annotated[tuple[PowerSession, ...], Field(min_length=1, max_length=1000)]
    """The stretches of measuring."""

    def faults(self) -> Iterator[FieldError]:
        total = sum(one.count for session in self.sessions for one in session.samples)
        if total > MOST_SAMPLES:
            yield FieldError(
                "/sessions", f"{total} samples are more than the {MOST_SAMPLES} of one measurement"
            )


class PowerNote(Body):
    """What a look at the samples and their fit found."""

    check: str
    """`clock`, `clocks`, `samples`, `power`, `fit`, `outliers`, `stray`, `intervals`, `idle`,
    `range`, `unknown` or `age`."""
    severity: Literal["note", "warning"]
    """A `warning` makes the device's power doubtful: plans that use it say so."""
    detail: str
    """What was found, with its figures, in a sentence."""
    frequency_hz: float | None
    """The clock that it is about [Hz]; null: of all clocks."""


class PowerLawFit(Body):
    """Energy of an inference above idle: (static_power_w + power_coefficient f^power_exponent) t
    + energy_per_inference_j + waiting_power_w w, over clock f, time t and waiting w.
    """

    static_power_w: float
    """Drawn while computing, above idle, whatever the clock [W]."""
    power_coefficient: float
    """Factor of the clocked power [W/Hz^α]."""
    power_exponent: float
    """Exponent α of the clocked power over the clock."""
    energy_per_inference_j: float
    """Start-up of one inference [J]."""
    waiting_power_w: float | None
    """Power of waiting beside computing [W]; null where no sample waited; no profile has it."""


class PowerLawErrors(Body):
    """Of a law against what was measured, relative to the latter."""

    median: float
    """Half of the samples are off by no more than this part of what was measured."""
    p90: float
    """Nine in ten samples are off by no more than this part."""
    largest: float
    """The largest error of any sample, as a part of what was measured."""


class PowerCubeFit(Body):
    """The κ f³ that suits the same samples best."""

    power_coefficient_w_per_hz3: float
    """κ of κ f³ [W/Hz³]."""
    errors: PowerLawErrors
    """How far that law is off what was measured."""


class PowerMeasuredClock(Body):
    """Power while computing at one clock, start-up and waiting taken off."""

    frequency_hz: float
    """The clock [Hz]."""
    samples: SamplesCount
    power_w: float
    """Mean power while computing, above idle [W]."""
    interval_w: Span
    """95 % interval of that power [W]; null as upper end: unbounded."""
    median_error: float | None
    """Median error of the law there, signed, relative to what was measured; null where there is
    none."""
    largest_error: float | None
    """Largest error of the law there, relative to what was measured; null where there is none."""


class PowerSuspiciousStretch(Body):
    """Samples whose time is more than a tenth off the time that the other clocks let expect."""

    workload: str
    """What ran, as the samples call it."""
    run: str
    """In which session, or file, it ran."""
    frequency_hz: float
    """The clock that the samples name [Hz]."""
    samples: SamplesCount
    time_s: float
    """Median of the measured times [s]."""
    expected_s: float
    """Time that the other clocks let expect at this one [s]."""
    likely_hz: float | None
    """The clock at which it would take that long [Hz]; null: none would."""


class PowerSummary(Body):
    """Measured power that made a revision of a device, in a list."""

    number: PositiveCount
    """Counts the device's power measurements from 1."""
    device: Name
    """The device that was measured, by its name."""
    revision: PositiveCount
    """The revision that came of it."""
    created_at: ReceivedAt
    measured_at: AwareDatetime
    """When the latest session began; when the samples were received, where nobody said."""
    samples: SamplesCount
    runs: PositiveCount
    """In how many sessions, or files, it was measured."""
    clocks: PositiveCount
    """At how many clocks it was measured."""
    product: Product
    """What the revision got: a law over the clock (`law`), or `level_power_w` beside it
    (`levels`)."""
    runtime: dict[str, Any] | None
    """What ran, and the meter, as the file says it; null where it does not."""
    doubts: list[str]
    """The checks with warnings."""
    samples_url: SamplesUrl


class PowerMeasurement(PowerSummary):
    """Measured power: the law fitted to it, how far that can be believed, and what was found."""

    law: PowerLawFit | None
    """Null where the clocks are too few for one."""
    intervals: DevicePowerIntervals | None
    """How far the numbers of the law can be believed; null where there are too few clocks to
    tell."""
    waiting_power_interval_w: Span | None
    """95 % interval of `law.waiting_power_w` [W]; null where no sample waited, or there are no
    intervals."""
    errors: PowerLawErrors | None
    """How far the law is off what was measured; null where there is no law."""
    cube: PowerCubeFit
    """The law κ f³ beside it, which no profile gets."""
    levels: list[PowerMeasuredClock]
    """Power at each clock by itself, whatever the law says."""
    suspicious: list[PowerSuspiciousStretch]
    """Samples that another clock than the named one rather ran."""
    left_out: Count
    """How many samples were left out as suspicious; 0 unless that was asked for."""
    idle_power_w: float | None
    """Power of the device doing nothing, as the samples or the body say [W]; null where neither
    does."""
    dropped: Count
    """Lines of a log in which the device was not busy enough."""
    quality: list[PowerNote]
    """What was found in the samples and their fit, warnings first."""


class PowerMeasurementPage(Body):
    """One page of a device's power measurements, oldest first."""

    items: list[PowerSummary]
    """The measurements of this page, oldest first."""
    next_cursor: NextCursor
