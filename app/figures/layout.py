"""Where things are in a drawing: margins, rows, and how numbers become places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.figures.description import FigureAxis, FigurePanel
from app.figures.scales import axis_unit, log_ticks, plain, short, ticks

Size = Literal["wide", "narrow"]
WIDTHS: dict[Size, float] = {"wide": 720.0, "narrow": 380.0}

EDGE = 14.0
_LETTER = 6.8
"""About how wide a letter of 12 px is; the reader's font is not known."""
_PLOT_PX = {"wide": 230.0, "narrow": 200.0}


def words_px(text: str, scale: float = 1.0) -> float:
    """About how wide words are [px]."""
    return _LETTER * scale * len(text)


def shortened(text: str, px: float) -> str:
    """Words that fit, the last letter an ellipsis where they do not."""
    most = max(3, int(px / _LETTER + 0.5))
    return text if len(text) <= most else text[: most - 1] + "…"


def lines_of(text: str, px: float, scale: float = 1.0) -> list[str]:
    """Words in lines that fit."""
    lines = [""]
    for word in text.split():
        whole = f"{lines[-1]} {word}".strip()
        if lines[-1] and words_px(whole, scale) > px:
            lines.append(word)
        else:
            lines[-1] = whole
    return [shortened(line, px / scale) for line in lines]


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from one place to another [px]."""

    axis: FigureAxis
    start: float
    end: float
    above: float = 0.0
    """What of a row its name takes, above the marks [px]."""

    def __call__(self, value: float) -> float:
        """Where a value is; one beyond the axis is at its end."""
        axis = self.axis
        if axis.scale == "names":
            row, height = math.floor(value + 0.5), self.row_px
            middle = self.start + (row + 0.5) * height + self.above / 2.0
            return middle + (value - row) * (height - self.above)
        low, high = axis.low, axis.high
        if axis.scale == "log":
            value = math.log(max(value, low))
            low, high = math.log(low), math.log(high)
        part = (min(max(value, low), high) - low) / (high - low) if high > low else 0.0
        return self.start + part * (self.end - self.start)

    @property
    def row_px(self) -> float:
        """How high a row is [px]."""
        return (self.end - self.start) / max(len(self.axis.names or ()), 1)

    def ticks(self, every_px: float) -> list[tuple[float, str]]:
        """Round values with how they are written, about so far apart."""
        axis = self.axis
        about = max(2, int(abs(self.end - self.start) / every_px))
        if axis.scale == "log":
            found = log_ticks(axis.low, axis.high, about)
        else:
            found = ticks(axis.low, axis.high, about, integers=bool(axis.integers))
        if _has_prefixes(axis):
            return [(value, short(value)) for value in found]
        factor, _ = axis_unit(axis.low, axis.high, axis.unit)
        return [(value, plain(value * factor)) for value in found]


def _has_prefixes(axis: FigureAxis) -> bool:
    """Whether each tick has a prefix of its own: one for all would be far from some."""
    return axis.scale == "log" and axis.unit is not None and axis.high > 1e3 * axis.low


def axis_words(axis: FigureAxis) -> str:
    """An axis with its unit, as it is labelled."""
    unit = axis.unit if _has_prefixes(axis) else axis_unit(axis.low, axis.high, axis.unit)[1]
    return f"{axis.label} [{unit}]" if unit else axis.label


@dataclass(frozen=True, slots=True)
class Frame:
    """A panel's place in a drawing."""

    panel: FigurePanel
    top: float
    x: Scale
    y: Scale
    bottom: float
    """Where the next panel may begin [px]."""

    @classmethod
    def of(
        cls, panel: FigurePanel, top: float, size: Size, beside: Sequence[FigurePanel]
    ) -> "Frame":
        """The place of a panel that begins at `top`; its margins are those of all `beside` it."""
        width, names = WIDTHS[size], panel.y.names
        start = top + (22.0 if panel.title else 0.0)
        left, above = 50.0, 0.0
        if names is not None:
            widest = max(words_px(name) for each in beside for name in each.y.names or [""])
            left = EDGE if size == "narrow" else EDGE + min(widest, 0.36 * width) + 8.0
            above = 16.0 if size == "narrow" else 0.0
            high = max(len(names), 1) * (38.0 if size == "narrow" else 26.0)
            y = Scale(panel.y, start, start + high, above)
        else:
            start += 18.0  # what is along it is said above it
            y = Scale(panel.y, start + _PLOT_PX[size], start)
        notes = max(words_px(note) for each in beside for note in each.y.notes or [""])
        aside = 0.0 if above else notes
        right = width - EDGE - (aside + 8.0 if aside else 6.0)
        foot = max(y.start, y.end)
        return cls(panel, top, Scale(panel.x, left, right), y, foot + 44.0)

    @property
    def head(self) -> float:
        """Where the marks begin [px]."""
        return min(self.y.start, self.y.end)

    @property
    def foot(self) -> float:
        """Where they end [px]."""
        return max(self.y.start, self.y.end)
