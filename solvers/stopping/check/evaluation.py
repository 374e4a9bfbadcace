"""What a table is worth, and what the best single deviation from it would save."""

import numpy as np

from solvers.arrays import Floats, Integers
from solvers.stopping.check.looks import Looks
from solvers.stopping.check.terms import Terms
from solvers.stopping.decision import Decision
from solvers.stopping.problem import Problem, Waiting


class Evaluation:
    """Tables of a decision on a channel of independent looks."""

    def __init__(self, problem: Problem, decision: Decision) -> None:
        self.problem, self.decision = problem, decision
        self.always = problem.waiting is Waiting.ALWAYS

    def forced(self, terms: Terms, looks: Looks) -> Floats:
        """Cost of offloading at each cut once up, (cuts, users)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(looks.up > 0.0, looks.all_s_per_bit / looks.up, 0.0)
            outage = np.where(looks.up > 0.0, terms.waiting * (1.0 - looks.up) / looks.up, np.inf)
        cost = terms.xi + terms.eta * mean + outage
        if terms.stays:
            cost[-1] = terms.xi[-1]
        return np.asarray(cost)

    def evaluate(
        self, terms: Terms, looks: Looks, users: Integers
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Ends, waits and E[1/R; ends] at each cut under the table, and what the best single
        deviation saves.
        """
        decision, (cuts, count) = self.decision, terms.eta.shape
        up, chosen = looks.up, decision.placement[users]
        used = int(chosen.max()) + 1  # no table of the block is longer
        rate, wait = decision.threshold_bps[users, :used].T, decision.wait[users, :used].T
        fast, sent = looks.beyond(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.always:
                ends_here = np.where(wait, 1.0, fast)
                waits_here = np.where(wait, (1.0 - fast) / fast, 0.0)
                sent_here = np.where(wait, sent / fast, sent)
            else:
                ends_here = np.where(wait, fast / up, fast)
                waits_here = np.where(wait, (1.0 - up) / up, 0.0)
                sent_here = np.where(wait, sent / up, sent)
        home = terms.stays & (chosen == cuts - 1)
        ends_here[-1] = np.where(home, 1.0, ends_here[-1])
        reached, (ends, waits, sending) = np.ones(count), np.zeros((3, cuts, count))
        for cut in range(used):
            active = (cut <= chosen) & (reached > 0.0)
            ends[cut] = np.where(active, reached * ends_here[cut], 0.0)
            with np.errstate(invalid="ignore"):
                waits[cut] = np.where(active, reached * waits_here[cut], 0.0)
                sending[cut] = np.where(active, reached * sent_here[cut], 0.0)
            reached = np.where(active, reached - ends[cut], reached)
        better, value, onward = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        for cut in range(used - 1, -1, -1):
            active = cut <= chosen
            onward = np.where(cut < chosen, terms.zeta[min(cut + 1, cuts - 1)] + value, np.inf)
            here = (
                np.where(ends_here[cut] > 0.0, ends_here[cut] * terms.xi[cut], 0.0)
                + terms.eta[cut] * sent_here[cut]
            )
            here = here + np.where(waits_here[cut] > 0.0, waits_here[cut] * terms.waiting, 0.0)
            going = np.where(1.0 - ends_here[cut] > 1e-10, 1.0 - ends_here[cut], 0.0)
            here = here + np.where(going > 0.0, going * np.where(going > 0.0, onward, 0.0), 0.0)
            value = np.where(active, np.where(home & (cut == cuts - 1), terms.xi[cut], here), value)
            best = self.best(looks, terms.eta[cut], terms.xi[cut], terms.waiting, onward, value)
            best = np.where(home & (cut == cuts - 1), terms.xi[cut], best)
            with np.errstate(
                invalid="ignore"
            ):  # a table that waits forever: not a number, and noted as such
                better = np.where(active, np.maximum(better, value - best), better)
        return ends, waits, sending, better

    def best(
        self, looks: Looks, eta: Floats, xi: Floats, waiting: Floats, onward: Floats, again: Floats
    ) -> Floats:
        """Least expected cost at a cut where going on costs `onward` and, after a wait, the cut
        costs `again`.
        """
        up = looks.up
        limit = np.minimum(onward, waiting + again) if self.always else onward
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rate = np.where(limit > xi, eta / (limit - xi), np.inf)
            rate = np.where((eta == 0.0) & (limit >= xi), 0.0, rate)
            fast, sent = (part[0] for part in looks.beyond(rate[None]))
            slow = np.maximum(up - fast, 0.0)
            stop = xi * fast + eta * sent
            least = stop + np.where(slow > 1e-10 * up, slow * limit, 0.0)
            move_on = least + np.where(up < 1.0, (1.0 - up) * limit, 0.0)
            if self.always:
                return np.asarray(move_on)
            hold = np.where(up > 0.0, least / up + waiting * (1.0 - up) / up, np.inf)
        return np.asarray(np.fmin(move_on, hold))
