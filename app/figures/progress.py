"""How objective and bound came together while a plan was solved."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.figures.description import Figure, FigureAxis, FigurePanel
from app.figures.marks import from_zero, marks
from app.figures.scales import percent, quantity, round_up, ticks

TITLE = "Best plan and bound while solving"
_MOST_STEPS = 400


@dataclass(frozen=True, slots=True)
class Moment:
    """What was known at a time; NaN: nothing yet."""

    at_s: float
    objective: float
    bound: float


def figure(moments: Sequence[Moment], unit: str | None) -> Figure:
    """Objective and bound over time."""
    every = max(1, len(moments) // _MOST_STEPS)
    kept = [*moments[:-1:every], *moments[-1:]]
    known = [v for one in kept for v in (one.objective, one.bound) if v == v]
    low, high = min(known), max(known)
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    step = ticks(low - margin, high + margin, 4)
    y = FigureAxis(
        label="objective",
        unit=unit,
        scale="linear",
        low=min(low, step[0]) - margin / 4.0,
        high=high + margin,
    )
    x = from_zero("time", "s", round_up(max(one.at_s for one in kept)))
    times = [one.at_s for one in kept]
    drawn = [
        marks("line", "part-1", times, [one.objective for one in kept], label="best plan so far"),
        marks("line", "part-2", times, [one.bound for one in kept], label="bound of all plans"),
    ]
    drawn += [
        marks("points", each.tone, each.x, each.y) for each in drawn if len(each.x) <= 30 and each.x
    ]
    last = kept[-1]
    said = f"After {quantity(last.at_s, 's')}"
    said += (
        f" the best plan is at {quantity(last.objective, unit)}"
        if last.objective == last.objective
        else ""
    )
    said += f", the bound at {quantity(last.bound, unit)}" if last.bound == last.bound else ""
    if last.objective == last.objective and last.bound == last.bound and last.objective:
        said += f", {percent((last.objective - last.bound) / abs(last.objective))} apart"
    return Figure(
        name="progress",
        title=TITLE,
        caption="No plan is below the bound; where the two meet the plan is proven.",
        alternative=said + ".",
        panels=[FigurePanel(x=x, y=y, marks=drawn)],
    )
