"""The five kinds of profile as JSON: what a caller may write, in SI units, decibels where the name says so."""

import math
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.errors import FieldError
from app.quantities import (
    REFERENCE_PATTERN,
    Body,
    Count,
    Decibel,
    Fraction,
    LongText,
    Name,
    NonNegative,
    Positive,
    PositiveCount,
    Text,
    absent,
)

Kind = Literal["device", "model", "channel", "server", "timing"]
ProcessorKind = Literal["device", "server"]
Provenance = Literal["measured", "published", "analytic"]


def _faulty(*faults: FieldError) -> PydanticCustomError:
    return PydanticCustomError("semantics", "the content does not hold together", {"faults": list(faults)})


class FieldWarning(Body):
    """Something allowed that looks like a mistake."""

    field: str
    """RFC 6901 pointer into the body."""
    message: str

    def below(self, prefix: str) -> "FieldWarning":
        """The same warning seen from a body that holds this one at `prefix`."""
        return FieldWarning(field=prefix + self.field, message=self.message)


class Profile(Body):
    """What every kind of profile has."""

    kind: ClassVar[Kind]
    collection: ClassVar[str]

    name: Name
    """Unique within its kind."""
    provenance: Provenance
    """Where the numbers come from; answers repeat the weakest provenance they rest on."""
    reference: LongText | None = absent()
    """The document the numbers are from (required for `published`), or how they were derived."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self.faults()):
            raise _faulty(*faults)
        return self

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself, each fault with its pointer into this body."""
        if self.provenance == "published" and self.reference is None:
            yield FieldError("/reference", "a published profile names its source here")


def _ascending(values: tuple[float, ...], pointer: str) -> Iterator[FieldError]:
    for position, (low, high) in enumerate(pairwise(values), start=1):
        if high <= low:
            yield FieldError(f"{pointer}/{position}", f"must be above the one before it ({low:g}): sort ascending")


class Device(Profile):
    """A processor with its clocks, power and radio. Power at clock f is `power_coefficient_w_per_hz3` × f³."""

    kind = "device"
    collection = "devices"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "camera-cpu",
                    "processor": "cpu",
                    "frequency_min_hz": 1.2e8,
                    "frequency_max_hz": 1.9e9,
                    "power_coefficient_w_per_hz3": 1.0e-27,
                    "tx_power_w": 0.2,
                    "provenance": "measured",
                }
            ]
        }
    )

    processor: Literal["cpu", "gpu", "npu"]
    frequency_min_hz: Positive
    frequency_max_hz: Positive
    frequency_levels_hz: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=1000)] | None = absent()
    """The clocks the device really offers, ascending; without them any clock between min and max."""
    power_coefficient_w_per_hz3: Positive
    tx_power_w: Positive
    rx_power_w: NonNegative | None = absent()
    idle_power_w: NonNegative | None = absent()
    memory_byte: PositiveCount | None = absent()

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        if self.frequency_max_hz < self.frequency_min_hz:
            yield FieldError("/frequency_max_hz", f"must be at least frequency_min_hz ({self.frequency_min_hz:g} Hz)")
            return
        levels = self.frequency_levels_hz or ()
        yield from _ascending(levels, "/frequency_levels_hz")
        for position, level in enumerate(levels):
            if not self.frequency_min_hz <= level <= self.frequency_max_hz:
                yield FieldError(
                    f"/frequency_levels_hz/{position}",
                    f"must lie between frequency_min_hz and frequency_max_hz "
                    f"({self.frequency_min_hz:g} to {self.frequency_max_hz:g} Hz)",
                )


class Quantization(Body):
    """What sending the feature with `bits` bits per element costs in accuracy."""

    bits: Annotated[PositiveCount, Field(le=64)]
    loss: Fraction
    """Accuracy lost, 0 to 1."""


