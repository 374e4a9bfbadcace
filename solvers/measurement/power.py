"""The law of a device's power over its clock, fitted to measured energies or powers."""

import numpy as np

from solvers.arrays import Floats
from solvers.later import optimize, special
from solvers.measurement.bounded import Design, Estimate, Profile, Spread, estimated, spread_of
from solvers.measurement.power_law import ClockPower, Errors, LawIntervals, PowerFit, PowerLaw
from solvers.measurement.power_samples import PowerSamples
from solvers.measurement.power_terms import (
    LARGEST_EXPONENT,
    LEAST_EXPONENT,
    Terms,
    terms_of,
)
from solvers.measurement.samples import groups, nominal_hz
from solvers.measurement.time_law import SuspiciousClock, suspicious_clocks

OUTLYING = 5.0  # robust standard deviations
_REWEIGHTED = 5


def fit_power(
    samples: PowerSamples, levels_hz: Floats | None = None, *, leave_out_suspicious: bool = False
) -> PowerFit:
    """Fit P(f) = P_s + κ f^α, and what else an inference takes, to measured energies or powers.

    Parameters
    ----------
    samples : energies [J] or powers [W] at clocks [Hz]; the rows may be few.
    levels_hz : (levels,) ascending; clocks within 1 % of one are that one.
    leave_out_suspicious : leave samples out whose time says that another clock ran.

    Notes
    -----
    Least squares of relative errors, for the energies of clocks and cuts differ by factors:
    P_s, κ, E_0 and the power while waiting at least 0, α in [1, 3] by a search over it. Errors are
    taken relative to the law (five rounds of weights), for relative to noisy samples they pull it
    down. 95 % intervals are profiles: the values with which the squares grow by no more than
    F(1, ν) mean squares (D. M. Bates, D. G. Watts, Nonlinear Regression Analysis, 1988, ch. 6);
    where the means of clocks, runs or workloads stray more than their samples explain (F test,
    1 %), the mean square and ν are those of the means.

    With one clock there is no law; with two the exponent is 3, because they fit any, and its
    interval says so. Nothing is left out unless asked for. Raises ValueError where every sample
    is left out.
    """
    clock = nominal_hz(samples.frequency_hz, levels_hz)
    suspicious = suspicious_clocks(samples.workload, samples.run, clock, samples.time_s)
    kept = np.ones(len(samples), dtype=np.bool_)
    if leave_out_suspicious:
        for one in suspicious:
            kept[list(one.rows)] = False
        samples, clock = samples.take(kept), clock[kept]
    return _fitted(samples, clock, tuple(suspicious), int(np.sum(~kept)))


def _fitted(
    samples: PowerSamples, clock: Floats, suspicious: tuple[SuspiciousClock, ...], left_out: int
) -> PowerFit:
    """The fit of what is kept."""
    terms = terms_of(samples, clock)
    measured = samples.above_idle()
    design, found = _reweighted(_design(samples, clock, terms), measured, terms)
    law = None if not terms.clocked or terms.refused else _law(found, terms, float(clock.max()))
    intervals, spread = _intervals(design, found, terms, samples, clock, law)
    cube, named = _cube(samples, clock, measured), _at(samples, clock)
    relative = None if law is None else law.expected(named) / measured - 1.0
    return PowerFit(
        law=law,
        intervals=intervals,
        errors=None if relative is None else _errors(relative),
        cube=cube,
        cube_errors=_errors(cube.expected(named) / measured - 1.0),
        clocks=() if terms.refused else _clocks(samples, clock, found, terms, relative, spread),
        samples=len(samples),
        suspicious=suspicious,
        left_out=left_out,
        outliers=() if relative is None else _outliers(relative),
        stray=spread.stray,
        unknown=terms.unknown + _of_the_law(law),
    )


def _at(samples: PowerSamples, clock: Floats) -> PowerSamples:
    """The samples at the clocks that they stand for."""
    columns = {name: getattr(samples, name) for name in PowerSamples.__slots__}
    return PowerSamples(**columns | {"frequency_hz": clock})


def _design(samples: PowerSamples, clock: Floats, terms: Terms) -> Design:
    energy = samples.is_energy()
    computing = np.where(energy, samples.time_s, 1.0)
    per_inference = np.where(np.isfinite(samples.time_s), computing / samples.time_s, 0.0)
    columns = {
        "static": computing,
        "clocked": computing,
        "start": per_inference,
        "waiting": samples.wait_s,
    }
    return Design(
        columns=np.stack([columns[name] for name in terms.names], axis=1),
        target=samples.above_idle(),
        ratio=clock / clock.max(),
        powered=1 if terms.clocked else -1,
    )


def _reweighted(plain: Design, measured: Floats, terms: Terms) -> tuple[Design, Estimate]:
    """Errors relative to the law rather than to what was measured: relative to noise, samples that
    are too small count for more than those that are too large.
    """
    expected = measured
    for _ in range(_REWEIGHTED):
        design = plain.over(expected)
        found = estimated(design, *terms.exponents)
        said = plain.at(found.exponent) @ found.values
        expected = np.clip(said, measured / 3.0, measured * 3.0)
    return design, found


