"""Draws the figures of docs/families/stopping.md, with numpy alone: `python -m
benchmarks.stopping_plots [folder]`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.stopping import cell
from solvers.arrays import Floats
from solvers.outcome import Options
from solvers.stopping.problem import Waiting
from solvers.stopping.solve import solve

Series = dict[str, tuple[Floats, Floats]]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 64, 48, 36, 16
COLOURS = ("#1b6ca8", "#c8502d", "#3a8f5c", "#7d4fa3")


def plot(title: str, across: str, up: str, series: Series) -> str:
    """Lines over common axes that start at the least and end at the largest value, as SVG."""
    xs, ys = (
        np.concatenate([line[axis][np.isfinite(line[1])] for line in series.values()])
        for axis in (0, 1)
    )
    x_low, x_high, y_low, y_high = xs.min(), xs.max(), min(0.0, ys.min()), 1.05 * ys.max()

    def place(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return (
            LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - BOTTOM - TOP),
        )

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{title}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{across}</text>',
        f'<text x="{LEFT - 56}" y="32">{up}</text>',
    ]
    for share in np.linspace(0.0, 1.0, 6):
        value_x, value_y = x_low + share * (x_high - x_low), y_low + share * (y_high - y_low)
        at_x, at_y = place(np.array(value_x), np.array(value_y))
        parts.append(f'<path d="M{LEFT} {at_y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{at_y + 4:.1f}" text-anchor="end">{value_y:.3g}</text>'
        )
        parts.append(
            f'<text x="{at_x:.1f}" y="{HEIGHT - BOTTOM + 16}"'
            f' text-anchor="middle">{value_x:.3g}</text>'
        )
    for number, (name, (x, y)) in enumerate(series.items()):
        seen = np.isfinite(y)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*place(x[seen], y[seen]), strict=True))
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        height = TOP + 14 + 16 * number
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{height}" text-anchor="end"'
            f' fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def thresholds() -> str:
    """Least rate to offload at, cut by cut, for three mean SNRs."""
    series = {}
    for mean_db in (5.0, 15.0, 25.0):
        problem = replace(cell(1, clairvoyant=False), mean_snr=np.array([10.0 ** (mean_db / 10.0)]))
        decision = solve(problem, Options()).decision
        rate = np.where(decision.threshold_bps[0] > 0.0, decision.threshold_bps[0], np.nan) / 1e6
        series[f"mean SNR {mean_db:.0f} dB, N* = {decision.placement[0]}"] = (
            np.arange(rate.size, dtype=float),
            rate,
        )
    return plot("ResNet152: offload when the rate is at least", "cut", "Mbit/s", series)


def placement() -> str:
    """Placement, running and total cost over N."""
    problem = replace(cell(1, clairvoyant=False), mean_snr=np.array([10.0**1.5]))
    running = solve(problem, Options()).decision.running_curve[0]
    placing = problem.placement_cost(slice(None), 0)[0]
    cut = np.arange(running.size, dtype=float)
    series = {
        "total": (cut, running + placing),
        "running": (cut, running),
        "placement": (cut, placing),
    }
    return plot(
        "ResNet152 at a mean SNR of 15 dB: cost per inference", "layers placed, N", "cost", series
    )


def least_snr() -> str:
    """Expected cost against the minimum SNR when waiting is for outages only, and when it is always
    allowed.
    """
    least_db, series = np.linspace(-20.0, 25.0, 46), {}
    for waiting in Waiting:
        base = replace(cell(1, clairvoyant=False, waiting=waiting), mean_snr=np.array([100.0]))
        base = replace(base, placement=np.array([0]), coherence_time_s=0.01)
        cost = [
            solve(replace(base, min_snr=10.0 ** (db / 10.0)), Options()).decision.running_cost[0]
            for db in least_db
        ]
        series[f"waiting: {waiting}"] = least_db, np.array(cost)
    return plot(
        "All at the edge, mean SNR 20 dB, 10 ms coherence: running cost",
        "minimum SNR [dB]",
        "cost",
        series,
    )


def main() -> None:
    """Write the three figures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/families")
    for figure in (thresholds, placement, least_snr):
        (folder / f"stopping_{figure.__name__}.svg").write_text(figure())


if __name__ == "__main__":
    main()