class Cut(Body):
    """One place to cut. `flop` and `parameter_byte` count everything before it, on the device's side."""

    name: Text
    flop: Count
    """Cumulative: 2 × MAC of Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU; all else counts 0."""
    feature_byte: Count
    """What crosses the cut."""
    feature_elements: Count | None = absent()
    parameter_byte: Count
    """Cumulative."""
    tensors: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = absent()
    """The tensors that cross the cut."""
    quantization: Annotated[tuple[Quantization, ...], Field(max_length=64)] | None = absent()


class Model(Profile):
    """A neural network as a list of cuts: the first leaves nothing on the device, the last leaves everything there."""

    kind = "model"
    collection = "models"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "two-layer",
                    "cuts": [
                        {"name": "input", "flop": 0, "feature_byte": 602112, "parameter_byte": 0},
                        {"name": "conv1", "flop": 140553600, "feature_byte": 774400, "parameter_byte": 93184},
                        {"name": "fc", "flop": 210830400, "feature_byte": 0, "parameter_byte": 774493184},
                    ],
                    "provenance": "analytic",
                }
            ]
        }
    )

    cuts: Annotated[tuple[Cut, ...], Field(min_length=2, max_length=10_000)]
    source_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = absent()
    """Digest of the file the profile was read from."""

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        for position, (before, cut) in enumerate(pairwise(self.cuts), start=1):
            for field in ("flop", "parameter_byte"):
                low, high = getattr(before, field), getattr(cut, field)
                if high < low:
                    yield FieldError(
                        f"/cuts/{position}/{field}",
                        f"is cumulative, so it cannot fall below that of the cut before ({low})",
                    )
        for position, cut in enumerate(self.cuts):
            seen: set[int] = set()
            for entry, quantization in enumerate(cut.quantization or ()):
                if quantization.bits in seen:
                    yield FieldError(
                        f"/cuts/{position}/quantization/{entry}/bits", f"{quantization.bits} bits are listed twice"
                    )
                seen.add(quantization.bits)


class PathLoss(Body):
    """gain_db = -(intercept_db + 10 × exponent × log10(distance_m))."""

    intercept_db: Decibel
    exponent: Annotated[Positive, Field(le=20.0)]

    def gain_db(self, distance_m: float) -> float:
        """Mean channel gain at a distance."""
        return -(self.intercept_db + 10.0 * self.exponent * math.log10(distance_m))


class NoFading(Body):
    """The gain does not move."""

    kind: Literal["none"]


class RayleighFading(Body):
    """No line of sight."""

    kind: Literal["rayleigh"]


class RicianFading(Body):
    """A line of sight, `k_factor_db` above the scattered power."""

    kind: Literal["rician"]
    k_factor_db: Decibel


class NakagamiFading(Body):
    """Nakagami-m: m = 1 is Rayleigh."""

    kind: Literal["nakagami"]
    m: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.5, le=1e6)]


class LognormalFading(Body):
    """Log-normal shadowing."""

    kind: Literal["lognormal"]
    std_db: Annotated[Decibel, Field(ge=0.0)]


Samples = Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=1_000_000)]


class TraceFading(Body):
    """Recorded samples, equally likely and independent: rates or signal-to-noise ratios."""

    kind: Literal["trace"]
    rate_bps: Samples | None = absent()
    snr_db: Annotated[tuple[Decibel, ...], Field(min_length=1, max_length=1_000_000)] | None = absent()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if (self.rate_bps is None) == (self.snr_db is None):
            raise _faulty(FieldError("", "a trace gives either rate_bps or snr_db"))
        return self


