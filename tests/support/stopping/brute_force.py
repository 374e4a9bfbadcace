"""The slow and certain way: every threshold policy tried, every integral left to scipy's adaptive
integration.
"""

from itertools import pairwise, product

import numpy as np
from scipy import integrate

from solvers.stopping.channel import GainTrace, Markov
from solvers.stopping.fading import Fading
from solvers.stopping.problem import Problem, Waiting

Terms = tuple[np.ndarray, np.ndarray, np.ndarray, float]


def terms(problem: Problem) -> Terms:
    """zeta, eta, xi and c_w of the only user, as the paper writes them."""
    work, by_time, by_energy = problem.workloads, problem.time_per_s, problem.energy_per_j
    standby = 0.0 if work.standby_power_w is None else work.standby_power_w[0]
    per_bit = 0.0 if work.energy_j_per_bit is None else work.energy_j_per_bit[0]
    radio = (problem.tx_power_w if problem.radio_power_w is None else problem.radio_power_w)[0]
    layer_s, layer_j = np.diff(work.device_s), np.diff(work.device_j)
    zeta = by_time * layer_s + by_energy * (layer_j + standby * layer_s)
    eta = (by_time + by_energy * (radio + standby)) * work.crossing_bit
    idle = by_time + by_energy * problem.idle_power_w[0]
    xi = idle * work.server_s + by_energy * per_bit * work.crossing_bit
    return zeta, eta, xi, float(idle * problem.coherence_time_s)


def rate_at(problem: Problem, snr: float) -> float:
    """What the rate law makes of an SNR."""
    law = problem.rate_law
    shannon = law.efficiency * np.log1p(snr / law.snr_gap) / np.log(2.0)
    return float(problem.bandwidth_hz * min(law.max_bps_per_hz, shannon))


def snr_at(problem: Problem, rate_bps: float) -> float:
    """Least SNR that carries a rate, or a minimum's, by bisection; infinite where none does."""
    low, high = -100.0, 100.0  # ln SNR
    if rate_at(problem, np.exp(high)) < rate_bps:
        return np.inf
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (
            (low, middle) if rate_at(problem, np.exp(middle)) >= rate_bps else (middle, high)
        )
    return max(float(np.exp(high)), problem.min_snr)


def integral(problem: Problem, law: Fading, power: int, low_snr: float) -> float:
    """E[R^-power; SNR >= low_snr] by adaptive integration over ln SNR."""
    mean = float(problem.mean_snr[0])
    bottom, top = law.log_gain_range
    start = np.log(low_snr / mean) if low_snr > 0.0 else -np.inf
    start = max(start, bottom, -400.0)
    if start >= top:
        return 0.0

    def at(log_gain: float) -> float:
        rate = rate_at(problem, mean * np.exp(log_gain))
        return float(law.log_gain_density(np.array(log_gain))) * rate**-power

    inner = {-200.0, -80.0, -30.0, -10.0, -4.0, -1.0, 0.0, 0.5}
    if np.isfinite(problem.rate_law.max_bps_per_hz):  # the rate has a kink where its top begins
        full = snr_at(problem, problem.bandwidth_hz * problem.rate_law.max_bps_per_hz)
        inner.add(float(np.log(full / mean)))
    edges = [start, *sorted(edge for edge in inner if start < edge < top), top]
    pieces = [
        integrate.quad(at, a, b, epsabs=0.0, epsrel=1e-11, limit=400)[0] for a, b in pairwise(edges)
    ]
    return float(sum(pieces))


