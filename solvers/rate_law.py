"""What of Shannon's rate a radio reaches: a record that solvers and checks share."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLaw:
    """R(b) = b min(`max_bps_per_hz`, `efficiency` log2(1 + snr/`snr_gap`)) [bit/s] over a share b
    [Hz] (attenuated and truncated Shannon bound, 3GPP TR 36.942 annex A.1).

    The defaults are Shannon's own rate.
    """

    efficiency: float = 1.0  # in (0, 1]
    max_bps_per_hz: float = float("inf")
    snr_gap: float = 1.0  # >= 1, a power ratio

    def __post_init__(self) -> None:
        if not 0.0 < self.efficiency <= 1.0:
            raise ValueError("efficiency in (0, 1]")
        if not self.max_bps_per_hz > 0.0:
            raise ValueError("max_bps_per_hz > 0")
        if not (self.snr_gap >= 1.0 and np.isfinite(self.snr_gap)):
            raise ValueError("snr_gap >= 1 and finite")


SHANNON = RateLaw()
