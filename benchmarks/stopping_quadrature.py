"""How exact the integrals of a stopping plan are. `python -m benchmarks.stopping_quadrature`.

The spline over the nodes is cubic, so its error falls with the fourth power of their number: 8,192
of them stand for the truth (tests hold the default against scipy's adaptive integration).
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from benchmarks import machine
from solvers.outcome import Options
from solvers.rate_law import SHANNON, RateLaw
from solvers.stopping.fading import Fading, LogNormal, Nakagami, Rayleigh, Rician
from solvers.stopping.problem import Waiting
from solvers.stopping.solve import solve
from tests.support.stopping.problems import RATE_LAWS, a_problem

LAWS: dict[str, list[Fading]] = {
    "Rayleigh, Rician (K 0.5, 30)": [Rayleigh(), Rician(0.5), Rician(30.0)],
    "Nakagami (m 0.6 to 80)": [Nakagami(m) for m in (0.6, 1.2, 4.0, 80.0)],
    "log-normal (1 to 20 dB)": [LogNormal(db) for db in (1.0, 3.0, 6.0, 10.0, 20.0)],
}
MIN_SNR = (0.0, 1e-6, 1e-2, 1.0)
TRUTH = 8_192
FLEETS, USERS = 4, 8


def worst(
    law: Fading, waiting: Waiting, rate_laws: Sequence[RateLaw] = (SHANNON,)
) -> tuple[float, float]:
    """Largest relative errors of a running cost on any curve, and of a threshold, at the default
    nodes.
    """
    cost = threshold = 0.0
    for rate_law, min_snr in product(rate_laws, MIN_SNR):
        if min_snr == 0.0 and not law.mean_inverse_rate_finite:
            continue
        for seed in range(FLEETS):
            rng = np.random.default_rng(seed)
            problem = a_problem(
                users=USERS,
                layers=int(rng.integers(2, 12)),
                seed=seed,
                law=law,
                min_snr=min_snr,
                waiting=waiting,
                mean_snr=10.0 ** rng.uniform(-1.0, 4.0, USERS),
                rate_law=rate_law,
                clairvoyant=False,
            )
            found, true = (
                solve(one, Options()).decision for one in (problem, replace(problem, nodes=TRUTH))
            )
            if found is None or true is None:
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                cost = max(
                    cost, float(np.nanmax(np.abs(found.running_curve / true.running_curve - 1.0)))
                )
                same = found.placement == true.placement
                error = np.abs(found.threshold_bps[same] / true.threshold_bps[same] - 1.0)
            threshold = max(threshold, float(error[np.isfinite(error)].max(initial=0.0)))
    return cost, threshold


def main() -> None:
    """Print the table."""
    print(f"Measured on {machine.describe()}.\n")
    print("| law | waiting | worst cost | worst threshold |\n|---|---|---|---|")
    every = [law for laws in LAWS.values() for law in laws]
    rows = [(name, laws, (SHANNON,)) for name, laws in LAWS.items()]
    rows.append(("all of these under four rate laws", every, RATE_LAWS))
    for name, laws, rate_laws in rows:
        for waiting in Waiting:
            errors = (worst(law, waiting, rate_laws) for law in laws)
            costs, thresholds = zip(*errors, strict=True)
            print(
                f"| {name} | `{waiting}` | {max(costs):.1e} | {max(thresholds):.1e} |", flush=True
            )


if __name__ == "__main__":
    main()
