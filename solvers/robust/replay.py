"""Plays a decision against laws of the total time that all have the mean and variance it was
planned with.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from solvers.arrays import Booleans, Floats, Integers
from solvers.later import special
from solvers.robust.check.terms import chance, terms
from solvers.robust.problem import TOLERANCE, Decision, Problem

# Times drawn at once: memory stays flat however many users and trials there are.
_BLOCK = 1 << 20
_CONFIDENCE = 0.95


class Law(StrEnum):
    """How a user's total time is distributed around its mean, with its variance."""

    GAMMA = "gamma"
    LOGNORMAL = "lognormal"
    # attains Cantelli's bound: an atom on the deadline, the other below (perhaps below 0)
    TWO_POINT = "two_point"
    EMPIRICAL = "empirical"  # observed times, shifted and stretched


@dataclass(frozen=True, slots=True, kw_only=True)
class Misses:
    """How often each user missed its deadline under one law; all (users,).

    Times that cannot vary, and the two-point law of a mean beyond the deadline, are known without
    drawing: there `low = share = high`.
    """

    law: Law
    count: Integers
    share: Floats
    low: Floats  # exact binomial (Clopper-Pearson) interval, two-sided 95 %
    high: Floats
    least: Floats  # the one-sided lower end that is held against the risk
    rejected: NDArray[np.bool_]  # whether the share refutes the risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What happened in `trials` inferences of every user under each law."""

    trials: int
    mean_s: Floats  # (users,) with the most that each may have to send, as its deadline is kept
    variance_s2: Floats  # (users,)
    violation_bound: Floats  # (users,) Cantelli's, over all laws
    laws: dict[Law, Misses]

    @property
    def rejected(self) -> bool:
        """Whether any law refutes any user's risk."""
        return any(bool(misses.rejected.any()) for misses in self.laws.values())


def replay(
    problem: Problem,
    decision: Decision,
    trials: int,
    rng: Generator,
    laws: Iterable[Law] = (Law.GAMMA, Law.LOGNORMAL, Law.TWO_POINT),
    samples: Sequence[Floats] | None = None,
    significance: float = 1e-3,
    drew: Callable[[int], None] = lambda _: None,
) -> Replay:
    """Draw every user's total time and count the missed deadlines.

    The total is drawn, not its parts: parts of most laws cannot have every correlation. Its mean
    has the most bits that may have to be sent in it, and the result's way back. A stream is played
    one inference at a time: whether its stages keep up is not.

    Parameters
    ----------
    decision : one that `check` accepts.
    trials : inferences per user and law.
    samples : one array of observed times per workload, of any unit, for the empirical law.
    significance : how often the count of a user who is late with probability exactly its risk may
        be rejected. It is spent on each user and law apart: divide it by their number to hold it
        over all of them.
    drew : told how many times were drawn, some million at a time; what it raises ends the replay.

    Raises
    ------
    ValueError : for no trials, an empirical law without samples that vary, or a positive law of a
    mean of 0.

    Notes
    -----
    A plan made with the Cantelli margin keeps every risk under every law. Made with another it need
    not, and the two-point law shows what that costs at most: the count of users without slack
    stands at the bound itself.
    """
    if trials < 1:
        raise ValueError("trials: at least one")
    if not 0.0 < significance < 1.0:
        raise ValueError("significance in (0, 1)")
    found = terms(problem, decision)
    mean, variance = found.most_s, found.variance_s2
    deadline = problem.deadline_s
    fixed = variance == 0.0
    drawn: dict[Law, Misses] = {}
    for law in laws:
        late, known = _certain(law, mean, fixed, deadline, trials)
        who = np.nonzero(~known)[0]
        late[who] = _count(law, problem, who, mean, variance, trials, rng, samples, drew)
        drawn[law] = _judge(law, late, known, trials, problem.risk, significance)
    bound = chance(mean, variance, np.where(fixed, deadline * (1.0 + TOLERANCE), deadline))
    return Replay(
        trials=trials, mean_s=mean, variance_s2=variance, violation_bound=bound, laws=drawn
    )


def _certain(
    law: Law, mean_s: Floats, fixed: Booleans, deadline_s: Floats, trials: int
) -> tuple[Integers, Booleans]:
    """Misses that need not be drawn, and whose these are: of times that do not vary."""
    late = np.where(fixed & (mean_s > deadline_s * (1.0 + TOLERANCE)), trials, 0)
    if law is not Law.TWO_POINT:
        return late, fixed
    # With the mean beyond the deadline both atoms can be: the other one as far off as the variance
    # asks.
    beyond = mean_s >= deadline_s
    return np.where(~fixed & beyond, trials, late), fixed | beyond


