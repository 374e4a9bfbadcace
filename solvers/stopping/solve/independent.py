"""Backward induction and its simpler neighbours on a channel whose looks are independent."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solvers.arrays import Booleans, Floats, Integers
from solvers.stopping.problem import Waiting
from solvers.stopping.solve.costs import Costs
from solvers.stopping.solve.inverse_rate import InverseRate, expected_least
from solvers.stopping.solve.recursion import Recursion
from solvers.stopping.solve.table import Table

TIE = 1e-12  # 1/R this close above the threshold is as good as on it, and ties stop


@dataclass(frozen=True, slots=True)
class Policy:
    """Offload after cut k when 1/R <= `cap[k]`; `wait` as in the table of a decision."""

    cap: Floats  # (cuts, users) s/bit: infinite always, 0 never
    wait: Booleans  # (cuts, users)


@dataclass(frozen=True, slots=True)
class Stages:
    """What happens at a cut once it is reached under a policy."""

    ends: Floats  # (cuts, users) probability of ending there
    waits: Floats  # (cuts, users) expected number
    sending: Floats  # (cuts, users) E[1/R; ends there] [s/bit]


class Stopping(Recursion[Policy]):
    """The stopping problem of a block of users of one workload, for every horizon at once."""

    def __init__(self, costs: Costs, channel: InverseRate, waiting: Waiting) -> None:
        super().__init__(costs)
        self.channel, self.always = channel, waiting is Waiting.ALWAYS
        self.down = 1.0 - channel.up
        self.outages = bool(np.any(self.down > 0.0))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            self.outage_looks = np.where(channel.up > 0.0, self.down / channel.up, np.inf)
            wait = costs.waiting * self.outage_looks
        self.outage_wait = np.where(channel.up > 0.0, wait, np.inf)  # c_w (1-a)/a

    @cached_property
    def forced(self) -> Floats:
        """Expected cost of offloading at each cut as soon as the channel is up, (cuts, users)."""
        cost = self.costs.xi + self.costs.eta * self.channel.mean + self.outage_wait
        if self.costs.stays:
            cost[-1] = self.costs.xi[-1]
        return cost

    @cached_property
    def horizon(self) -> Floats:
        """Expected cost at each cut if it is the last one placed: offload, or wait for a better
        channel if allowed.
        """
        return self.reservation - self.costs.waiting if self.always else self.forced

    @cached_property
    def fixed(self) -> Floats:
        """Expected cost of each fixed cut, (cuts, users)."""
        return self.costs.ahead[:, None] + self.forced

    @cached_property
    def reservation(self) -> Floats:
        """The cost D that makes waiting for a better channel worthless: a E[max(D - S_k, 0) | up] =
        c_w, (cuts, users).

        Newton's method from the right of the root of a convex increasing function, hence monotone;
        should rounding throw it to the left, it goes on from the least value the root can have.
        """
        eta, xi, up, channel = self.costs.eta, self.costs.xi, self.channel.up, self.channel
        with np.errstate(divide="ignore", invalid="ignore"):
            cost = np.where(up > 0.0, xi + eta * channel.mean + self.costs.waiting / up, np.inf)
            open_ = (eta > 0.0) & (up > 0.0)
            cap = np.where(open_, (cost - xi) / eta, 1.0)
            target = np.where(open_, self.costs.waiting / (up * eta), 0.0)
            least = channel.fastest + target
            for _ in range(100):
                step = np.where(open_, (channel.excess(cap) - target) / channel.fast(cap), 0.0)
                cap = np.maximum(
                    cap - np.where(np.isfinite(step), step, 0.0), np.where(open_, least, 1.0)
                )
                if np.all(np.abs(step) <= 1e-13 * cap):
                    break
            cost = np.where(open_, xi + eta * cap, cost)
        if self.costs.stays:
            cost[-1] = xi[-1] + self.costs.waiting
        return np.asarray(cost)

    def value(self, cut: int, onward: Floats) -> Floats:
        """E[V_k] before the channel is seen, where going on costs `onward`; overwrites it."""
        up, eta, xi = self.channel.up, self.costs.eta[cut], self.costs.xi[cut]
        if self.always:
            np.minimum(onward, self.reservation[cut], out=onward)
        best = expected_least(self.channel, eta, xi, onward)
        if not self.outages:
            return best
        onward *= self.down
        onward += best * up
        if self.always:
            return onward
        best += self.outage_wait
        return np.minimum(best, onward, out=best)

    def table(self, placement: Integers, *, by_look: bool) -> Table:
        """The table under each user's placement; by backward induction once `curves` did it."""
        onward = self.onward(placement, by_look=by_look)
        policy = self.policy(onward, placement)
        ends, waits, sending = self.played(policy, placement)
        with np.errstate(divide="ignore"):
            threshold = 1.0 / policy.cap
        return Table(
            threshold_bps=threshold, wait=policy.wait, ends=ends, waits=waits, sending=sending
        )

    def backward_induction(self) -> tuple[Floats, Floats]:
        """Expected running cost under each horizon, (horizons, users), and C_k of each, (cuts,
        horizons, users).
        """
        zeta, layers = self.costs.zeta, self.costs.layers
        value = self.horizon.copy()
        onward = np.empty((layers + 1, *value.shape))  # of a cut, for the horizons beyond it alone
        for cut in range(layers - 1, -1, -1):
            np.add(value[cut + 1 :], zeta[cut + 1], out=onward[cut, cut + 1 :])
            value[cut + 1 :] = self.value(cut, onward[cut, cut + 1 :].copy())
        return value, onward

    @cached_property
    def onward_by_look_ahead(self) -> Floats:
        """What one-stage look-ahead takes for the cost of going on: zeta and a forced offload,
        (cuts, users).
        """
        onward = np.full_like(self.forced, np.inf)
        onward[:-1] = self.costs.zeta[1:, None] + self.forced[1:]
        return onward

    def policy(self, onward: Floats, placement: Integers) -> Policy:
        """Stop when it is no dearer than going on at `onward`, (cuts, users), under each user's
        placement.
        """
        eta, xi = self.costs.eta, self.costs.xi
        cut = np.arange(len(eta))[:, None]
        last = cut == placement
        home = last & (cut == self.costs.layers) & self.costs.stays
        onward = np.where(cut < placement, onward, np.inf)
        if self.always:
            limit = np.minimum(onward, self.reservation)
            wait = self.reservation < onward
        else:
            limit = onward
            finite = np.where(np.isfinite(onward), onward, 0.0)
            looking = expected_least(self.channel, eta, xi, finite)
            with np.errstate(invalid="ignore"):
                wait = looking + self.costs.waiting * self._looks_when_out < onward
            wait |= last
        with np.errstate(divide="ignore", invalid="ignore"):
            cap = np.where(eta > 0.0, (limit - xi) / eta, np.where(limit >= xi, np.inf, 0.0))
        if not self.always:
            cap = np.where(last, np.inf, cap)
        active = (cut <= placement) & ~home
        # The last cut waits out even an outage that was never expected; before it such an outage is
        # walked through.
        wait &= (self.down > 0.0) | self.always | last
        return Policy(np.where(active, np.maximum(cap, 0.0) * (1.0 + TIE), 0.0), wait & active)

    @cached_property
    def _looks_when_out(self) -> Floats:
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / self.channel.up)

    def stages(self, policy: Policy) -> Stages:
        """What the policy does at each cut, once it is reached."""
        up, cap, wait = self.channel.up, policy.cap, policy.wait
        fast = self.channel.fast(np.maximum(cap, 1e-300))
        whole = np.isinf(cap) & (up > 0.0)
        fast = np.where(whole, 1.0, np.where(cap > 0.0, fast, 0.0))
        bounded = np.where(np.isinf(cap) | (cap <= 0.0), 1.0, cap)
        part = np.minimum(self.channel.capped(bounded), bounded) - bounded * (1.0 - fast)
        sending = np.where(
            whole, self.channel.mean, np.where(fast > 0.0, np.maximum(part, 0.0), 0.0)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.always:
                per_look = up * fast
                again = wait & (per_look > 0.0)
                return Stages(
                    np.where(wait, 1.0, per_look),
                    np.where(again, (1.0 - per_look) / per_look, np.where(wait, np.inf, 0.0)),
                    np.where(again, sending / fast, up * sending),
                )
        return Stages(
            np.where(wait, fast, up * fast),
            np.where(wait, self.outage_looks, 0.0),
            np.where(wait, sending, up * sending),
        )

    def running_by_look_ahead(self, policy: Policy) -> Floats:
        """Exact expected cost of the look-ahead rule under every horizon, (horizons, users);
        forward recursion.

        `policy` is the rule under the largest placement: a smaller one changes its last cut only.
        """
        stages = self.stages(policy)
        going = 1.0 - stages.ends
        with np.errstate(invalid="ignore"):
            here = (
                stages.ends * self.costs.xi
                + self.costs.eta * stages.sending
                + self._waiting(stages)
            )
        here[:-1] += going[:-1] * self.costs.zeta[1:, None]
        reached = np.ones_like(here)
        np.cumprod(going[:-1], axis=0, out=reached[1:])
        before = np.zeros_like(here)
        with np.errstate(invalid="ignore"):
            np.cumsum((reached * here)[:-1], axis=0, out=before[1:])
            last = np.where(reached > 0.0, reached * self.horizon, 0.0)
        return before + last

    def _waiting(self, stages: Stages) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.where(stages.waits > 0.0, stages.waits * self.costs.waiting, 0.0)

    def played(self, policy: Policy, placement: Integers) -> tuple[Floats, Floats, Floats]:
        """Probability of ending at each cut, expected waits there, and E[1/R; ends there], (cuts,
        users).
        """
        stages = self.stages(policy)
        cut = np.arange(len(stages.ends))[:, None]
        home = (cut == placement) & (cut == self.costs.layers) & self.costs.stays
        ends = np.where(home, 1.0, stages.ends)
        reached = np.ones_like(ends)
        np.cumprod((1.0 - ends)[:-1], axis=0, out=reached[1:])
        with np.errstate(invalid="ignore"):
            waits = np.where(reached * stages.waits > 0.0, reached * stages.waits, 0.0)
        return reached * ends, waits, reached * stages.sending
