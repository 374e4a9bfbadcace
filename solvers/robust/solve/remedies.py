"""The least change of each kind that gives a user, or a whole cell, a plan.

Each is the smallest number at which the solver finds a plan: a closed form says where it lies,
to rounding, and the solver's own test of what fits is asked on both sides of it. So a request
changed by exactly what is told has a plan, and one changed by less has none: to 1e-12 of the
number, also near the rate limit, where the share is a steep function of the time and where what
rounding leaves of either is not the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.moments import risk_for
from solvers.physics import rate_bps, transfer_s
from solvers.progress import Progress
from solvers.robust.budget import TimeBudget, time_budget
from solvers.robust.problem import AT_TOLERANCE, Problem
from solvers.robust.solve.candidates import BLOCK, Candidates, in_blocks, options_of

_NEAR = 5e-14  # of a root
_LAST_PLACE = 2.0**-52
_AT_ROUNDING = 1.0 + 1e-12
_DOUBLINGS = 45
_SETTLED = 1e-15
# The last digits of a least share depend on who is computed beside: numbers are raised by so much.
_ROUND_UP = 1.0 + 1e-13
# The gaussian margin turns negative beyond.
LARGEST_RISK = {
    Margin.CANTELLI: float(np.nextafter(1.0, 0.0)),
    Margin.UNIMODAL: float(np.nextafter(1.0, 0.0)),
    Margin.GAUSSIAN: 0.5,
}
# Logarithm of the largest common factor on deadlines that is looked for.
_FURTHEST = 20.0
# An excess of demand over the uplink beyond this many e-foldings is as good as infinite.
_STEEPEST = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Changes that give the whole cell a plan, whoever fails in it; NaN: no value would."""

    deadline_factor: float  # on all deadlines
    bandwidth_with_deadlines_hz: (
        float  # least uplink once every failing user has its least deadline
    )
    bandwidth_with_risks_hz: float  # least uplink once every failing user has its least risk


@dataclass(frozen=True, slots=True)
class Alone:
    """Every option of some users with the whole uplink and the largest clock."""

    budget: TimeBudget
    computing_s: Floats  # everything but the uplink and the margin
    uplink_s: Floats
    on_device_s: Floats  # of computing_s, without the margin
    period_s: Floats  # of each inference of a stream; infinite where nobody streams
    allowed: NDArray[np.bool_]  # in memory and loss

    @classmethod
    def of(cls, problem: Problem, users: Integers) -> "Alone":
        """Lay out the options of `users`."""
        budget = time_budget(problem, users)
        work, row, user = problem.workloads, budget.row, budget.user
        whole = np.full(len(row), problem.bandwidth_hz)
        rate = rate_bps(
            whole,
            problem.tx_power_w[user],
            problem.gain[user],
            problem.noise_w_per_hz,
            problem.rate_law,
        )
        fastest, stages = work.cycles[row] / work.clock_max_hz[row], budget.stages
        return cls(
            budget=budget,
            computing_s=fastest + budget.fixed_s,
            uplink_s=transfer_s(work.crossing_most_bit[row], rate),
            on_device_s=fastest + work.overhead_s[row],
            period_s=np.full(len(row), np.inf) if stages is None else stages.period_s,
            allowed=budget.allowed(problem),
        )

    @property
    def slower_stage_s(self) -> Floats:
        """What the slower of device and uplink takes of each inference, the device with its
        margin.
        """
        stages = self.budget.stages
        margin = 0.0 if stages is None else stages.device_margin_s
        return np.maximum(self.on_device_s + margin, self.uplink_s)

    @property
    def sends_in_time(self) -> NDArray[np.bool_]:
        """Options whose uplink keeps up with the stream, but for rounding."""
        return self.allowed & (self.uplink_s <= self.period_s * _AT_ROUNDING)

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Options that nothing but the deadline rules out."""
        return self.allowed & (self.slower_stage_s <= self.period_s * _AT_ROUNDING)

    @property
    def needed_s(self) -> Floats:
        """What each option takes at least."""
        return self.computing_s + self.uplink_s + self.budget.margin_s

    def least(self, values: Floats, among: NDArray[np.bool_]) -> Floats:
        """Smallest of each user's values among some options; NaN where there is none."""
        smallest = np.minimum.reduceat(np.where(among, values, np.inf), self.budget.first[:-1])
        return np.where(np.isfinite(smallest), smallest, np.nan)


