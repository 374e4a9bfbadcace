"""What measured times prove of each option of a user: a bound on its time, however it was chosen.

The planner looks at all options and takes the one whose samples were lucky, so that a bound that
holds for each option with confidence 1 - delta fails for the chosen one far more often. Either each
of the options that samples could make best gets its share of delta (`union`), or one half of the
samples draws up a short list and the other half certifies it (`split`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from solvers.arrays import Booleans, Floats
from solvers.evidence.ambiguity import FEWEST, ambiguous_factor, estimated
from solvers.evidence.ranks import Bound, TooFew, bound_of


class Evidence(StrEnum):
    """What the samples are used for."""

    SAMPLES = "samples"  # order statistics: no law, no moments
    AMBIGUOUS = "ambiguous"  # moments, known as well as the samples tell


class Selection(StrEnum):
    """How the bounds survive that the best of many options is taken."""

    UNION = "union"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class OptionSamples:
    """The measured times of one option, each part thinned to what is exchangeable."""

    # One part, or two that were measured apart; none: the option's time never varies.
    parts: tuple[Floats, ...]
    constant_s: float  # of what never varies
    mean_s: float  # of the whole, as it is planned with
    costs: tuple[float, ...]  # of the option: what `split` holds against its bound

    def half(self, second: bool) -> "OptionSamples":
        """Every other time: halves that are as exchangeable as the whole."""
        parts = tuple(part[int(second) :: 2] for part in self.parts)
        return OptionSamples(parts, self.constant_s, self.mean_s, self.costs)


@dataclass(frozen=True, slots=True)
class Certified:
    """Bounds of the options of one user; NaN where there is none."""

    excess_s: Floats  # (options,) of the bound over the planned mean
    parts_s: tuple[tuple[float, ...], ...]  # (options,) the bounds of its parts; none: no bound
    used: tuple[tuple[Floats, ...], ...]  # (options,) the times they rest on
    samples: tuple[int, ...]  # (options,) the fewest of any part; 0: it never varies
    missing: tuple[int, ...]  # (options,) samples that would have to be added
    compared: int  # options among which delta was shared out


def certify(
    options: Sequence[OptionSamples],
    risk: float,
    delta: float,
    evidence: Evidence = Evidence.SAMPLES,
    selection: Selection = Selection.UNION,
) -> Certified:
    """Bound the time of every option at a risk, all of them together with confidence 1 - delta.

    Parameters
    ----------
    options : of one user.
    risk, delta : pure numbers in (0, 1).

    Notes
    -----
    What never varies needs no certificate. With `split` the options that are off the short list
    have no bound: the list is of those that no other beats in bound and costs by the first half.
    """
    varies = np.array([len(one.parts) > 0 for one in options], dtype=bool)
    bound = _ranked if evidence is Evidence.SAMPLES else _by_moments
    if selection is Selection.SPLIT and varies.sum() > 1:
        first = [one.half(second=False) for one in options]
        listed = varies & _short_list(_bounds(first, varies, bound, risk, delta)[0], options)
        second = [one.half(second=True) for one in options]
        return _certified(second, varies, listed, bound, risk, delta)
    return _certified(options, varies, varies, bound, risk, delta)


_Bounding = Callable[[Sequence[Floats], float, float], Bound | TooFew]


def _certified(
    options: Sequence[OptionSamples],
    varies: Booleans,
    wanted: Booleans,
    bound: _Bounding,
    risk: float,
    delta: float,
) -> Certified:
    compared = max(int(wanted.sum()), 1)
    times, each, missing = _bounds(options, wanted, bound, risk, delta / compared)
    bounded = np.isfinite(times)
    if 0 < bounded.sum() < compared:
        # Options without a bound cannot be taken. How many times there are decides who has one,
        # not how long they are, so that nobody's luck is picked by sharing among the others.
        compared = int(bounded.sum())
        times, each, _ = _bounds(options, bounded, bound, risk, delta / compared)
    mean = np.array([one.mean_s for one in options])
    times[~varies] = [one.constant_s for one, some in zip(options, varies, strict=True) if not some]
    return Certified(
        excess_s=times - mean,
        parts_s=each,
        used=tuple(one.parts for one in options),
        samples=tuple(min((len(part) for part in one.parts), default=0) for one in options),
        missing=missing,
        compared=compared,
    )


def _bounds(
    options: Sequence[OptionSamples],
    wanted: Booleans,
    bound: _Bounding,
    risk: float,
    delta: float,
) -> tuple[Floats, tuple[tuple[float, ...], ...], tuple[int, ...]]:
    """Bounds [s] of some options, NaN for the others and where samples are too few; those of their
    parts; and how many samples are missing.
    """
    times, missing = np.full(len(options), np.nan), [0] * len(options)
    each: list[tuple[float, ...]] = [()] * len(options)
    for n in np.nonzero(wanted)[0].tolist():
        found = bound(options[n].parts, risk, delta)
        if isinstance(found, Bound):
            times[n] = found.time_s + options[n].constant_s
            each[n] = found.parts_s
        else:
            missing[n] = sum(found.missing)
    return times, tuple(each), tuple(missing)


def _ranked(parts: Sequence[Floats], risk: float, delta: float) -> Bound | TooFew:
    return bound_of(parts, risk, delta)


def _by_moments(parts: Sequence[Floats], risk: float, delta: float) -> Bound | TooFew:
    """Cantelli's bound for moments that are known up to sampling error; parts that were measured
    apart share risk and delta evenly.
    """
    few = [max(FEWEST - len(part), 0) for part in parts]
    if any(few):
        return TooFew(tuple(few))
    share, each = 1.0 / len(parts), []
    for part in parts:
        bound, deviation = float(part.mean()), float(part.std(ddof=1))
        if deviation > 0.0:
            bound += deviation * ambiguous_factor(risk * share, estimated(part, delta * share))
        each.append(bound)
    sizes = tuple(len(part) for part in parts)
    return Bound(sum(each), tuple(each), (0,) * len(parts), sizes)


def _short_list(bound_s: Floats, options: Sequence[OptionSamples]) -> Booleans:
    """Options with a bound that no other beats in bound and every cost."""
    terms = np.column_stack((bound_s, np.array([one.costs for one in options])))
    listed = np.isfinite(bound_s)
    for n in np.nonzero(listed)[0].tolist():
        no_worse = listed & np.all(terms <= terms[n], axis=1)
        better = no_worse & (np.any(terms < terms[n], axis=1) | (np.arange(len(options)) < n))
        listed[n] = not better.any()
    return listed
