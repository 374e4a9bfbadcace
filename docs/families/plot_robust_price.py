"""Draws the spectrum price of robust.md from the shipped catalogue: `python -m
docs.families.plot_robust_price`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.robust_figures import STUDIES, USERS, base, first
from benchmarks.stopping_plots import HEIGHT, WIDTH, Series, plot
from solvers.arrays import Floats
from solvers.outcome import Options
from solvers.robust.problem import Problem
from solvers.robust.solve import solve

HERE = Path(__file__).parent
BANDWIDTHS_HZ = np.linspace(3e6, 30e6, 271)
TOUCHED_HZ = (5e6, 12e6)  # where tangents are drawn
REACH_HZ = 4e6


def curve(cell: Problem) -> tuple[Floats, Floats, Floats]:
    """Energy [J], the price of a hertz [J/Hz] and the sum of the cuts at every bandwidth."""
    rows = []
    for bandwidth_hz in BANDWIDTHS_HZ:
        wider = replace(cell, bandwidth_hz=float(bandwidth_hz))
        solution = solve(wider, Options(gap=1e-9))
        assert solution.decision is not None
        assert solution.objective is not None
        cuts = float(solution.decision.cut(wider).sum())
        rows.append((solution.objective, solution.prices["bandwidth_j_per_hz"], cuts))
    energy, price, cuts = np.array(rows).T
    return energy, price, cuts


def main() -> None:
    """Draw the energy with its tangents beside the price, which must be its slope."""
    study = STUDIES[0]
    energy, price, cuts = curve(first(base(study), USERS))
    steady = cuts[1:] == cuts[:-1]
    step = np.diff(BANDWIDTHS_HZ)
    slope, mean = -np.diff(energy) / step, 0.5 * (price[1:] + price[:-1])
    if np.max(np.abs(slope / mean - 1.0)[steady]) > 1e-3:
        raise RuntimeError("the price is not the slope of the energy")
    if np.any(np.diff(price)[steady] > 1e-9 * price[1:][steady]):
        raise RuntimeError("the price rises while no cut changes")

    across = BANDWIDTHS_HZ / 1e6
    spent: Series = {"energy": (across, 1e3 * energy)}
    for touched_hz in TOUCHED_HZ:
        k = int(np.argmin(np.abs(BANDWIDTHS_HZ - touched_hz)))
        near = np.abs(BANDWIDTHS_HZ - BANDWIDTHS_HZ[k]) <= REACH_HZ
        line = energy[k] - price[k] * (BANDWIDTHS_HZ[near] - BANDWIDTHS_HZ[k])
        spent[f"slope {-1e9 * price[k]:.2f} mJ/MHz"] = across[near], 1e3 * line
    title = f"{USERS} users, {study.name}"
    left = plot(title, "bandwidth [MHz]", "mJ per inference of all", spent)
    right = plot(
        "What one more megahertz saves",
        "bandwidth [MHz]",
        "mJ/MHz",
        {"price": (across, 1e9 * price)},
    )
    parts = [
        panel.replace("<svg ", f'<svg x="{x}" y="0" width="{WIDTH}" height="{HEIGHT}" ', 1)
        for x, panel in ((0, left), (WIDTH, right))
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}"'
        ' font-family="sans-serif">'
    )
    (HERE / "robust_price.svg").write_text("\n".join([head, *parts, "</svg>\n"]), encoding="utf-8")


if __name__ == "__main__":
    main()
