"""Laws of a fading channel's power gain, each independent from look to look."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from solvers.arrays import Floats
from solvers.later import special
from solvers.records import require

# A law is described between quantiles that leave out about this probability at each end.
NEGLIGIBLE = 1e-18


class Fading(Protocol):
    """A continuous law of the gain G, described by the density of ln G so that deep fades stay
    resolved.
    """

    @property
    def mean_inverse_rate_finite(self) -> bool:
        """Whether E[1/log2(1 + SNR)] is finite when every SNR may be used."""

    @property
    def log_gain_range(self) -> tuple[float, float]:
        """Interval of ln G outside which nothing counts; -inf where deep fades never cease to
        count.
        """

    def log_gain_density(self, log_gain: Floats) -> Floats:
        """Density of ln G."""

    def below(self, gain: Floats) -> Floats:
        """P(G < gain)."""

    def above(self, gain: Floats) -> Floats:
        """P(G >= gain)."""

    def inverse_below(self, gain: Floats) -> Floats:
        """E[1/G; G < gain]; infinite exactly where `mean_inverse_rate_finite` is false."""

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""


@dataclass(frozen=True, slots=True)
class Nakagami:
    """Nakagami-m fading: G ~ Gamma(m, 1/m), mean 1.

    Its density near 0 goes as G^(m-1), so E[1/R] needs m > 1.
    """

    m: float

    def __post_init__(self) -> None:
        require(0.0 < self.m < np.inf, "m > 0 and finite")

    @property
    def mean_inverse_rate_finite(self) -> bool:
        """m > 1."""
        return self.m > 1.0

    @property
    def log_gain_range(self) -> tuple[float, float]:
        """From the quantile that matters for E[1/G] (a Gamma(m - 1) law) to the upper quantile."""
        low = (
            float(np.log(special.gammaincinv(self.m - 1.0, NEGLIGIBLE) / self.m))
            if self.m > 1.5
            else -np.inf
        )
        return low, float(np.log(special.gammainccinv(self.m, NEGLIGIBLE) / self.m))

    def log_gain_density(self, log_gain: Floats) -> Floats:
        """m^m/Γ(m) · G^m e^(-mG)."""
        m = self.m
        return np.asarray(
            np.exp(m * (np.log(m) + log_gain - np.exp(log_gain)) - special.gammaln(m))
        )

    def below(self, gain: Floats) -> Floats:
        """Regularised lower incomplete gamma function."""
        return np.asarray(special.gammainc(self.m, self.m * gain))

    def above(self, gain: Floats) -> Floats:
        """Regularised upper incomplete gamma function."""
        return np.asarray(special.gammaincc(self.m, self.m * gain))

    def inverse_below(self, gain: Floats) -> Floats:
        """m/(m-1) times the lower incomplete gamma function of m - 1."""
        if not self.mean_inverse_rate_finite:
            return np.full_like(gain, np.inf)
        return np.asarray(self.m / (self.m - 1.0) * special.gammainc(self.m - 1.0, self.m * gain))

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""
        return np.asarray(rng.gamma(self.m, 1.0 / self.m, size))


@dataclass(frozen=True, slots=True)
class Rayleigh:
    """Rayleigh fading: G ~ Exp(1). E[1/R] diverges, for the density at 0 is positive."""

    mean_inverse_rate_finite = False
    log_gain_range = (-np.inf, float(np.log(-np.log(NEGLIGIBLE))))

    def log_gain_density(self, log_gain: Floats) -> Floats:
        """G e^(-G)."""
        return np.exp(log_gain - np.exp(log_gain))

    def below(self, gain: Floats) -> Floats:
        """1 - e^(-G), exact for small gains too."""
        return np.asarray(-np.expm1(-gain))

    def above(self, gain: Floats) -> Floats:
        """e^(-G)."""
        return np.asarray(np.exp(-gain))

    def inverse_below(self, gain: Floats) -> Floats:
        """Infinite."""
        return np.full_like(gain, np.inf)

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""
        return rng.exponential(size=size)


@dataclass(frozen=True, slots=True)
class Rician:
    """Rician fading with line-of-sight to scattered power ratio K, mean gain 1.

    E[1/R] diverges, as for Rayleigh.
    """

    k_factor: float

    mean_inverse_rate_finite = False

    def __post_init__(self) -> None:
        require(0.0 <= self.k_factor < np.inf, "k_factor >= 0 and finite")

    @property
    def log_gain_range(self) -> tuple[float, float]:
        """The scattered amplitude stays below 6.5 times its root mean square but for a probability
        e^(-42).
        """
        k, reach = self.k_factor, float(np.sqrt(-np.log(NEGLIGIBLE)))
        low = max(float(np.sqrt(k)) - reach, 0.0) ** 2 / (1.0 + k)
        return (float(np.log(low)) if low > 0.0 else -np.inf), float(
            np.log((np.sqrt(k) + reach) ** 2 / (1.0 + k))
        )

    def log_gain_density(self, log_gain: Floats) -> Floats:
        """(1+K) G e^(-K-(1+K)G) I0(2 sqrt(K(1+K)G)), with the exponentials gathered into one
        square.
        """
        k = self.k_factor
        amplitude = np.sqrt((1.0 + k) * np.exp(log_gain))
        return np.asarray(
            amplitude**2
            * np.exp(-((amplitude - np.sqrt(k)) ** 2))
            * special.i0e(2.0 * np.sqrt(k) * amplitude)
        )

    def below(self, gain: Floats) -> Floats:
        """Integral of the density in the gain from 0."""
        nodes, weights = _unit_panels(8, 24)
        log_gain = np.log(np.maximum(gain, 1e-300))
        low = self.log_gain_range[0]
        if np.isfinite(low):
            span = np.maximum(log_gain - low, 0.0)
            points = low + span[..., None] * nodes
            return np.asarray((self.log_gain_density(points) * weights).sum(-1) * span)
        high = np.exp(self.log_gain_range[1])
        span = np.minimum(gain, high)
        points = span[..., None] * nodes
        return np.asarray((self.log_gain_density(np.log(points)) / nodes * weights).sum(-1))

    def above(self, gain: Floats) -> Floats:
        """Integral of the density in the gain up to the upper quantile."""
        nodes, weights = _unit_panels(8, 24)
        low, high = np.exp(self.log_gain_range[0]), np.exp(self.log_gain_range[1])
        start = np.clip(gain, low, high)
        points = start[..., None] + (high - start)[..., None] * nodes
        return np.asarray(
            (self.log_gain_density(np.log(points)) / points * weights).sum(-1) * (high - start)
        )

    def inverse_below(self, gain: Floats) -> Floats:
        """Infinite."""
        return np.full_like(gain, np.inf)

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""
        k = self.k_factor
        real = np.sqrt(2.0 * k) + rng.standard_normal(size)
        return np.asarray((real**2 + rng.standard_normal(size) ** 2) / (2.0 * (1.0 + k)))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal shadowing: 10 log10 G is normal with mean 0, so the user's mean SNR is the mean in
    decibels.

    E[1/R] is finite: all moments of 1/G are.
    """

    std_db: float

    mean_inverse_rate_finite = True

    def __post_init__(self) -> None:
        require(0.0 < self.std_db < np.inf, "std_db > 0 and finite")

    @property
    def std(self) -> float:
        """Standard deviation of ln G."""
        return float(self.std_db * np.log(10.0) / 10.0)

    @property
    def log_gain_range(self) -> tuple[float, float]:
        """Nine standard deviations; below, around the mean under the weight 1/G."""
        return -(self.std**2) - 9.0 * self.std, 9.0 * self.std

    def log_gain_density(self, log_gain: Floats) -> Floats:
        """Normal."""
        return np.asarray(
            np.exp(-0.5 * (log_gain / self.std) ** 2) / (self.std * np.sqrt(2.0 * np.pi))
        )

    def below(self, gain: Floats) -> Floats:
        """Normal distribution function."""
        with np.errstate(divide="ignore"):
            return np.asarray(special.ndtr(np.log(gain) / self.std))

    def above(self, gain: Floats) -> Floats:
        """Normal survival function."""
        with np.errstate(divide="ignore"):
            return np.asarray(special.ndtr(-np.log(gain) / self.std))

    def inverse_below(self, gain: Floats) -> Floats:
        """e^(σ²/2) Φ(ln G/σ + σ)."""
        with np.errstate(divide="ignore"):
            return np.asarray(
                np.exp(0.5 * self.std**2) * special.ndtr(np.log(gain) / self.std + self.std)
            )

    def sample(self, rng: Generator, size: tuple[int, ...]) -> Floats:
        """Independent gains."""
        return rng.lognormal(0.0, self.std, size)


def _unit_panels(panels: int, order: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on (0, 1), in panels."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    offsets = np.arange(panels)[:, None]
    return ((offsets + 0.5 * (nodes + 1.0)) / panels).ravel(), np.tile(
        0.5 * weights / panels, panels
    )