def _count(
    law: Law,
    problem: Problem,
    who: Integers,
    mean_s: Floats,
    variance_s2: Floats,
    trials: int,
    rng: Generator,
    samples: Sequence[Floats] | None,
    drew: Callable[[int], None],
) -> Integers:
    """Missed deadlines of the users `who`, whose times vary."""
    if law is Law.EMPIRICAL:
        standard = _standardised(problem, who, samples)
        kinds = [who[problem.workload[who] == kind] for kind in range(len(standard))]
    else:
        standard, kinds = [np.empty(0)], [who]
        if law is not Law.TWO_POINT and np.any(mean_s[who] <= 0.0):
            raise ValueError(f"{law}: a positive law needs a mean above 0")
    # Of the worst law's atoms one is on the deadline itself: the mean parts it from the other
    # whatever the rounding.
    bar = mean_s if law is Law.TWO_POINT else problem.deadline_s
    missed = np.zeros(len(mean_s), dtype=np.int64)
    chunk = min(trials, _BLOCK)
    for z, users in zip(standard, kinds, strict=True):
        for block in np.array_split(users, -(-len(users) * chunk // _BLOCK)) if len(users) else []:
            draw = _LAWS[law](
                mean_s[block, None],
                variance_s2[block, None],
                problem.deadline_s[block, None],
                z,
                rng,
            )
            for begin in range(0, trials, chunk):
                time = draw((len(block), min(chunk, trials - begin)))
                missed[block] += (time > bar[block, None]).sum(axis=1)
                drew(time.size)
    return missed[who]


Draw = Callable[[tuple[int, int]], Floats]


def _gamma(mean: Floats, variance: Floats, _deadline: Floats, _z: Floats, rng: Generator) -> Draw:
    return lambda shape: rng.gamma(mean * mean / variance, variance / mean, shape)


def _lognormal(
    mean: Floats, variance: Floats, _deadline: Floats, _z: Floats, rng: Generator
) -> Draw:
    spread = np.log1p(variance / (mean * mean))
    return lambda shape: rng.lognormal(np.log(mean) - 0.5 * spread, np.sqrt(spread), shape)


def _two_point(
    mean: Floats, variance: Floats, deadline: Floats, _z: Floats, rng: Generator
) -> Draw:
    slack = deadline - mean
    mass = variance / (variance + slack * slack)
    return lambda shape: np.where(rng.random(shape) < mass, mean + slack, mean - variance / slack)


def _empirical(
    mean: Floats, variance: Floats, _deadline: Floats, z: Floats, rng: Generator
) -> Draw:
    return lambda shape: mean + np.sqrt(variance) * z[rng.integers(0, len(z), shape)]


_LAWS: dict[Law, Callable[[Floats, Floats, Floats, Floats, Generator], Draw]] = {
    Law.GAMMA: _gamma,
    Law.LOGNORMAL: _lognormal,
    Law.TWO_POINT: _two_point,
    Law.EMPIRICAL: _empirical,
}


def _standardised(
    problem: Problem, who: Integers, samples: Sequence[Floats] | None
) -> list[Floats]:
    """Observed times of every workload with mean 0 and variance 1."""
    kinds = len(problem.workloads.first) - 1
    if samples is None or len(samples) != kinds:
        raise ValueError("samples: one array per workload for the empirical law")
    used = set(problem.workload[who].tolist())
    standard = []
    for kind, observed in enumerate(samples):
        deviation = float(np.std(observed)) if len(observed) else 0.0
        if kind in used and not (np.isfinite(deviation) and deviation > 0.0):
            raise ValueError(f"samples: those of workload {kind} must be finite and vary")
        standard.append((observed - np.mean(observed)) / deviation if kind in used else np.empty(0))
    return standard


def _judge(
    law: Law,
    count: Integers,
    known: NDArray[np.bool_],
    trials: int,
    risk: Floats,
    significance: float,
) -> Misses:
    """Shares with their exact binomial intervals (Clopper and Pearson, Biometrika 26, 1934)."""
    share = count / trials
    tail = 0.5 * (1.0 - _CONFIDENCE)

    def lower(level: float) -> Floats:
        end = special.betaincinv(np.maximum(count, 1), trials - count + 1.0, level)
        return np.where(known, share, np.where(count > 0, end, 0.0))

    high = np.where(
        count < trials,
        special.betaincinv(count + 1.0, np.maximum(trials - count, 1), 1.0 - tail),
        1.0,
    )
    least = lower(significance)
    return Misses(
        law=law,
        count=count,
        share=share,
        low=lower(tail),
        high=np.where(known, share, high),
        least=least,
        rejected=least > risk,
    )