class MarkovFading(Body):
    """A chain of rates: given with its transition matrix, or fitted from a trace into `states` quantile states."""

    kind: Literal["markov"]
    rate_bps: Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=1000)] | None = absent()
    transition: (
        Annotated[tuple[Annotated[tuple[Fraction, ...], Field(max_length=1000)], ...], Field(max_length=1000)] | None
    ) = absent()
    """Row i: the probabilities of the next state from state i."""
    trace_bps: Annotated[tuple[NonNegative, ...], Field(min_length=2, max_length=1_000_000)] | None = absent()
    states: Annotated[PositiveCount, Field(le=1000)] | None = absent()

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise _faulty(*faults)
        return self

    def _faults(self) -> Iterator[FieldError]:
        given = {
            field for field in ("rate_bps", "transition", "trace_bps", "states") if getattr(self, field) is not None
        }
        if given == {"trace_bps", "states"}:
            assert self.trace_bps is not None
            assert self.states is not None
            distinct = len(set(self.trace_bps))
            if self.states > distinct:
                yield FieldError("/states", f"the trace has only {distinct} different rates")
        elif given == {"rate_bps", "transition"}:
            assert self.rate_bps is not None
            assert self.transition is not None
            count = len(self.rate_bps)
            if len(self.transition) != count:
                yield FieldError("/transition", f"must have one row per rate ({count})")
            for position, row in enumerate(self.transition):
                if len(row) != count:
                    yield FieldError(f"/transition/{position}", f"must have one probability per rate ({count})")
                elif abs(sum(row) - 1.0) > 1e-6:
                    yield FieldError(f"/transition/{position}", f"must sum to 1, not {sum(row):.9g}")
        else:
            yield FieldError("", "a Markov channel gives rate_bps with transition, or trace_bps with states")


Fading = Annotated[
    NoFading | RayleighFading | RicianFading | NakagamiFading | LognormalFading | TraceFading | MarkovFading,
    Field(discriminator="kind"),
]


class Channel(Profile):
    """A shared radio: spectrum, noise, how the gain falls with distance and how it moves."""

    kind = "channel"
    collection = "channels"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "cell-10mhz",
                    "bandwidth_hz": 1.0e7,
                    "noise_psd_dbm_per_hz": -174.0,
                    "path_loss": {"intercept_db": 15.3, "exponent": 3.76},
                    "fading": {"kind": "rayleigh"},
                    "coherence_time_s": 0.05,
                    "provenance": "analytic",
                }
            ]
        }
    )

    bandwidth_hz: Positive
    noise_psd_dbm_per_hz: Decibel = -174.0
    path_loss: PathLoss | None = absent()
    fading: Fading | None = absent()
    coherence_time_s: Positive | None = absent()
    min_snr_db: Decibel | None = absent()
    """Below this nothing can be decoded: the link is in outage."""
    rtt_mean_s: NonNegative | None = absent()
    rtt_variance_s2: NonNegative | None = absent()
    downlink_bps: Positive | None = absent()


class Server(Profile):
    """An edge server."""

    kind = "server"
    collection = "servers"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "edge-gpu", "capacity_flop_per_s": 4.0e12, "provenance": "measured"}]}
    )

    capacity_flop_per_s: Positive


class TimingLevel(Body):
    """Device time up to the cut, measured at one clock."""

    frequency_hz: Positive
    mean_s: NonNegative
    variance_s2: NonNegative
    worst_s: NonNegative | None = absent()
    samples: PositiveCount | None = absent()
    """How many times were measured."""


