"""What an inference spends, part by part, for each kind of device and for all."""

import numpy as np

from app.figures.columns import Columns
from app.figures.description import Figure, FigureMarks, FigurePanel
from app.figures.marks import TONES, bars, from_zero, rows_axis
from app.figures.scales import percent, plain, quantity
from solvers.arrays import Floats, Integers

_SHORT = {
    "compute_j": "computing",
    "static_j": "static",
    "radio_j": "radio",
    "wait_j": "waiting",
    "standby_j": "standby",
}
_OF_EARLIER = {"compute_energy_j": "computing", "radio_energy_j": "radio"}
_WITHIN = ("energy", "expected.energy")
NUMBERS = (
    *(f"{within}.{part}" for within in _WITHIN for part in _SHORT),
    *_OF_EARLIER,
)
_MOST_KINDS = 12
TITLE = "Energy of an inference"


def exists(has: set[str]) -> bool:
    """Whether there is something to draw of users with these fields."""
    return not has.isdisjoint(NUMBERS)


def _parts(told: Columns) -> dict[str, Floats]:
    """The energy of each part [J], by its name; those that nobody has are left out."""
    for names in (
        *({f"{within}.{part}": name for part, name in _SHORT.items()} for within in _WITHIN),
        _OF_EARLIER,
    ):
        found = {
            name: np.nan_to_num(told.numbers[field])
            for field, name in names.items()
            if field in told.numbers
        }
        if found:
            return {name: part for name, part in found.items() if part.any()} or found
    return {}


def _kinds(told: Columns) -> tuple[list[str], Integers]:
    """The kinds of device, the most frequent first, and whose is which; the rest are one."""
    if "device" not in told.texts:
        return [], np.full(told.users, -1)
    codes, texts = told.texts["device"].codes, told.texts["device"].texts
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    order = np.argsort(-counts, kind="stable")
    places = np.empty(len(texts), np.int64)
    places[order] = np.arange(len(texts))
    names = [texts[n] for n in order]
    if len(names) > _MOST_KINDS:
        names = [*names[: _MOST_KINDS - 1], f"{len(names) - _MOST_KINDS + 1} other kinds"]
    return names, np.where(codes >= 0, np.minimum(places[codes], len(names) - 1), -1)


def figure(told: Columns) -> Figure:
    """Means over all users and over those of each kind of device."""
    parts, (kinds, kind) = _parts(told), _kinds(told)
    many = np.bincount(kind[kind >= 0], minlength=len(kinds))
    one = len(kinds) == 1
    names, members = ["all users"], np.array([told.users, *many])
    if one:
        names, members = kinds, many
    elif kinds:
        names = ["all users", *kinds]
    means = {name: _means(part, kind, members, one=one) for name, part in parts.items()}
    end = np.zeros(len(names))
    drawn: list[FigureMarks] = []
    for (name, mean), tone in zip(means.items(), TONES, strict=False):
        texts = [f"{of}: {name} {quantity(j, 'J')}" for of, j in zip(names, mean, strict=True)]
        drawn.append(bars(tone, end, end + mean, texts=texts, label=name))
        end = end + mean
    notes = [
        f"{quantity(j, 'J')} × {plain(n)}" for j, n in zip(end, members[: len(names)], strict=True)
    ]
    panel = FigurePanel(
        x=from_zero("mean energy of an inference", "J", float(end.max(initial=0.0))),
        y=rows_axis(names, notes),
        marks=drawn,
    )
    return _whole(panel, told, parts)


def _means(part: Floats, kind: Integers, members: Integers, *, one: bool) -> Floats:
    known = kind >= 0
    kinds = len(members) - (0 if one else 1)
    sums = np.bincount(kind[known], part[known], minlength=kinds)
    whole = sums if one else np.array([part.sum(), *sums])
    means: Floats = whole / np.maximum(members, 1)
    return means


def _whole(panel: FigurePanel, told: Columns, parts: dict[str, Floats]) -> Figure:
    total = sum(float(part.sum()) for part in parts.values())
    shares = ", ".join(
        f"{name} {percent(float(part.sum()) / total if total else 0.0)}"
        for name, part in parts.items()
    )
    return Figure(
        name="energy",
        title=TITLE,
        caption="Expected energy at the device, mean of all users and of those of each kind of"
        " device; beside it times how many they are.",
        alternative=f"Of {quantity(total, 'J')} for an inference of all {told.users:,} users:"
        f" {shares}.",
        panels=[panel],
    )
