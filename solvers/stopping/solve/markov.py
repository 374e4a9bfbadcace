"""Backward induction and its simpler neighbours on a Markov channel: every value is a vector over
the state seen.
"""

from functools import cached_property

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import Markov
from solvers.stopping.problem import Problem, Waiting
from solvers.stopping.solve.costs import Costs
from solvers.stopping.solve.recursion import Recursion
from solvers.stopping.solve.table import Table

# Waiting must beat the alternative by more than rounding, so that the policy iteration ends; ties
# stop.
CLEARLY = 1e-12


class MarkovStopping(Recursion[tuple[Booleans, Booleans]]):
    """The stopping problem of a block of users of one workload on a Markov channel, for every
    horizon at once.
    """

    def __init__(self, costs: Costs, problem: Problem) -> None:
        if not isinstance(problem.law, Markov):
            raise TypeError("a Markov law is needed")
        super().__init__(costs)
        self.always, self.rate_bps = problem.waiting is Waiting.ALWAYS, problem.law.rate_bps
        self.step, self.start = problem.law.transition, problem.law.start
        self.out = problem.law.in_outage(problem.min_rate_bps)
        with np.errstate(divide="ignore"):
            self.inverse = np.where(self.out, np.inf, 1.0 / problem.law.rate_bps)

    @cached_property
    def stop(self) -> Floats:
        """S_k at each state, infinite in outage, (cuts, users, states)."""
        cost = self.costs.xi[..., None] + self.costs.eta[..., None] * np.where(
            self.out, 0.0, self.inverse
        )
        return np.asarray(np.where(self.out, np.inf, cost))

    def settle(self, value: Floats, may_wait: Booleans) -> tuple[Floats, Booleans]:
        """The least V with V(s) = min(value(s), c_w + sum_s' P(s, s') V(s')) where waiting is
        allowed, else value(s).

        Policy iteration from the fewest waits: V only falls, so a state that waits once waits for
        good. `value` is (..., users, states) and infinite where there is no other way than to wait.
        """
        wait = np.isinf(value) & may_wait
        base = np.where(wait, 0.0, value)
        settled = base
        while True:
            if wait.any():
                settled = self._absorbed(base, wait)
            longer = self.costs.waiting[:, None] + settled @ self.step.T
            more = may_wait & ~wait & (longer < settled - CLEARLY * np.abs(settled))
            if not more.any():
                return settled, wait
            wait, base = wait | more, np.where(more, 0.0, base)

    def _absorbed(self, base: Floats, wait: Booleans) -> Floats:
        """V where the waiting states wait until they leave their set and the others are worth
        `base`.
        """
        system = np.eye(len(self.step)) - wait[..., None] * self.step
        right = np.where(wait, self.costs.waiting[:, None], base)
        return np.asarray(np.linalg.solve(system, right[..., None])[..., 0])

    @property
    def _may_wait(self) -> Booleans:
        return np.ones_like(self.out) if self.always else self.out

    @cached_property
    def forced(self) -> Floats:
        """Cost of offloading at each cut as soon as the channel is up, by the state seen, (cuts,
        users, states).
        """
        cost = self.settle(self.stop, self.out)[0]
        if self.costs.stays:
            cost[-1] = self.costs.xi[-1, :, None]
        return cost

    @cached_property
    def horizon(self) -> Floats:
        """The same if better states may be waited for, where that is allowed."""
        if not self.always:
            return self.forced
        cost = self.settle(self.stop, self._may_wait)[0]
        if self.costs.stays:
            cost[-1] = self.costs.xi[-1, :, None]
        return cost

    @cached_property
    def fixed(self) -> Floats:
        """Expected cost of each fixed cut, (cuts, users)."""
        law, cost = self.start, np.empty(self.forced.shape[:2])
        for cut, forced in enumerate(self.forced):
            cost[cut] = self.costs.ahead[cut] + forced @ law
            law = law @ self.step
        return cost

    def table(self, placement: Integers, *, by_look: bool) -> Table:
        """The table under each user's placement; by backward induction once `curves` did it."""
        onward = self.onward(placement, by_look=by_look)
        stop, wait = self.policy(onward, placement)
        ends, waits, sending = self.played(stop, wait, placement)
        return Table(
            threshold_bps=rate_thresholds(stop, self.out, self.rate_bps),
            wait=np.asarray(wait.any(axis=-1)),
            ends=ends,
            waits=waits,
            sending=sending,
            stop_states=stop,
            wait_states=wait,
        )

    def backward_induction(self) -> tuple[Floats, Floats]:
        """Expected running cost under each horizon, (horizons, users), and C_k, (cuts, horizons,
        users, states).
        """
        zeta, layers = self.costs.zeta, self.costs.layers
        value = self.horizon.copy()
        onward = np.full((layers + 1, *value.shape), np.inf)
        for cut in range(layers - 1, -1, -1):
            onward[cut, cut + 1 :] = zeta[cut + 1] + value[cut + 1 :] @ self.step.T
            value[cut + 1 :] = self.settle(
                np.minimum(self.stop[cut], onward[cut, cut + 1 :]), self._may_wait
            )[0]
        return value @ self.start, onward

    @cached_property
    def onward_by_look_ahead(self) -> Floats:
        """What one-stage look-ahead takes for the cost of going on, (cuts, users, states)."""
        onward = np.full_like(self.forced, np.inf)
        onward[:-1] = self.costs.zeta[1:, None, None] + self.forced[1:] @ self.step.T
        return onward

    def policy(self, onward: Floats, placement: Integers) -> tuple[Booleans, Booleans]:
        """Stop and wait states, (cuts, users, states), where going on costs `onward`, under each
        placement.
        """
        cut = np.arange(len(self.stop))[:, None, None]
        last = placement[:, None]
        home = (cut == last) & (cut == self.costs.layers) & self.costs.stays
        onward = np.where(cut < last, onward, np.inf)
        active = (cut <= last) & ~home
        wait = (
            self.settle(np.where(active, np.minimum(self.stop, onward), 0.0), self._may_wait)[1]
            & active
        )
        return (self.stop <= onward * (1.0 + CLEARLY)) & active & ~wait & ~self.out, wait

    def running_by_look_ahead(self, policy: tuple[Booleans, Booleans]) -> Floats:
        """Exact expected cost of the look-ahead rule under every horizon, (horizons, users);
        forward recursion.
        """
        stop, wait = policy
        cost, running, law = (
            np.zeros(stop.shape[1]),
            np.empty(stop.shape[:2]),
            self._spread(stop.shape[1]),
        )
        for cut in range(len(stop)):
            running[cut] = cost + (law * self.horizon[cut]).sum(-1)
            if cut == self.costs.layers:
                break
            leaving, waits = self._after_waits(law, wait[cut])
            cost = (
                cost
                + waits * self.costs.waiting
                + np.where(stop[cut], leaving * self.stop_cost(cut), 0.0).sum(-1)
            )
            going = np.where(stop[cut], 0.0, leaving)
            cost = cost + going.sum(-1) * self.costs.zeta[cut + 1]
            law = going @ self.step
        return running

    def stop_cost(self, cut: int) -> Floats:
        """S_k at each state that is up, 0 in outage, (users, states)."""
        return np.where(self.out, 0.0, self.stop[cut])

    def _spread(self, users: int) -> Floats:
        return np.tile(self.start, (users, 1))

    def _after_waits(self, law: Floats, wait: Booleans) -> tuple[Floats, Floats]:
        """Law of the state once nobody waits any more, and the expected number of waits,
        (users,).
        """
        if not wait.any():
            return law, np.zeros(len(law))
        system = np.eye(len(self.step)) - (wait[..., None] * self.step).swapaxes(-1, -2)
        visits = np.linalg.solve(system, law[..., None])[..., 0]
        return np.where(wait, 0.0, visits), np.where(wait, visits, 0.0).sum(-1)

    def played(
        self, stop: Booleans, wait: Booleans, placement: Integers
    ) -> tuple[Floats, Floats, Floats]:
        """Probability of ending at each cut, expected waits there, and E[1/R; ends there], (cuts,
        users).
        """
        users = stop.shape[1]
        ends, waits, sending = (np.zeros(stop.shape[:2]) for _ in range(3))
        law = self._spread(users)
        for cut in range(len(stop)):
            leaving, waits[cut] = self._after_waits(law, wait[cut])
            stopping = np.where(stop[cut], leaving, 0.0)
            sending[cut] = np.where(
                self.out, 0.0, stopping * np.where(self.out, 0.0, self.inverse)
            ).sum(-1)
            home = (placement == cut) & (cut == self.costs.layers) & self.costs.stays
            ends[cut] = np.where(home, leaving.sum(-1), stopping.sum(-1))
            law = np.where(home[:, None], 0.0, leaving - stopping) @ self.step
        return ends, waits, sending


def rate_thresholds(stop: Booleans, out: Booleans, rate_bps: Floats) -> Floats:
    """Least rate to offload at, (cuts, users): 0 always, infinite never, NaN where the stop set is
    no interval.
    """
    slowest = np.where(stop, rate_bps, np.inf).min(axis=-1)
    left = np.where(stop | out, -np.inf, rate_bps).max(axis=-1)
    return np.where(
        np.isneginf(left) & np.isfinite(slowest), 0.0, np.where(left < slowest, slowest, np.nan)
    )