def induction(problem: Problem, placement: int) -> tuple[float, np.ndarray]:
    """Expected running cost and thresholds R*_k under one placement on a fading channel, in outage
    waiting allowed.
    """
    law = problem.law
    zeta, eta, xi, waiting = terms(problem)
    layers = len(zeta)
    up = integral(problem, law, 0, problem.min_snr) if problem.min_snr > 0.0 else 1.0
    mean = integral(problem, law, 1, problem.min_snr) / up
    outage = waiting * (1.0 - up) / up
    home = placement == layers and eta[-1] == 0.0
    value = 0.0 if home else xi[placement] + eta[placement] * mean + outage
    thresholds = np.zeros(placement)
    for cut in range(placement - 1, -1, -1):
        onward = zeta[cut] + value
        thresholds[cut] = eta[cut] / (onward - xi[cut]) if onward > xi[cut] else np.inf
        snr = snr_at(problem, thresholds[cut])
        fast = integral(problem, law, 0, snr) / up if np.isfinite(snr) else 0.0
        sent = integral(problem, law, 1, snr) / up if np.isfinite(snr) else 0.0
        best = xi[cut] * fast + eta[cut] * sent + (1.0 - fast) * onward
        value = min(up * best + (1.0 - up) * onward, best + outage)
    return value, thresholds


def cheapest_table(problem: Problem, placement: int) -> float:
    """Least expected running cost over every assignment of an action to each cut and sample of a
    small trace.

    An action is to stop, to go on or to wait; in outage stopping is not on offer, and waiting is
    only in outage unless always allowed. The cost of an assignment is exact: a linear equation per
    cut.
    """
    zeta, eta, xi, waiting = terms(problem)
    if isinstance(problem.law, GainTrace):
        snrs = problem.mean_snr[0] * problem.law.gain
        rates, up = np.array([rate_at(problem, snr) for snr in snrs]), snrs >= problem.min_snr
    else:
        rates = problem.law.rate_bps
        up = (rates > 0.0) & (rates >= problem.min_rate_bps)
    home = placement == len(zeta) and eta[-1] == 0.0
    value = 0.0
    for cut in range(placement, -1, -1):
        if cut == placement and home:
            continue
        stop_cost = xi[cut] + eta[cut] / np.where(up, rates, np.nan)
        onward = zeta[cut] + value if cut < placement else np.inf
        costs = []
        # Backward induction is exact for a fixed set of later actions, so each cut can be
        # enumerated on its own.
        for actions in product("sgw", repeat=len(rates)):
            chosen = np.array(actions)
            stop, go, wait = (chosen == action for action in "sgw")
            if np.any(stop & ~up) or (cut == placement and go.any()) or wait.all():
                continue
            if problem.waiting is Waiting.IN_OUTAGE and np.any(wait & up):
                continue
            paid = np.where(
                stop, stop_cost, np.where(go, onward if go.any() else 0.0, waiting)
            ).mean()
            costs.append(paid / (1.0 - wait.mean()))
        value = min(costs)
    return value


def cheapest_chain_table(problem: Problem, placement: int) -> float:
    """The same on a Markov channel, all cuts and states at once: every table there is, each
    evaluated exactly.
    """
    law = problem.law
    assert isinstance(law, Markov)
    zeta, eta, xi, waiting = terms(problem)
    states = law.rate_bps.size
    up = ~law.in_outage(problem.min_rate_bps)
    home = placement == len(zeta) and eta[-1] == 0.0
    options = []
    for cut in range(placement + 1):
        if cut == placement and home:
            options.append(["h" * states])
            continue
        always = problem.waiting is Waiting.ALWAYS
        per_state = [
            ("s" if up[state] else "")
            + ("g" if cut < placement else "")
            + ("w" if always or not up[state] else "")
            for state in range(states)
        ]
        options.append(["".join(word) for word in product(*per_state)])
    best = np.inf
    for table in product(*options):
        value = np.zeros(states)
        for cut in range(placement, -1, -1):
            word = np.array(list(table[cut]))
            stop_cost = xi[cut] + eta[cut] / np.where(up, law.rate_bps, np.inf)
            going = (zeta[cut] + law.transition @ value) if cut < placement else np.zeros(states)
            wait = word == "w"
            right = np.select(
                [word == "s", word == "g", wait], [stop_cost, going, np.full(states, waiting)], 0.0
            )
            system = np.eye(states) - wait[:, None] * law.transition
            if np.linalg.matrix_rank(system) < states:
                value = np.full(states, np.inf)
                break
            value = np.linalg.solve(system, right)
        best = min(best, float(law.start @ value))
    return best