class TimingCut(Body):
    """Time of the part before the cut (device) or after it (server).

    A device entry gives `flop_per_cycle` (mean = flop / flop_per_cycle / clock + overhead_s) or `levels`, which are
    used instead of the fit on devices that list their clocks; a server entry gives `mean_s`.
    """

    mean_s: NonNegative | None = absent()
    flop_per_cycle: Positive | None = absent()
    overhead_s: NonNegative | None = absent()
    """The part of the device's time that does not scale with the clock."""
    variance_s2: NonNegative | None = absent()
    """Required, except where `levels` carry their own."""
    worst_s: NonNegative | None = absent()
    """Largest observed time (`mean_s`), or largest residual over the fit (`flop_per_cycle`)."""
    levels: Annotated[tuple[TimingLevel, ...], Field(min_length=1, max_length=1000)] | None = absent()
    samples: PositiveCount | None = absent()
    """How many times were measured, at all clocks."""
    correlation: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1.0, le=1.0)] | None = absent()
    """Of the parts before and after the cut, measured in the same inferences on one machine; no plan applies it by
    itself: a user's `correlation` says what holds between its device and the server."""

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself in this entry."""
        if self.mean_s is not None and self.flop_per_cycle is not None:
            yield FieldError("/flop_per_cycle", "an entry gives mean_s (server) or flop_per_cycle (device), not both")
        if self.mean_s is not None and self.levels is not None:
            yield FieldError("/levels", "an entry gives mean_s (server) or levels (device), not both")
        if self.mean_s is None and self.flop_per_cycle is None and self.levels is None:
            yield FieldError("", "give mean_s (server), or flop_per_cycle or levels (device)")
        if self.overhead_s is not None and self.flop_per_cycle is None:
            yield FieldError("/overhead_s", "belongs to flop_per_cycle")
        if self.variance_s2 is None and self.levels is None:
            yield FieldError("/variance_s2", "is required (0 if the time never varies)")
        if self.mean_s is not None and self.worst_s is not None and self.worst_s < self.mean_s:
            yield FieldError("/worst_s", f"cannot be below mean_s ({self.mean_s:g} s)")
        levels = self.levels or ()
        for position, (low, high) in enumerate(pairwise(levels), start=1):
            if high.frequency_hz <= low.frequency_hz:
                yield FieldError(
                    f"/levels/{position}/frequency_hz",
                    f"must be above that of the level before ({low.frequency_hz:g} Hz): sort ascending",
                )
        for position, level in enumerate(levels):
            if level.worst_s is not None and level.worst_s < level.mean_s:
                yield FieldError(f"/levels/{position}/worst_s", f"cannot be below mean_s ({level.mean_s:g} s)")


class Measured(Body):
    """The samples behind a timing that the service computed."""

    measurement: PositiveCount
    """`GET /v1/timings/{name}/measurements/{measurement}` has the findings, the fit and the raw samples."""
    samples: PositiveCount
    sessions: PositiveCount
    measured_at: datetime
    """When the latest session began: how old the numbers are."""
    doubts: tuple[Text, ...] | None = absent()
    """The checks that found something doubtful."""


class Timing(Profile):
    """How long one processor takes for one model: one entry per cut of the model, each cumulative."""

    kind = "timing"
    collection = "timings"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "camera-cpu.two-layer",
                    "processor": "camera-cpu",
                    "processor_kind": "device",
                    "model": "two-layer",
                    "cuts": [
                        {"flop_per_cycle": 7.1, "overhead_s": 0.0, "variance_s2": 0.0},
                        {"flop_per_cycle": 7.1, "overhead_s": 0.0005, "variance_s2": 1.0e-6},
                        {"flop_per_cycle": 6.8, "overhead_s": 0.0008, "variance_s2": 2.5e-6},
                    ],
                    "provenance": "measured",
                }
            ]
        }
    )

    processor: Name
    """A device or a server."""
    processor_kind: ProcessorKind | None = absent()
    """Required where both a device and a server have that name; answers always say it."""
    model: Name
    cuts: Annotated[tuple[TimingCut, ...], Field(min_length=2, max_length=10_000)]
    measured: Measured | None = absent()
    """Written by `POST /v1/timings/{name}/measurements`."""

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        for position, cut in enumerate(self.cuts):
            for fault in cut.faults():
                yield fault.below(f"/cuts/{position}")
        if self.processor_kind is not None:
            yield from self.form_faults(self.processor_kind)

    def form_faults(self, processor_kind: ProcessorKind) -> Iterator[FieldError]:
        """Entries that do not have the form of that kind of processor."""
        for position, cut in enumerate(self.cuts):
            if processor_kind == "server" and cut.mean_s is None:
                yield FieldError(f"/cuts/{position}/mean_s", "a server's timing gives mean_s at every cut")
            if processor_kind == "device" and cut.mean_s is not None:
                yield FieldError(
                    f"/cuts/{position}/mean_s", "a device's time depends on its clock: give flop_per_cycle or levels"
                )

    def model_faults(self, model: Model) -> Iterator[FieldError]:
        """A count of entries that is not the model's count of cuts."""
        if len(self.cuts) != len(model.cuts):
            yield FieldError(
                "/cuts",
                f"the model {model.name!r} has {len(model.cuts)} cuts, so as many entries, not {len(self.cuts)}",
            )


