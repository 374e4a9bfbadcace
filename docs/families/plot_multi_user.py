"""Draws the figures of multi-user.md from the shipped catalogue: `python -m
docs.families.plot_multi_user`.
"""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.multiuser import fleet, table_problem
from solvers.arrays import Floats
from solvers.multiuser.costs import latency
from solvers.multiuser.problem import Method
from solvers.multiuser.solve import build_table, solve
from solvers.outcome import Options

HERE = Path(__file__).parent
COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#c98b00", "#7a5195", "#444444")
LEFT, TOP, WIDTH, HEIGHT = 70, 20, 460, 280


class Chart:
    """Curves over two logarithmic axes, as SVG."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], x_title: str, y_title: str
    ) -> None:
        self.x, self.y = np.log10(x), np.log10(y)
        self.parts = [
            (
                f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none"'
                ' stroke="#888"/>'
            ),
            (
                f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 40}"'
                f' text-anchor="middle">{x_title}</text>'
            ),
            (
                f'<text transform="translate(16,{TOP + HEIGHT / 2}) rotate(-90)"'
                f' text-anchor="middle">{y_title}</text>'
            ),
        ]
        for at in _ticks(*x):
            (px,), _ = self._place(np.array([at]), np.array([y[0]]))
            self.parts.append(f'<path d="M{px:.1f} {TOP + HEIGHT}v5" stroke="#888"/>')
            self.parts.append(
                f'<text x="{px:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{at:g}</text>'
            )
        for at in _ticks(*y):
            _, (py,) = self._place(np.array([x[0]]), np.array([at]))
            self.parts.append(f'<path d="M{LEFT} {py:.1f}h-5" stroke="#888"/>')
            self.parts.append(
                f'<text x="{LEFT - 8}" y="{py + 4:.1f}" text-anchor="end">{at:g}</text>'
            )

    def _place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        right = (np.log10(x) - self.x[0]) / (self.x[1] - self.x[0])
        up = (np.log10(y) - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + WIDTH * right, TOP + HEIGHT * (1.0 - np.clip(up, 0.0, 1.0))

    def curve(self, x: Floats, y: Floats, colour: str, width: float = 2.0) -> None:
        """A line through points; what lies outside runs along the frame."""
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*self._place(x, y), strict=True))
        self.parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def label(self, row: int, text: str, colour: str) -> None:
        """A line of the legend."""
        y = TOP + 18 + 18 * row
        self.parts.append(
            f'<text x="{LEFT + WIDTH - 10}" y="{y}" text-anchor="end" fill="{colour}">{text}</text>'
        )

    def write(self, name: str) -> None:
        """To a file beside this one."""
        size = f"0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 55}"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif"'
            ' font-size="12">'
        )
        body = "\n".join(['<rect width="100%" height="100%" fill="white"/>', *self.parts])
        (HERE / name).write_text(f"{head}\n{body}\n</svg>\n", encoding="utf-8")


def _ticks(low: float, high: float) -> list[float]:
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    return [
        step * 10.0**decade
        for decade in decades
        for step in (1, 2, 5)
        if low <= step * 10.0**decade <= high
    ]


def draw_table() -> None:
    """Latency of every option of MobileNetV2 over the rate, and the table's row by row."""
    problem = table_problem("mobilenet-v2", picture=False)
    rate = np.geomspace(5e6, 1e9, 120)
    every = np.arange(len(problem.cut))
    cost = problem.latency_s(every[:, None], rate)
    table = build_table(problem)
    option = table.look_up(rate)
    chart = Chart((5.0, 1000.0), (5.0, 200.0), "uplink [Mbit/s]", "latency [ms]")
    for line in cost:
        chart.curve(rate / 1e6, 1e3 * line, "#cccccc", 1.0)
    for row, held in enumerate(table.option):
        here = option == held
        if here.any():
            colour = COLOURS[row % len(COLOURS)]
            chart.curve(rate[here] / 1e6, 1e3 * cost[held, here], colour, 4.0)
            chart.label(
                row,
                f"cut {problem.cut[held]} from {table.rate_from_bps[row] / 1e6:.3g} Mbit/s",
                colour,
            )
    chart.write("multi-user-table.svg")


def draw_cells() -> None:
    """Mean latency against users who share 20 MHz and one server."""
    counts = np.array([2, 5, 10, 20, 50, 100, 200, 500, 1_000])
    methods = (
        Method.EXACT,
        Method.ALTERNATING,
        Method.EQUAL_SHARE,
        Method.GREEDY,
        Method.DEVICE_ONLY,
    )
    chart = Chart(
        (2.0, 1_000.0),
        (50.0, 2_000.0),
        "users on 20 MHz and one server",
        "weighted mean latency [ms]",
    )
    means = np.empty((len(methods), len(counts)))
    for place, users in enumerate(counts):
        cell = fleet(int(users), 3, deadlines=False)
        times = max(users / 100.0, 1.0)
        work = dataclasses.replace(cell.workloads, server_s=cell.workloads.server_s * times)
        cell = dataclasses.replace(cell, bandwidth_hz=20e6, workloads=work)
        for row, method in enumerate(methods):
            decision = solve(dataclasses.replace(cell, method=method), Options(gap=1e-4)).decision
            if decision is None:
                raise RuntimeError(f"{method} found no plan for {users} users")
            means[row, place] = 1e3 * np.average(
                latency(cell, decision).total_s, weights=cell.weight
            )
    for row in reversed(range(len(methods))):
        chart.curve(counts.astype(np.float64), means[row], COLOURS[row], 4.0 if row == 0 else 2.0)
        chart.label(row, methods[row].replace("_", " "), COLOURS[row])
    chart.write("multi-user-latency.svg")


if __name__ == "__main__":
    draw_table()
    draw_cells()
