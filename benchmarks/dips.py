"""How far times of the uniform law dip: `python -m benchmarks.dips` draws them (two minutes of a
processor) and writes solvers/evidence/uniform_dips.py.
"""

from pathlib import Path

import numpy as np

from solvers.arrays import Floats
from solvers.evidence.dip import dip

TABLE = Path(__file__).parent.parent / "solvers" / "evidence" / "uniform_dips.py"
SEED = 1985
DRAWN = {30: 150_000, 60: 150_000, 120: 150_000, 300: 150_000, 1_000: 75_000, 4_000: 30_000}
"""Samples of each size."""
TAILS = (
    0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.015,
    0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 5e-4, 2e-4, 1e-4,
)  # fmt: skip


def quantiles(count: int, samples: int) -> Floats:
    """What sqrt(n) times the dip of n uniform values exceeds with each probability of `TAILS`."""
    rng = np.random.default_rng([SEED, count])
    dips = np.array([dip(rng.random(count)) for _ in range(samples)])
    found: Floats = np.quantile(np.sqrt(count) * dips, 1.0 - np.array(TAILS), method="higher")
    return found


def module() -> str:
    """The text of the table."""
    rows = {count: quantiles(count, samples) for count, samples in DRAWN.items()}
    drawn = "\n".join(
        f"* n = {count}: {samples} samples, {np.sqrt(0.01 * 0.99 / samples):.1g}"
        for count, samples in DRAWN.items()
    )
    columns = "\n".join(
        f"    ({tail!r}, {', '.join(f'{row[k]:.5f}' for row in rows.values())}),"
        for k, tail in enumerate(TAILS)
    )
    return (
        '"""How far samples of the uniform law dip, made by `python -m benchmarks.dips`.\n\n'
        f"Seed {SEED}; of each size so many, and the standard error of a probability of 0.01:\n\n"
        f'{drawn}\n"""\n\n'
        f"SIZES = {tuple(DRAWN)}\n"
        "# A probability, and what sqrt(n) times the dip of samples of each size exceeds with it.\n"
        f"QUANTILES = (\n{columns}\n)\n"
    )


if __name__ == "__main__":
    TABLE.write_text(module())
