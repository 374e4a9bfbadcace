"""How long the uplink takes over a share, and what one more hertz takes off that time.

With s = p h/(N0 b Gamma), the signal-to-noise ratio over the share b less the gap of the rate law,
the uplink takes tau = tau_unit s/min(ln(1 + s), L) seconds. tau_unit = d N0 Gamma ln 2/(eta p h) is
what unlimited bandwidth would need, and L = c_max ln 2/eta is where the law stops at its largest
bit/s/Hz. The time that one more hertz saves is tau_unit psi(s)/scale with scale = p h/(N0 Gamma)
and psi(s) = s² d/ds [s/ln(1 + s)]; beyond the cap psi = s²/L, which is more than it is just below.
Everything is a function of x = ln s, in which ln psi is close to a straight line of slope 2.
"""

import numpy as np

from solvers.arrays import Floats

_NEWTON_STEPS = 80


def log_cap_of(cap: float) -> float:
    """x = ln(e^L - 1) where the law reaches its cap L [nat/s/Hz]; infinite without a cap."""
    return float(cap + np.log(-np.expm1(-cap)))


def log_psi(x: Floats) -> tuple[Floats, Floats]:
    """Ln psi and its slope in x, where psi(s) = s² d/ds [s/ln(1 + s)] and x = ln s."""
    s = np.exp(x)
    return log_psi_of(x, s, np.log1p(s))


def log_psi_of(x: Floats, s: Floats, log1p: Floats) -> tuple[Floats, Floats]:
    """`log_psi` where s and ln(1 + s) are known."""
    ratio = s / (1.0 + s)
    difference = bend(s, log1p)
    return 2.0 * x + np.log(
        difference / (log1p * log1p)
    ), 2.0 + ratio * ratio / difference - 2.0 * ratio / log1p


def bend(s: Floats, log1p: Floats) -> Floats:
    """Ln(1 + s) - s/(1 + s), which cancels for small s: its series is s² sum (-1)^k (k - 1)/k s^(k
    - 2), k >= 2.
    """
    difference = log1p - s / (1.0 + s)
    small = s < 1e-2
    if small.any():
        t = np.minimum(s, 1e-2)
        series = 5 / 6 + t * (-6 / 7 + t * (7 / 8 + t * (-8 / 9)))
        series = 1 / 2 + t * (-2 / 3 + t * (3 / 4 + t * (-4 / 5 + t * series)))
        difference = np.where(small, s * s * series, difference)
    return np.asarray(difference)


_X_GRID = np.linspace(-30.0, 90.0, 8193)
_LOG_PSI_GRID = log_psi(_X_GRID)[0]


def inverse_psi(target: Floats) -> tuple[Floats, Floats]:
    """X with ln psi(x) = target, and the slope there: a table good to 1e-6, and a Newton step that
    squares that.
    """
    x = np.interp(target, _LOG_PSI_GRID, _X_GRID)
    value, slope = log_psi(x)
    return x - (value - target) / slope, slope


def log_snr_for(stretch: Floats, cap: float = np.inf) -> Floats:
    """X with s/min(ln(1 + s), cap) = stretch > 1, where x = ln s: how far the uplink may be slowed
    from unlimited bandwidth.
    """
    if np.isfinite(cap):
        capped = np.log(stretch) + np.log(cap)
        return np.where(capped > log_cap_of(cap), capped, log_snr_for(stretch))
    excess = stretch - 1.0
    target = np.log(excess)
    # A table good to 1e-6 to begin with; far off it, what the function tends to.
    x = np.interp(target, _LOG_RATIO_GRID, _X_GRID)
    far = (target <= _LOG_RATIO_GRID[0]) | (target >= _LOG_RATIO_GRID[-1])
    if far.any():
        x = np.where(far, np.log(2.0 * excess) + np.log1p(np.log1p(excess)), x)
    for _ in range(_NEWTON_STEPS):
        # Newton on ln(s/ln(1 + s) - 1), which is nearly straight.
        s = np.exp(x)
        ratio, log1p = _stretch_less_one(s)
        slope = (1.0 - s / ((1.0 + s) * log1p)) * (1.0 + ratio) / ratio
        step = (np.log(ratio) - target) / slope
        x = x - step
        if not np.any(np.abs(step) > 1e-8):
            break
    return x


def _stretch_less_one(s: Floats) -> tuple[Floats, Floats]:
    """s/ln(1 + s) - 1, which cancels for small s: there its series has the Gregory coefficients."""
    log1p = np.log1p(s)
    t = np.minimum(s, 2e-3)
    series = t * (1 / 2 + t * (-1 / 12 + t * (1 / 24 + t * (-19 / 720 + t * (3 / 160)))))
    return np.where(s < 2e-3, series, s / log1p - 1.0), log1p


_LOG_RATIO_GRID = np.log(_stretch_less_one(np.exp(_X_GRID))[0])
