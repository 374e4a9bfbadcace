"""How long one processor takes for one model."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.quantities import (
    Body,
    Fraction,
    Name,
    NonNegative,
    Positive,
    PositiveCount,
    Text,
    absent,
)


class TimingLevel(Body):
    """Device time up to the cut, measured at one clock."""

    frequency_hz: Positive
    """The clock at which it was measured [Hz]."""
    mean_s: NonNegative
    """Mean time of the layers before the cut at this clock [s]."""
    variance_s2: NonNegative
    """Variance of that time [s²]."""
    worst_s: NonNegative | None = absent()
    """Largest time that was observed at this clock [s]; what the margin `worst_case` needs."""
    energy_j: NonNegative | None = absent()
    """Measured energy of the device's part up to the cut, above idle [J]: goes before any power."""
    power_w: NonNegative | None = absent()
    """Measured power while computing up to the cut, above idle [W]: goes before the device's."""
    samples: PositiveCount | None = absent()
    """How many times were measured."""


class TimingCut(Body):
    """Time of the part before the cut (device) or after it (server).

    A device entry gives `flop_per_cycle` (mean = flop / flop_per_cycle / clock + overhead_s) or
    `levels`, which are used instead of the fit on devices that list their clocks; a server entry
    gives `mean_s`.
    """

    mean_s: NonNegative | None = absent()
    """Mean time of the layers after the cut, at a server [s]; a device's entry gives
    `flop_per_cycle` or `levels` instead."""
    flop_per_cycle: Positive | None = absent()
    """FLOP that the device does in a cycle of its clock, of all work before the cut."""
    overhead_s: NonNegative | None = absent()
    """The part of the device's time that does not scale with the clock [s]; default 0."""
    variance_s2: NonNegative | None = absent()
    """Variance of the time [s²]; required, except where `levels` carry their own."""
    worst_s: NonNegative | None = absent()
    """Largest observed time (`mean_s`), or largest residual over the fit (`flop_per_cycle`) [s]."""
    levels: Annotated[tuple[TimingLevel, ...], Field(min_length=1, max_length=1000)] | None = (
        absent()
    )
    """Times of a device at single clocks, ascending."""
    samples: PositiveCount | None = absent()
    """How many times were measured, at all clocks."""
    correlation: (
        Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1.0, le=1.0)] | None
    ) = absent()
    """Of the parts before and after the cut, measured in the same inferences on one machine; no
    plan applies it by itself: a user's `correlation` says what holds between its device and the
    server."""

    def faults(self) -> Iterator[FieldError]:
        """What contradicts itself in this entry."""
        if self.mean_s is not None and self.flop_per_cycle is not None:
            yield FieldError(
                "/flop_per_cycle",
                "an entry gives mean_s (server) or flop_per_cycle (device), not both",
            )
        if self.mean_s is not None and self.levels is not None:
            yield FieldError(
                "/levels", "an entry gives mean_s (server) or levels (device), not both"
            )
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
                    f"must be above that of the level before ({low.frequency_hz:g} Hz): sort"
                    " ascending",
                )
        for position, level in enumerate(levels):
            if level.worst_s is not None and level.worst_s < level.mean_s:
                yield FieldError(
                    f"/levels/{position}/worst_s", f"cannot be below mean_s ({level.mean_s:g} s)"
                )


class TimingBasis(Body):
    """The samples behind a timing that the service computed."""

    measurement: PositiveCount
    """`GET /v1/timings/{name}/measurements/{measurement}` has the findings, the fit and the raw
    samples.
    """
    samples: PositiveCount
    """How many times were measured."""
    sessions: PositiveCount
    """In how many stretches of measuring."""
    measured_at: datetime
    """When the latest session began: how old the numbers are."""
    doubts: tuple[Text, ...] | None = absent()
    """The checks that found something doubtful."""


ClockLaw = Literal["given_clocks", "cycles", "cycles_and_overhead", "none"]


class Estimated(Body):
    """How a timing was made from times of the whole network, and how far its shares can be
    believed.
    """

    rule: Literal["measured_shape", "operator_mix", "flop"]
    """What the time was shared out by: shapes measured on boards of the atlas, a law of FLOP and
    bytes, or FLOP."""
    boards: tuple[Text, ...] | None = absent()
    """Whose shapes were taken; those that took about as long for the network count most and come
    first."""
    runtimes: tuple[Text, ...] | None = absent()
    """What ran there."""
    share: Annotated[tuple[Fraction, ...], Field(min_length=2, max_length=10_000)]
    """Part of the whole time before each cut."""
    share_error_median: Fraction
    """By how much such a share was off at the worst cut of a network, in parts of the whole time:
    over the atlas, each case left out in turn."""
    share_error_p90: Fraction
    """In nine of ten cases it was off by no more: the interval of each share."""
    share_low: Annotated[tuple[Fraction, ...], Field(min_length=2, max_length=10_000)]
    """The least share before each cut: see `share_high`."""
    share_high: Annotated[tuple[Fraction, ...], Field(min_length=2, max_length=10_000)]
    """Between `share_low` and these lie all shares of nine in ten networks: narrower where
    little, or all but little, lies before the cut."""
    cases: PositiveCount
    """Networks on boards of which these errors are."""
    whole_s: Positive
    """Time of the whole network, the longest that was given [s]."""
    clock_law: ClockLaw
    """`given_clocks`: the times hold at these clocks only; `cycles`: assumed to fall as 1/f;
    `cycles_and_overhead`: fitted; `none`: a server."""
    assumed_variation: Positive | None = absent()
    """Standard deviation over mean, where nobody said how much times vary: the largest of the
    shipped timings."""


class Timing(Profile):
    """How long one processor takes for one model: one entry per cut of the model, each
    cumulative.
    """

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
    """The network that was timed, by its name."""
    cuts: Annotated[tuple[TimingCut, ...], Field(min_length=2, max_length=10_000)]
    """The time at every cut of the model, in the order of its cuts."""
    measured: TimingBasis | None = absent()
    """Written by `POST /v1/timings/{name}/measurements`."""
    estimated: Estimated | None = absent()
    """Written by `POST /v1/timings/estimate`."""
    source_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = absent()
    """Digest of the model's file that was timed. Plans with a model of another file warn, and are
    refused where `options.strict` says so."""

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        for position, cut in enumerate(self.cuts):
            for fault in cut.faults():
                yield fault.below(f"/cuts/{position}")
        if self.processor_kind is not None:
            yield from self.form_faults(self.processor_kind)

        if self.estimated is not None and len(self.estimated.share) != len(self.cuts):
            yield FieldError("/estimated/share", f"one for each of the {len(self.cuts)} cuts")

    def form_faults(self, processor_kind: ProcessorKind) -> Iterator[FieldError]:
        """Entries that do not have the form of that kind of processor."""
        for position, cut in enumerate(self.cuts):
            if processor_kind == "server" and cut.mean_s is None:
                yield FieldError(
                    f"/cuts/{position}/mean_s", "a server's timing gives mean_s at every cut"
                )
            if processor_kind == "device" and cut.mean_s is not None:
                yield FieldError(
                    f"/cuts/{position}/mean_s",
                    "a device's time depends on its clock: give flop_per_cycle or levels",
                )

    def model_faults(self, model: Model) -> Iterator[FieldError]:
        """A count of entries that is not the model's count of cuts."""
        if len(self.cuts) != len(model.cuts):
            yield FieldError(
                "/cuts",
                f"the model {model.name!r} has {len(model.cuts)} cuts, so as many entries, not"
                f" {len(self.cuts)}",
            )