def _law(found: Estimate, terms: Terms, top_hz: float) -> PowerLaw:
    values = dict(zip(terms.names, found.values.tolist(), strict=True))
    exponent = found.exponent if values["clocked"] > 0.0 else LARGEST_EXPONENT
    return PowerLaw(
        static_power_w=values["static"],
        power_coefficient=values["clocked"] / top_hz**exponent,
        power_exponent=exponent,
        energy_per_inference_j=values.get("start", 0.0),
        waiting_power_w=values.get("waiting", 0.0),
    )


def _intervals(
    design: Design,
    found: Estimate,
    terms: Terms,
    samples: PowerSamples,
    clock: Floats,
    law: PowerLaw | None,
) -> tuple[LawIntervals | None, Spread]:
    numbers = len(found.values) + (terms.exponents[1] > terms.exponents[0])
    groupings = {
        "clock": (np.unique(clock, return_inverse=True)[1].astype(np.int64), terms.over_clock),
        "run": (samples.run, numbers),
        "workload": (samples.workload, numbers),
    }
    spread = spread_of(found.residual, numbers, groupings)
    if law is None:
        return None, spread
    profile = Profile.about(design, LEAST_EXPONENT, LARGEST_EXPONENT, found, spread.allowed())
    least = min(float(np.min(profile.squares())), found.squares)
    limit = least + spread.allowed()
    told = {
        name: profile.interval(n, float(found.values[n]), limit)
        for n, name in enumerate(terms.names)
    }
    unit = float(clock.max()) ** -law.power_exponent
    low, high = told["clocked"]
    return LawIntervals(
        static_power_w=told["static"],
        power_coefficient=(low * unit, high * unit),
        power_exponent=profile.exponent_interval(law.power_exponent, limit),
        energy_per_inference_j=told.get("start", (0.0, float("inf"))),
        waiting_power_w=told.get("waiting", (0.0, 0.0)),
    ), spread


def _cube(samples: PowerSamples, clock: Floats, measured: Floats) -> PowerLaw:
    """The best κ f³, with a power while waiting where there was waiting."""
    top = float(clock.max())
    computing = np.where(samples.is_energy(), samples.time_s, 1.0)
    columns = [computing * (clock / top) ** 3]
    columns += [samples.wait_s] if np.any(samples.wait_s > 0.0) else []
    values, _ = optimize.nnls(np.stack(columns, axis=1) / measured[:, None], np.ones(len(measured)))
    return PowerLaw(
        static_power_w=0.0,
        power_coefficient=float(values[0]) / top**3,
        power_exponent=3.0,
        waiting_power_w=float(values[1]) if len(values) > 1 else 0.0,
    )


def _clocks(
    samples: PowerSamples,
    clock: Floats,
    found: Estimate,
    terms: Terms,
    relative: Floats | None,
    spread: Spread,
) -> tuple[ClockPower, ...]:
    """Power at each clock by itself: the mean of what is left when the rest is taken off."""
    values = dict(zip(terms.names, found.values.tolist(), strict=True))
    computing = np.where(samples.is_energy(), samples.time_s, 1.0)
    started = np.where(np.isfinite(samples.time_s), computing / samples.time_s, 0.0)
    rest = values.get("start", 0.0) * started + values.get("waiting", 0.0) * samples.wait_s
    power = (samples.above_idle() - rest) / computing
    at_clock = groups(np.arange(len(samples)), clock)
    within = np.concatenate([power[rows] / power[rows].mean() - 1.0 for rows in at_clock])
    freedom = len(samples) - len(at_clock)
    square = float(within @ within) / freedom if freedom else spread.mean_square
    freedom = freedom or spread.freedom
    return tuple(
        _clock_power(
            power[rows],
            float(clock[rows[0]]),
            None if relative is None else relative[rows],
            square,
            freedom,
        )
        for rows in at_clock
    )


def _clock_power(
    power_w: Floats, frequency_hz: float, relative: Floats | None, square: float, freedom: int
) -> ClockPower:
    mean = max(float(power_w.mean()), 0.0)
    low, high = 0.0, float("inf")
    if freedom >= 1:
        half = mean * float(special.stdtrit(freedom, 0.975)) * float(np.sqrt(square / len(power_w)))
        low, high = max(mean - half, 0.0), mean + half
    return ClockPower(
        frequency_hz=frequency_hz,
        samples=len(power_w),
        power_w=mean,
        interval_w=(low, high),
        median_error=None if relative is None else float(np.median(relative)),
        largest_error=None if relative is None else float(relative[np.argmax(np.abs(relative))]),
    )


def _errors(relative: Floats) -> Errors:
    size = np.abs(relative)
    return Errors(
        median=float(np.median(size)),
        p90=float(np.quantile(size, 0.9)),
        largest=float(size.max()),
    )


def _outliers(relative: Floats) -> tuple[int, ...]:
    """Rows beyond so many robust standard deviations of the errors, and off by a tenth."""
    middle = float(np.median(relative))
    spread = 1.4826 * float(np.median(np.abs(relative - middle)))
    far = np.abs(relative - middle) > max(OUTLYING * spread, 0.1)
    return tuple(np.flatnonzero(far).tolist())


def _of_the_law(law: PowerLaw | None) -> tuple[str, ...]:
    """What the numbers themselves leave open."""
    if law is None:
        return ()
    if law.power_coefficient == 0.0:
        return ("the exponent: power does not rise with the clock",)
    return ()
