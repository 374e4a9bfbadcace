"""Evidence against a promised risk that may be looked at after every inference.

e <- e (1 + l (miss - risk)) is a nonnegative supermartingale while each miss has probability at
most `risk` given the past, whatever the dependence: it exceeds 1/delta, ever, with probability at
most delta (Ville's inequality; A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, Stat. Sci. 38, 2023). A
mean of several such numbers is one too, so that one of its bets is nearly right for any true risk.
"""

import numpy as np

from solvers.arrays import Floats

# True risks, as multiples of the promised one, at which one of the bets grows fastest.
MULTIPLES = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


def bets(risk: float) -> Floats:
    """The l of each of `MULTIPLES`: (q - risk)/(risk (1 - risk)) grows fastest at a true risk q.

    All lie in (0, 1/risk): q is held below 1.
    """
    true = np.minimum(np.array(MULTIPLES) * risk, risk + 0.9 * (1.0 - risk))
    return np.asarray((true - risk) / (risk * (1.0 - risk)))


def log_wealth(log_before: Floats, inferences: int, misses: int, risk: float) -> Floats:
    """Each bet's logarithm after a report of counts.

    Parameters
    ----------
    log_before : (..., bets) of before; zeros to begin with.
    inferences, misses : of the report, 0 <= misses <= inferences. The order within a report does
        not matter: the product is the same.
    """
    ls = bets(risk)
    won, lost = np.log1p(ls * (1.0 - risk)), np.log1p(-ls * risk)
    return np.asarray(log_before + misses * won + (inferences - misses) * lost)


def log_e_value(log_wealths: Floats) -> Floats:
    """Logarithm of the mean of the bets, (..., bets) -> (...)."""
    top = log_wealths.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.mean(np.exp(log_wealths - top), axis=-1)))
