"""A channel: spectrum, noise and gain."""

import math
from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field

from app.errors import FieldError
from app.profiles.schemas.fading import Fading, MarkovFading, TraceFading
from app.profiles.schemas.profile import Profile
from app.quantities import (
    Body,
    Decibel,
    Fraction,
    NonNegative,
    Positive,
    absent,
)


class ChannelPathLoss(Body):
    """gain_db = -(intercept_db + 10 × exponent × log10(distance_m))."""

    intercept_db: Decibel
    """Loss at a distance of 1 m [dB]."""
    exponent: Annotated[Positive, Field(le=20.0)]
    """How fast the gain falls with distance: 2 in free space, 3 to 4 in towns."""

    def gain_db(self, distance_m: float) -> float:
        """Mean channel gain at a distance."""
        return -(self.intercept_db + 10.0 * self.exponent * math.log10(distance_m))


class ChannelRateLaw(Body):
    """What of Shannon's rate the radio reaches: min(`max_bps_per_hz`, `efficiency` ×
    log2(1 + SNR / gap)) in bit/s/Hz."""

    efficiency: Annotated[Fraction, Field(gt=0.0)] = 1.0
    """Factor on Shannon's rate, above 0 and at most 1; default 1."""
    max_bps_per_hz: Positive | None = absent()
    """Most that a hertz carries, with the best modulation and coding [bit/s/Hz]; default: no
    limit."""
    snr_gap_db: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.0, le=100.0)] = 0.0
    """By how much the signal-to-noise ratio counts less than Shannon's rate takes it [dB];
    default 0."""


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
    """Uplink that its users share [Hz]."""
    noise_psd_dbm_per_hz: Decibel = -174.0
    """Power spectral density of the noise at the receiver [dBm/Hz]; default -174, thermal noise
    at room temperature."""
    path_loss: ChannelPathLoss | None = absent()
    """How the gain falls with distance; without it no user can say `distance_m`."""
    fading: Fading | None = absent()
    """How the gain, or the rate, moves about its mean; default: not at all. Stopping plans need
    it, the others plan with the mean."""
    coherence_time_s: Positive | None = absent()
    """After how long the channel is another [s]: how long a wait of a stopping plan takes,
    which needs it where devices may wait."""
    rate_law: ChannelRateLaw | None = absent()
    """Default: Shannon's rate, which no radio reaches."""
    min_snr_db: Decibel | None = absent()
    """Signal-to-noise ratio below which nothing can be decoded [dB]: the link is in outage."""
    min_rate_bps: Positive | None = absent()
    """Rate below which the link is in outage [bit/s], of a channel whose fading is given in
    rates (`rate_bps`, `trace_bps`)."""
    rtt_mean_s: NonNegative | None = absent()
    """The network's own mean delay, there and back [s]; default 0."""
    rtt_variance_s2: NonNegative | None = absent()
    """Variance of that delay [s²]; default 0."""
    downlink_bps: Positive | None = absent()
    """Rate at which results come back and layers are placed [bit/s]; without it results are
    taken to come back in no time."""

    @property
    def in_rates(self) -> bool:
        """Whether the fading says rates, the same for every user, rather than gains."""
        fading = self.fading
        return isinstance(fading, MarkovFading) or (
            isinstance(fading, TraceFading) and fading.rate_bps is not None
        )

    def faults(self) -> Iterator[FieldError]:
        yield from super().faults()
        if self.min_rate_bps is None:
            return
        if not self.in_rates:
            yield FieldError(
                "/min_rate_bps",
                "belongs to a fading in rates (rate_bps or trace_bps): say min_snr_db here",
            )
        elif self.min_snr_db is not None:
            yield FieldError("/min_snr_db", "min_rate_bps says the outage already: give one of two")