def least_shares(options: Candidates, possible: NDArray[np.bool_]) -> Floats:
    """Least share of each user within the whole uplink; infinite where none keeps the deadline."""
    return options.least(np.where(possible, options.curves.least_hz, np.inf))


def all_least_shares(problem: Problem, progress: Progress) -> Floats:
    """Least share of every user within the whole uplink, a block of users at a time."""
    parts = []
    for users in in_blocks(problem):
        progress.tick(users[0] / problem.users)
        parts.append(least_shares(*options_of(problem, users)))
    return np.concatenate(parts)


def all_widest_shares(problem: Problem, progress: Progress) -> Floats:
    """The same on an uplink as wide as they like (`widest_shares`)."""
    parts = []
    for users in in_blocks(problem):
        progress.tick()
        parts.append(widest_shares(problem, users))
    return np.concatenate(parts)


def shares_fit(limits: Problem, progress: Progress) -> bool:
    """Whether the least shares of all users fit the uplink together, limits taken as they are."""
    return bool(all_least_shares(limits, progress).sum() <= limits.bandwidth_hz)


class Remedies:
    """Least changes of one problem.

    Those of single users are for each user alone with the whole uplink.
    """

    def __init__(self, problem: Problem, progress: Progress) -> None:
        self.problem, self.progress = problem, progress
        self.limits = problem.at_tolerance()

    def least_deadline_s(self, failing: Integers) -> Floats:
        """Smallest deadlines [s] of users who fail, (failing,)."""

        def closed(users: Integers) -> Floats:
            alone = Alone.of(self.limits, users)
            return alone.least(alone.needed_s, alone.fits) / AT_TOLERANCE

        def relaxed(users: Integers, values: Floats) -> Problem:
            deadlines = self.problem.deadline_s.copy()
            deadlines[users] = values
            return replace(self.problem, deadline_s=deadlines)

        return self._least(failing, closed, relaxed, np.inf)

    def least_risk(self, failing: Integers) -> Floats:
        """Smallest risks of users who fail, (failing,)."""
        largest = LARGEST_RISK.get(self.problem.margin)
        if largest is None:
            return np.full(len(failing), np.nan)

        def closed(users: Integers) -> Floats:
            alone = Alone.of(self.limits, users)
            deadline, variance = self.limits.deadline_s[alone.budget.user], alone.budget.variance_s2
            risk = self._risk(deadline - alone.computing_s - alone.uplink_s, deadline, variance)
            varies, among = variance > 0.0, alone.allowed
            if alone.budget.stages is not None:
                variance = self.limits.workloads.device_variance_s2[alone.budget.row]
                slack = alone.period_s - alone.on_device_s
                in_stage = self._risk(slack, alone.period_s, variance)
                risk, varies = np.maximum(risk, in_stage), varies | (variance > 0.0)
                among = alone.sends_in_time
            # Where no time varies the risk is not what rules an option out.
            risk = np.where(varies, risk, np.inf)
            return np.minimum(alone.least(risk, among), largest)

        def relaxed(users: Integers, values: Floats) -> Problem:
            risks = self.problem.risk.copy()
            risks[users] = values
            return replace(self.problem, risk=risks)

        return self._least(failing, closed, relaxed, largest)

    def _risk(self, slack_s: Floats, limit_s: Floats, variance_s2: Floats) -> Floats:
        """Least risk whose margin fits what a mean time leaves of a limit; infinite where none
        does.
        """
        # Rounding may take the last slack away that a risk at its largest leaves.
        slack = np.where(np.abs(slack_s) <= 4.0 * _LAST_PLACE * limit_s, 0.0, slack_s)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = slack / np.sqrt(variance_s2)
            risk = risk_for(factor, self.problem.margin)
        return np.where(slack >= 0.0, np.where(variance_s2 > 0.0, risk, 0.0), np.inf)

    def least_bandwidth_hz(self, failing: Integers) -> Floats:
        """Least uplinks [Hz] with which users who fail would not, (failing,)."""
        parts = [widest_shares(self.limits, users) for users in self._blocks(failing)]
        alone = np.concatenate(parts) if parts else np.empty(0)
        least = np.array([_uplink_for(share) for share in alone.tolist()])
        return np.where(np.isfinite(least), least, np.nan)

    def least_total_bandwidth_hz(self) -> float:
        """The uplink [Hz] that all users need together; NaN where bandwidth does not help
        somebody.
        """
        return self._total_hz(self.problem)

    def with_deadlines(self, failing: Integers, deadline_s: Floats) -> float:
        """The uplink [Hz] for all once the failing users have those deadlines."""
        if not np.all(np.isfinite(deadline_s)):
            return float("nan")
        deadlines = self.problem.deadline_s.copy()
        deadlines[failing] = deadline_s
        return self._total_hz(replace(self.problem, deadline_s=deadlines))

    def with_risks(self, failing: Integers, risk: Floats) -> float:
        """The uplink [Hz] for all once the failing users have those risks."""
        if not np.all(np.isfinite(risk)):
            return float("nan")
        risks = self.problem.risk.copy()
        risks[failing] = risk
        return self._total_hz(replace(self.problem, risk=risks))

    def least_deadline_factor(self, failing: Integers, deadline_s: Floats) -> float:
        """The least factor on every deadline at which the least shares fit together; NaN where none
        does.

        Parameters
        ----------
        failing, deadline_s : users who fail alone, and the least deadlines [s] of these.
        """
        if not np.all(np.isfinite(deadline_s)):
            return float("nan")

        def stretched(factor: float) -> Problem:
            return replace(self.problem, deadline_s=self.problem.deadline_s * factor)

        def excess(log_factor: float) -> float:
            limits = stretched(float(np.exp(log_factor))).at_tolerance()
            least = float(all_least_shares(limits, self.progress).sum())
            return float(
                np.log(np.clip(least / limits.bandwidth_hz, np.exp(-_STEEPEST), np.exp(_STEEPEST)))
            )

        # Nobody's own least deadline may be missed.
        low = (
            float(np.log(np.max(deadline_s / self.problem.deadline_s[failing])))
            if len(failing)
            else 0.0
        )
        high = max(low, 0.0)
        if excess(high) > 0.0:
            low, high = high, high + 0.5
            while excess(high) > 0.0:
                low, high = high, 2.0 * high - low + 0.5
                if high > _FURTHEST + 0.5:
                    return float("nan")
            high = _root(excess, low, high)
        factor, step = float(np.exp(high)), _LAST_PLACE
        while not shares_fit(stretched(factor).at_tolerance(), self.progress):
            factor, step = factor * (1.0 + step), 2.0 * step
        return factor * _ROUND_UP

    def _least(
        self,
        failing: Integers,
        closed: Callable[[Integers], Floats],
        relaxed: Callable[[Integers, Floats], Problem],
        largest: float,
    ) -> Floats:
        """The least value with which each user alone has a plan, near its closed form; NaN where
        there is none.
        """

        def works(users: Integers, values: Floats) -> NDArray[np.bool_]:
            self.progress.tick()
            limits = relaxed(users, values).at_tolerance()
            return np.isfinite(least_shares(*options_of(limits, users)))

        found = [_boundary(users, closed(users), works, largest) for users in self._blocks(failing)]
        least = np.concatenate(found) if found else np.empty(0)
        return np.minimum(least * _ROUND_UP, largest)

    def _blocks(self, users: Integers) -> list[Integers]:
        """Users, as many at a time as have a block of options together."""
        first = self.problem.workloads.first
        most = int(np.diff(first).max()) * len(users)
        return np.array_split(users, -(-most // BLOCK)) if len(users) else []

    def _total_hz(self, problem: Problem) -> float:
        """The uplink that all users of a problem need together."""
        shares = all_widest_shares(problem.at_tolerance(), self.progress)
        total = _uplink_for(float(shares.sum()))
        return total if np.isfinite(total) else float("nan")


def _uplink_for(total_hz: float) -> float:
    """The least uplink that holds least shares of that sum, with the tolerance."""
    uplink = total_hz / AT_TOLERANCE
    while not total_hz <= uplink * AT_TOLERANCE:
        uplink = float(np.nextafter(uplink, np.inf))
    return uplink * _ROUND_UP


def _boundary(
    users: Integers,
    near: Floats,
    works: Callable[[Integers, Floats], NDArray[np.bool_]],
    largest: float,
) -> Floats:
    """The least value that works for each user: found by steps from `near` that double, and then by
    halving.
    """
    low, high = near.copy(), near.copy()
    known = np.nonzero(np.isfinite(near))[0]
    good = np.zeros(len(near), dtype=bool)
    good[known] = works(users[known], near[known])
    for raising in (True, False):
        step, open_ = _LAST_PLACE, known[good[known] != raising]
        for _ in range(_DOUBLINGS):
            if len(open_) == 0:
                break
            if raising:
                low[open_] = high[open_]
                high[open_] = np.minimum(high[open_] * (1.0 + step), largest)
                open_ = open_[~works(users[open_], high[open_])]
            else:
                high[open_] = low[open_]
                low[open_] = low[open_] * (1.0 - step)
                open_ = open_[works(users[open_], low[open_])]
            step *= 2.0
        if raising:
            high[open_] = np.nan
    while len(open_ := np.nonzero(high - low > _SETTLED * high)[0]):
        middle = 0.5 * (low[open_] + high[open_])
        fits = works(users[open_], middle)
        low[open_], high[open_] = (
            np.where(fits, low[open_], middle),
            np.where(fits, middle, high[open_]),
        )
    return high


def widest_shares(problem: Problem, users: Integers) -> Floats:
    """Least share of some users on an uplink as wide as they like; infinite where even that does
    not help.
    """
    options, _ = options_of(problem, users)
    budget = time_budget(problem, users)
    work, row = problem.workloads, budget.row
    fastest = work.cycles[row] / work.clock_max_hz[row]
    works = budget.allowed(problem) & (options.curves.sends | (budget.left_s - fastest >= 0.0))
    if budget.stages is not None:
        works &= budget.stages.cycles_s >= fastest
    return options.least(np.where(works, options.curves.least_hz, np.inf))


def _root(of: Callable[[float], float], low: float, high: float) -> float:
    """Where a function changes its sign between two numbers, to 1e-13: halving, or the inverse
    quadratic through the last three points where it is to be trusted (T. R. Chandrupatla, Adv. Eng.
    Softw. 28, 1997).

    Written here since a library of optimisers takes a second to load, which who asks first would
    wait for.
    """
    a, b, at_a, at_b = high, low, of(high), of(low)
    part = 0.5
    while True:
        x = a + part * (b - a)
        at_x = of(x)
        if (at_x > 0.0) == (at_a > 0.0):
            c, at_c = a, at_a
        else:
            c, b, at_c, at_b = b, a, at_b, at_a
        a, at_a = x, at_x
        best, at_best = (a, at_a) if abs(at_a) < abs(at_b) else (b, at_b)
        least = (_NEAR + _NEAR * abs(best)) / abs(b - a)
        if at_best == 0.0 or least > 0.5:
            return best
        along, across = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
        part = 0.5
        if across**2 < along and (1.0 - across) ** 2 < 1.0 - along:
            part = at_a / (at_b - at_a) * at_c / (at_b - at_c)
            part += (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
        part = min(max(part, least), 1.0 - least)
