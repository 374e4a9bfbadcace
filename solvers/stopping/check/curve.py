"""The least running cost under every placement, by textbook backward induction."""

from dataclasses import replace

import numpy as np

from solvers.arrays import Floats
from solvers.stopping.check.evaluation import Evaluation
from solvers.stopping.check.looks import Looks
from solvers.stopping.check.terms import Terms


class Induction(Evaluation):
    """Backward induction for one user, one horizon beside the other."""

    def curve(self, terms: Terms, looks: Looks) -> Floats:
        """Expected running cost of one user under each placement."""
        cuts = len(terms.ahead)
        value = self.forced(terms, looks)[:, 0]
        if self.always:
            value = self.patient(terms, looks)
        horizon = value.copy()
        for cut in range(cuts - 2, -1, -1):
            onward = terms.zeta[cut + 1] + value[cut + 1 :]
            # Waiting makes sense only if it beats going on, and then the value is that of waiting
            # at every horizon.
            again = np.full(len(onward), horizon[cut])
            value[cut + 1 :] = self.best(
                looks.repeat(len(onward)),
                terms.eta[cut],
                terms.xi[cut],
                terms.waiting,
                onward,
                again,
            )
        return value

    def patient(self, terms: Terms, looks: Looks) -> Floats:
        """At each cut the x with x = a E[min(S_k, c_w + x) | up] + (1-a)(c_w + x), by bisection;
        one user.
        """
        low = terms.xi[:, 0].copy()
        high = self.forced(_unstayed(terms), looks)[:, 0]
        if looks.up[0] > 0.0:
            wide, never = looks.repeat(len(low)), np.full(len(low), np.inf)
            for _ in range(200):  # ends far above the root are halved away
                middle = 0.5 * (low + high)
                lower = (
                    self.best(wide, terms.eta[:, 0], terms.xi[:, 0], terms.waiting, never, middle)
                    < middle
                )
                high, low = np.where(lower, middle, high), np.where(lower, low, middle)
        value = np.where(np.isinf(high), high, 0.5 * (low + high))
        if terms.stays:
            value[-1] = terms.xi[-1, 0]
        return value


def _unstayed(terms: Terms) -> Terms:
    return replace(terms, stays=False)
