"""A look at a Markov channel, with linear systems instead of integrals."""

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.channel import SAME_LEVEL, Markov
from solvers.stopping.check.laws import min_rate_bps, start_of
from solvers.stopping.check.terms import Terms
from solvers.stopping.decision import Decision
from solvers.stopping.problem import Problem, Waiting


class Chain:
    """The same look at a Markov channel, with linear systems instead of integrals."""

    def __init__(self, problem: Problem, terms: Terms) -> None:
        law = problem.law
        if not isinstance(law, Markov):
            raise TypeError("a Markov law is needed")
        self.terms, self.step, self.initial = terms, law.transition, start_of(law)
        self.always = problem.waiting is Waiting.ALWAYS
        self.up = (law.rate_bps > 0.0) & (
            law.rate_bps >= min_rate_bps(problem) * (1.0 - SAME_LEVEL)
        )
        with np.errstate(divide="ignore"):
            self.inverse = np.where(self.up, 1.0 / law.rate_bps, np.inf)
        usable = np.where(self.up, self.inverse, 0.0)
        cost = terms.xi[..., None] + terms.eta[..., None] * usable
        self.stop_cost = np.where(self.up, cost, np.inf)  # (cuts, users, states)

    def fixed(self) -> Floats:
        """Cost of each fixed cut, (cuts, users), following the law of the state."""
        terms, law = self.terms, self.initial
        # steps made while waiting out an outage.
        away = np.where(self.up, 0.0, 1.0)[:, None] * self.step
        visits = np.linalg.inv(np.eye(len(law)) - away)
        cost = np.empty(terms.eta.shape)
        for cut in range(len(cost)):
            seen = law @ visits
            stop = np.where(self.up, seen, 0.0)
            paid = (stop * np.where(self.up, self.stop_cost[cut], 0.0)).sum(-1) + terms.waiting * (
                seen - stop
            ).sum()
            home = terms.stays and cut == len(cost) - 1
            cost[cut] = terms.ahead[cut] + (terms.xi[cut] if home else paid)
            law = law @ self.step
        return cost

    def evaluate(
        self, decision: Decision, users: Integers
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Ends, waits and E[1/R; ends] at each cut under the table, and what the best single
        deviation saves.
        """
        cuts, count, _ = self.stop_cost.shape
        if decision.stop_states is None or decision.wait_states is None:
            raise ValueError("a decision on a Markov channel lists its states")
        stop, wait = (
            table[users, :cuts].swapaxes(0, 1)
            for table in (decision.stop_states, decision.wait_states)
        )
        chosen = decision.placement[users]
        if np.any(stop & wait) or np.any(stop & ~self.up):
            ends, waits, sending = np.zeros((3, cuts, count))
            return ends, waits, sending, np.full(count, np.inf)
        ends, waits, sending = self._played(stop, wait, chosen)
        return ends, waits, sending, self._deviation(stop, wait, chosen)

    def _played(
        self, stop: Booleans, wait: Booleans, chosen: Integers
    ) -> tuple[Floats, Floats, Floats]:
        """Ends, waits and E[1/R; ends] at each cut, (cuts, users), forward from the start."""
        terms, (cuts, count, states) = self.terms, self.stop_cost.shape
        ends, waits, sending = np.zeros((3, cuts, count))
        law = np.tile(self.initial, (count, 1))
        for cut in range(cuts):
            leaving = np.linalg.solve(
                np.eye(states) - (wait[cut][..., None] * self.step).swapaxes(-1, -2), law[..., None]
            )[..., 0]
            waits[cut] = np.where(wait[cut], leaving, 0.0).sum(-1)
            stopping = np.where(stop[cut], leaving, 0.0)
            sending[cut] = (stopping * np.where(self.up, self.inverse, 0.0)).sum(-1)
            home = terms.stays & (chosen == cut) & (cut == cuts - 1)
            ends[cut] = np.where(home, leaving.sum(-1), stopping.sum(-1))
            law = (
                np.where((cut < chosen)[:, None] & ~wait[cut] & ~stop[cut], leaving, 0.0)
                @ self.step
            )
        return ends, waits, sending

    def _deviation(self, stop: Booleans, wait: Booleans, chosen: Integers) -> Floats:
        """What the best single deviation from the table saves, (users,), backward from the end."""
        terms, (cuts, count, states) = self.terms, self.stop_cost.shape
        better = np.zeros(count)
        value = np.zeros((count, states))
        for cut in range(int(chosen.max()), -1, -1):
            going = terms.zeta[min(cut + 1, cuts - 1)] + self.next(value)
            onward = np.where((cut < chosen)[:, None], going, np.inf)
            base = np.where(stop[cut], self.stop_cost[cut], onward)
            home = (terms.stays & (chosen == cut) & (cut == cuts - 1))[:, None]
            base = np.where(home, terms.xi[cut][:, None], base)
            system = np.eye(states) - wait[cut][..., None] * self.step
            right = np.where(wait[cut], terms.waiting[:, None], base)
            finite = np.isfinite(right).all(-1)
            here = np.full((count, states), np.inf)
            here[finite] = np.linalg.solve(system[finite], right[finite][..., None])[..., 0]
            again = terms.waiting[:, None] + self.next(here)
            best = np.minimum(self.stop_cost[cut], onward)
            best = np.where(self.always | ~self.up, np.minimum(best, again), best)
            best = np.where(home, terms.xi[cut][:, None], best)
            active = cut <= chosen
            with np.errstate(invalid="ignore"):
                saved = np.where(np.isfinite(here), here - best, np.inf).max(-1)
            better = np.where(active, np.maximum(better, saved), better)
            value = np.where(active[:, None], here, value)
        return better

    def next(self, value: Floats) -> Floats:
        """Expected value after a transition, infinite where an infinite one can follow."""
        lost = np.isinf(value)
        return np.where(
            lost @ (self.step.T > 0.0), np.inf, np.where(lost, 0.0, value) @ self.step.T
        )

    def curve(self) -> Floats:
        """Expected running cost of one user under each placement, waits settled at each cut."""
        terms, cuts = self.terms, len(self.stop_cost)
        value = np.empty((cuts, len(self.initial)))
        for cut in range(cuts):
            value[cut] = self.iterate(self.stop_cost[cut, 0][None])[0]
        if terms.stays:
            value[-1] = terms.xi[-1, 0]
        for cut in range(cuts - 2, -1, -1):
            onward = terms.zeta[cut + 1] + value[cut + 1 :] @ self.step.T
            value[cut + 1 :] = self.iterate(np.minimum(self.stop_cost[cut, 0], onward))
        return np.asarray(value @ self.initial)

    def iterate(self, base: Floats) -> Floats:
        """The greatest V with V = min(base, c_w + P V) where waiting is allowed, by policy
        improvement.
        """
        waiting, free = float(self.terms.waiting[0]), ~self.up | self.always
        waits = np.isinf(base)
        while True:
            system = np.eye(base.shape[-1]) - waits[..., None] * self.step
            value = np.linalg.solve(system, np.where(waits, waiting, base)[..., None])[..., 0]
            more = free & ~waits & (waiting + value @ self.step.T < value * (1.0 - 1e-12))
            if not more.any():
                return np.asarray(value)
            waits = waits | more