SCHEMAS: tuple[type[Profile], ...] = (Device, Model, Channel, Server, Timing)


class Revision(Body):
    """What an answer adds to a profile."""

    revision: int
    created_at: datetime
    """When this revision was made."""
    warnings: tuple[FieldWarning, ...] | None = absent()
    """Allowed, but they smell of a mistake."""


class DeviceRevision(Revision, Device):
    """A device as stored."""


class ModelRevision(Revision, Model):
    """A model as stored."""


class ChannelRevision(Revision, Channel):
    """A channel as stored."""


class ServerRevision(Revision, Server):
    """A server as stored."""


class StaleEvidence(Body):
    """What times observed in production say against a revision."""

    since: datetime
    """When they were received."""
    measurement: PositiveCount
    """The observations: `GET /v1/timings/{name}/measurements/{measurement}`."""
    plan: str
    """The plan under which they were observed."""
    detail: str


class TimingRevision(Revision, Timing):
    """A timing as stored."""

    stale: bool | None = absent()
    """True once times observed in production refuted this revision."""
    stale_evidence: StaleEvidence | None = absent()


class Echo(Body):
    """What a PUT may send back from an answer; ignored."""

    revision: Any = Field(default=None, exclude=True)
    """Ignored."""
    created_at: Any = Field(default=None, exclude=True)
    """Ignored."""
    warnings: Any = Field(default=None, exclude=True)
    """Ignored."""


class DeviceEdit(Echo, Device):
    """A device to revise."""


class ModelEdit(Echo, Model):
    """A model to revise."""


class ChannelEdit(Echo, Channel):
    """A channel to revise."""


class ServerEdit(Echo, Server):
    """A server to revise."""


class TimingEdit(Echo, Timing):
    """A timing to revise."""

    stale: Any = Field(default=None, exclude=True)
    """Ignored."""
    stale_evidence: Any = Field(default=None, exclude=True)
    """Ignored."""


def _reference_or_body(value: Any) -> str | None:
    if isinstance(value, str):
        return "reference"
    return "inline" if isinstance(value, (dict, Profile)) else None


Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN, max_length=73, examples=["jetson-xavier-nx-cpu@1"])]
"""`name` (its latest revision) or `name@revision`."""

_EITHER = Discriminator(
    _reference_or_body,
    custom_error_type="reference_or_body",
    custom_error_message="give a profile's name, name@revision, or the profile itself",
)
# Wherever a plan takes a profile: a reference, or the body inline.
DeviceRef = Annotated[Annotated[Reference, Tag("reference")] | Annotated[Device, Tag("inline")], _EITHER]
ModelRef = Annotated[Annotated[Reference, Tag("reference")] | Annotated[Model, Tag("inline")], _EITHER]
ChannelRef = Annotated[Annotated[Reference, Tag("reference")] | Annotated[Channel, Tag("inline")], _EITHER]
ServerRef = Annotated[Annotated[Reference, Tag("reference")] | Annotated[Server, Tag("inline")], _EITHER]
TimingRef = Annotated[Annotated[Reference, Tag("reference")] | Annotated[Timing, Tag("inline")], _EITHER]
