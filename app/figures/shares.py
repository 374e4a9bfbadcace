"""How uplink and server are shared out."""

from dataclasses import dataclass

import numpy as np

from app.figures.columns import Columns
from app.figures.description import Figure, FigurePanel
from app.figures.marks import (
    MOST_ROWS,
    bars,
    from_zero,
    histogram,
    log_axis,
    quantiles,
    rows_axis,
)
from app.figures.scales import percent, quantity
from solvers.arrays import Floats


@dataclass(frozen=True, slots=True)
class _Good:
    """What is shared out."""

    field: str
    share: str
    label: str
    unit: str


_GOODS = (
    _Good("bandwidth_hz", "bandwidth_share", "uplink", "Hz"),
    _Good("server_flop_per_s", "server_share", "server", "FLOP/s"),
)
NUMBERS = tuple(name for good in _GOODS for name in (good.field, good.share))
TITLE = "Shares of uplink and server"


def exists(has: set[str]) -> bool:
    """Whether there is something to draw of users with these fields."""
    return any(good.field in has for good in _GOODS)


def figure(told: Columns) -> Figure:
    """The share of every user, or how shares are spread."""
    goods = [good for good in _GOODS if good.field in told.numbers]
    made = [(_rows if told.users <= MOST_ROWS else _spread)(told, good) for good in goods]
    alternative = " ".join(_words(told, good) for good in goods)
    return Figure(
        name="shares",
        title=TITLE if len(goods) > 1 else f"Shares of the {goods[0].label}",
        caption="What each user gets, and how much of the whole that is."
        if told.users <= MOST_ROWS
        else "How many users get how much; those who get nothing are left out.",
        alternative=alternative,
        panels=[panel for panel in made if panel is not None],
    )


def _rows(told: Columns, good: _Good) -> FigurePanel:
    names, given = told.texts["id"].told(), np.nan_to_num(told.numbers[good.field])
    share = told.numbers.get(good.share, np.full(len(names), np.nan))
    notes = [
        "none" if not amount else _note(amount, part, good.unit)
        for amount, part in zip(given, share, strict=True)
    ]
    texts = [f"{name}: {note}" for name, note in zip(names, notes, strict=True)]
    return FigurePanel(
        title=good.label if good.share in told.numbers and len(told.numbers) > 2 else None,
        x=from_zero(f"share of the {good.label}", good.unit, float(given.max(initial=0.0))),
        y=rows_axis(names, notes),
        marks=[bars("part-1", np.zeros(len(names)), given, texts=texts)],
    )


def _note(amount: float, part: float, unit: str) -> str:
    said = quantity(amount, unit)
    return f"{said} ({percent(part)})" if np.isfinite(part) else said


def _spread(told: Columns, good: _Good) -> FigurePanel | None:
    given = told.numbers[good.field]
    some: Floats = given[np.nan_to_num(given) > 0.0]
    if not len(some):
        return None
    axis = log_axis(f"share of the {good.label}", good.unit, (some.min(), some.max()))
    counted, most = histogram(some, axis)
    return FigurePanel(
        title=f"{good.label}: {len(some):,} of {told.users:,} users get some",
        x=axis,
        y=from_zero("users", None, 1.36 * most, integers=True),
        marks=[counted, *quantiles(some, axis, most)],
    )


def _words(told: Columns, good: _Good) -> str:
    given = np.nan_to_num(told.numbers[good.field])
    some = int(np.count_nonzero(given > 0.0))
    return (
        f"Of the {good.label} {some:,} of {told.users:,} users get"
        f" {quantity(given.sum(), good.unit)} together, the largest share is"
        f" {quantity(given.max(initial=0.0), good.unit)}."
    )
