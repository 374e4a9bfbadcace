"""How the gain of a channel moves."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.errors import FieldError
from app.profiles.schemas.profile import faulty
from app.quantities import (
    Body,
    Decibel,
    Fraction,
    NonNegative,
    PositiveCount,
    absent,
)


class NoFading(Body):
    """The gain does not move."""

    kind: Literal["none"]
    """The gain does not move."""


class RayleighFading(Body):
    """No line of sight."""

    kind: Literal["rayleigh"]
    """The gain is exponential: many paths, none of them a line of sight."""


class RicianFading(Body):
    """A line of sight, `k_factor_db` above the scattered power."""

    kind: Literal["rician"]
    """A line of sight beside many scattered paths."""
    k_factor_db: Decibel
    """Power of the line of sight over that of the scattered paths [dB]."""


class NakagamiFading(Body):
    """Nakagami-m: m = 1 is Rayleigh."""

    kind: Literal["nakagami"]
    """The gain is gamma distributed."""
    m: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.5, le=1e6)]
    """The shape, at least 0.5: the larger, the steadier the gain."""


class LognormalFading(Body):
    """Log-normal shadowing."""

    kind: Literal["lognormal"]
    """The gain in decibels is normal: shadowing."""
    std_db: Annotated[Decibel, Field(ge=0.0)]
    """Standard deviation of the gain in decibels [dB]."""


Samples = Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=1_000_000)]


class TraceFading(Body):
    """Recorded samples, equally likely and independent: rates or signal-to-noise ratios."""

    kind: Literal["trace"]
    """Samples that were recorded."""
    rate_bps: Samples | None = absent()
    """Recorded uplink rates, the same for every user [bit/s]; this or `snr_db`."""
    snr_db: Annotated[tuple[Decibel, ...], Field(min_length=1, max_length=1_000_000)] | None = (
        absent()
    )
    """Recorded signal-to-noise ratios [dB], of which the shape counts: they are scaled to the
    mean of each user; this or `rate_bps`."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if (self.rate_bps is None) == (self.snr_db is None):
            raise faulty(FieldError("", "a trace gives either rate_bps or snr_db"))
        return self


class MarkovFading(Body):
    """A chain of rates: given with its transition matrix, or fitted from a trace into `states`
    quantile states.
    """

    kind: Literal["markov"]
    """A chain of states, each with a rate."""
    rate_bps: Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=1000)] | None = (
        absent()
    )
    """Uplink rate of each state [bit/s]; with `transition`."""
    transition: (
        Annotated[
            tuple[Annotated[tuple[Fraction, ...], Field(max_length=1000)], ...],
            Field(max_length=1000),
        ]
        | None
    ) = absent()
    """Row i: the probabilities of the next state from state i."""
    trace_bps: (
        Annotated[tuple[NonNegative, ...], Field(min_length=2, max_length=1_000_000)] | None
    ) = absent()
    """Recorded uplink rates, in order, to which a chain is fitted [bit/s]; with `states`."""
    states: Annotated[PositiveCount, Field(le=1000)] | None = absent()
    """How many states of equally many samples the trace is divided into."""

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := list(self._faults()):
            raise faulty(*faults)
        return self

    def _faults(self) -> Iterator[FieldError]:
        given = {
            field
            for field in ("rate_bps", "transition", "trace_bps", "states")
            if getattr(self, field) is not None
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
                    yield FieldError(
                        f"/transition/{position}", f"must have one probability per rate ({count})"
                    )
                elif abs(sum(row) - 1.0) > 1e-6:
                    yield FieldError(
                        f"/transition/{position}", f"must sum to 1, not {sum(row):.9g}"
                    )
        else:
            yield FieldError(
                "", "a Markov channel gives rate_bps with transition, or trace_bps with states"
            )


Fading = Annotated[
    NoFading
    | RayleighFading
    | RicianFading
    | NakagamiFading
    | LognormalFading
    | TraceFading
    | MarkovFading,
    Field(discriminator="kind"),
]
