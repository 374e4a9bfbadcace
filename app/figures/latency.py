"""Times of an inference against deadlines: bars where users are few, else how they are spread."""

import numpy as np

from app.figures.columns import Columns
from app.figures.description import Figure, FigureMarks, FigurePanel
from app.figures.marks import (
    BAR,
    MOST_ROWS,
    TONES,
    bars,
    from_zero,
    histogram,
    marks,
    quantiles,
    rows_axis,
)
from app.figures.scales import percent, quantity
from solvers.arrays import Floats

PARTS = {
    "latency.device_s": "device",
    "latency.uplink_s": "uplink",
    "latency.network_s": "network",
    "latency.server_s": "server",
}
NUMBERS = (
    *PARTS,
    "latency.mean_s",
    "latency.bound_s",
    "expected.time_s",
    "deadline_s",
)
TITLE = "Time of an inference"
AGAINST = "Time of an inference against the deadline"


def exists(has: set[str]) -> bool:
    """Whether there is something to draw of users with these fields."""
    return "latency.mean_s" in has or "expected.time_s" in has


def figure(told: Columns) -> Figure:
    """Times of every user, or how they are spread."""
    found = told.numbers
    whole = found.get("latency.bound_s", found.get("latency.mean_s", found.get("expected.time_s")))
    assert whole is not None
    if told.users <= MOST_ROWS:
        return _bars(told, whole)
    return _spread(told, whole)


def _bars(told: Columns, whole: Floats) -> Figure:
    found, names = told.numbers, told.texts["id"].told()
    none = np.full(len(names), np.nan)
    deadline = found.get("deadline_s", none)
    notes = [_note(time, limit) for time, limit in zip(whole, deadline, strict=True)]
    drawn: list[FigureMarks] = []
    end = np.zeros(len(names))
    for (field, name), tone in zip(PARTS.items(), TONES, strict=False):
        part = np.nan_to_num(found.get(field, none))
        texts = [f"{user}: {name} {quantity(s, 's')}" for user, s in zip(names, part, strict=True)]
        drawn.append(bars(tone, end, end + part, texts=texts, label=name))
        end = end + part
    if "expected.time_s" in found:
        drawn.append(bars("part-1", end, whole, label="expected time", texts=notes))
    elif "latency.bound_s" in found:
        texts = [
            f"{user}: margin {quantity(s, 's')}" for user, s in zip(names, whole - end, strict=True)
        ]
        drawn.append(bars("soft", end, whole, texts=texts, label="margin"))
    at = np.arange(len(names), dtype=float)
    limit = marks(
        "segments",
        "limit",
        deadline,
        at - BAR - 0.08,
        x_to=deadline,
        y_to=at + BAR + 0.08,
        label="deadline",
        texts=[f"{user}: deadline" for user in names],
    )
    drawn += [limit] if limit.x else []
    most = float(np.nanmax([*whole, *np.nan_to_num(deadline)], initial=0.0))
    panel = FigurePanel(x=from_zero("time", "s", most), y=rows_axis(names, notes), marks=drawn)
    caption, alternative = _words(told, whole, deadline)
    return _whole(limit.x != [], caption, alternative, [panel])


def _note(time: float, limit: float) -> str:
    said = quantity(time, "s")
    return f"{said} of {quantity(limit, 's')}" if np.isfinite(limit) else said


def _words(told: Columns, whole: Floats, deadline: Floats) -> tuple[str, str]:
    caption = "Mean times of each part"
    if "latency.bound_s" in told.numbers:
        caption += " and the margin that keeps the promised risk"
    if "expected.time_s" in told.numbers:
        caption = "Expected time of an inference, waits for the channel included"
    many = "1 user" if told.users == 1 else f"{told.users} users"
    slowest = int(np.nanargmax(whole))
    name = told.texts["id"].told()[slowest]
    alternative = f"Bars for {many}. The slowest is {name}: {_note(whole[slowest], np.nan)}"
    used = whole / deadline
    if np.any(np.isfinite(used)):
        nearest = int(np.nanargmax(used))
        alternative += (
            f". Nearest to its deadline is {told.texts['id'].told()[nearest]}, which uses"
            f" {percent(used[nearest])} of it"
        )
    return caption + ".", alternative + "."


def _spread(told: Columns, whole: Floats) -> Figure:
    deadline = told.numbers.get("deadline_s", np.full(told.users, np.nan))
    used = 100.0 * whole / deadline
    known = np.isfinite(used)
    against = bool(known.all())
    values, unit = (used, "%") if against else (whole[np.isfinite(whole)], "s")
    label = "part of the deadline that is used" if against else "time"
    axis = from_zero(label, unit, 100.0 if against else float(values.max()))
    if against and values.max() > 100.0 + 1e-6:
        axis = from_zero(label, unit, float(values.max()))
    counted, most = histogram(values, axis)
    drawn = [counted, *quantiles(values, axis, most)]
    y = from_zero("users", None, 1.36 * most, integers=True)
    middle, late, largest = np.quantile(values, (0.5, 0.95, 1.0)).tolist()
    alternative = (
        f"Histogram of {told.users:,} users: half of them within {quantity(middle, unit)},"
        f" 95 % within {quantity(late, unit)}, all within {quantity(largest, unit)}."
    )
    caption = "How many users take how long"
    if against:
        bound = "mean time and margin" if "latency.bound_s" in told.numbers else "mean time"
        caption = f"How much of its deadline the {bound} of each user takes"
    return _whole(against, caption + ".", alternative, [FigurePanel(x=axis, y=y, marks=drawn)])


def _whole(against: bool, caption: str, alternative: str, panels: list[FigurePanel]) -> Figure:
    return Figure(
        name="latency",
        title=AGAINST if against else TITLE,
        caption=caption,
        alternative=alternative,
        panels=panels,
    )
