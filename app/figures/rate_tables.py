"""Decision tables over rates: which cut at which rate, user by user or by how many take it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures.description import Figure, FigureAxis, FigureMarks, FigurePanel, Tone
from app.figures.marks import BAR, TONES, from_zero, marks, rows_axis
from app.figures.scales import quantity

_MOST_USERS, _MOST_SPANS, _BINS = 12, 400, 60
_NOTHING, _OTHERS = "nothing keeps the limits", "other cuts"


@dataclass(frozen=True, slots=True)
class _Span:
    """What a user does at rates from `low` to `high` [bit/s]."""

    low: float
    high: float
    cut: str
    said: str


@dataclass(frozen=True, slots=True)
class _User:
    id: str
    spans: list[_Span]
    planned_bps: float


def _user(entry: Mapping[str, Any]) -> _User:
    spans: list[_Span] = []
    for row in entry["table"]["rows"]:
        cut = _NOTHING if row["cut"] is None else str(row["cut_name"])
        high = math.inf if row["rate_to_bps"] is None else float(row["rate_to_bps"])
        how = "" if row["bits"] is None else f", {row.get('codec') or str(row['bits']) + ' bit'}"
        said = f"{cut}{how} from {quantity(row['rate_from_bps'], 'bit/s')}"
        if spans and spans[-1].cut == cut and spans[-1].said.startswith(cut + how):
            spans[-1] = _Span(spans[-1].low, high, cut, spans[-1].said)
        else:
            spans.append(_Span(float(row["rate_from_bps"]), high, cut, said))
    return _User(entry["id"], spans, float(entry.get("rate_bps") or math.nan))


def figure(entries: Iterable[Mapping[str, Any]]) -> Figure:
    """The tables of users."""
    users = [_user(entry) for entry in entries]
    axis = _axis(users)
    tones = _tones(users, axis)
    spans = sum(len(user.spans) for user in users)
    single = len(users) <= _MOST_USERS and spans <= _MOST_SPANS
    panel = _rows(users, axis, tones) if single else _shares(users, axis, tones)
    said = [f"{user.id}: {', '.join(span.said for span in user.spans[:6])}" for user in users[:3]]
    caption = "Which cut is the best at which rate of the uplink"
    if not single:
        caption += ", by the part of the users who take it"
    return Figure(
        name="decisions",
        title="Decision table over rates" if len(users) == 1 else "Decision tables over rates",
        caption=caption + ".",
        alternative=f"Tables of {len(users):,} users. " + "; ".join(said) + ".",
        panels=[panel],
    )


def _axis(users: Sequence[_User]) -> FigureAxis:
    """Rates around all at which something changes, or which are planned."""
    ends = {user.planned_bps for user in users}
    ends |= {span.low for user in users for span in user.spans}
    known = sorted(end for end in ends if end > 0.0 and math.isfinite(end)) or [1e6]
    low, high = known[0] / 3.0, known[-1] * 3.0
    return FigureAxis(label="rate of the uplink", unit="bit/s", scale="log", low=low, high=high)


def _tones(users: Sequence[_User], axis: FigureAxis) -> dict[str, Tone]:
    """A tone for each of the cuts that matter most, in the order in which they come."""
    spread: Counter[str] = Counter()
    order: dict[str, int] = {}
    for user in users:
        for span in user.spans:
            order.setdefault(span.cut, len(order))
            low, high = max(span.low, axis.low), min(span.high, axis.high)
            spread[span.cut] += int(1e6 * max(0.0, math.log(high / low))) + 1
    cuts = [cut for cut, _ in spread.most_common() if cut != _NOTHING]
    most = len(TONES) if len(cuts) <= len(TONES) else len(TONES) - 1
    named = sorted(cuts[:most], key=order.__getitem__)
    tones: dict[str, Tone] = dict(zip(named, TONES, strict=False))
    return tones | {_NOTHING: "soft"}


def _named(cut: str, tones: Mapping[str, Tone]) -> tuple[str, Tone]:
    return (cut, tones[cut]) if cut in tones else (_OTHERS, TONES[-1])


def _rows(users: Sequence[_User], axis: FigureAxis, tones: Mapping[str, Tone]) -> FigurePanel:
    found: dict[tuple[str, Tone], list[tuple[float, float, float, str]]] = {}
    for row, user in enumerate(users):
        for span in user.spans:
            low, high = max(span.low, axis.low), min(span.high, axis.high)
            if high > low:
                said = f"{user.id}: {span.said}"
                found.setdefault(_named(span.cut, tones), []).append((low, high, row, said))
    drawn = [
        marks(
            "boxes",
            tone,
            [low for low, _, _, _ in spans],
            [row - BAR for _, _, row, _ in spans],
            x_to=[high for _, high, _, _ in spans],
            y_to=[row + BAR for _, _, row, _ in spans],
            texts=[said for _, _, _, said in spans],
            label=cut,
        )
        for (cut, tone), spans in found.items()
    ]
    planned = [user.planned_bps for user in users]
    at = np.arange(len(users), dtype=float)
    lines = marks(
        "segments", "limit", planned, at - 0.44, x_to=planned, y_to=at + 0.44, label="planned rate"
    )
    drawn += [lines] if lines.x else []
    return FigurePanel(x=axis, y=rows_axis([user.id for user in users]), marks=drawn)


def _shares(users: Sequence[_User], axis: FigureAxis, tones: Mapping[str, Tone]) -> FigurePanel:
    edges = np.geomspace(axis.low, axis.high, _BINS + 1)
    middles = np.sqrt(edges[:-1] * edges[1:])
    counts: dict[tuple[str, Tone], np.ndarray[Any, np.dtype[np.float64]]] = {}
    for user in users:
        starts = np.array([span.low for span in user.spans])
        which = np.searchsorted(starts, middles, side="right") - 1
        for n, span in enumerate(user.spans):
            key = _named(span.cut, tones)
            counts.setdefault(key, np.zeros(_BINS))[which == n] += 100.0 / len(users)
    end = np.zeros(_BINS)
    drawn: list[FigureMarks] = []
    for (cut, tone), part in counts.items():
        some = part > 0.0
        drawn.append(
            marks(
                "boxes",
                tone,
                edges[:-1][some],
                end[some],
                x_to=edges[1:][some],
                y_to=(end + part)[some],
                label=cut,
            )
        )
        end = end + part
    return FigurePanel(x=axis, y=from_zero("users", "%", 100.0), marks=drawn)
