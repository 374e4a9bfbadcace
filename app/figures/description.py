"""What is in a figure, as data: whoever draws it needs to know nothing of plans."""

from typing import Literal

from app.quantities import Body, absent

Tone = Literal["part-1", "part-2", "part-3", "part-4", "part-5", "part-6", "limit", "soft"]
"""What a colour and a pattern stand for: parts of a whole, a limit that is to be kept, and what is
only there for comparison."""


class FigureAxis(Body):
    """An axis: numbers in SI, or the names of rows."""

    label: str
    """What is along it."""
    unit: str | None = absent()
    """The SI unit of its numbers, or `%`; absent where they have none."""
    scale: Literal["linear", "log", "names"]
    """`names`: row n lies between n - 0.5 and n + 0.5, the first at the top."""
    low: float
    """Where it begins."""
    high: float
    """Where it ends."""
    names: list[str] | None = absent()
    """What each row is called."""
    notes: list[str] | None = absent()
    """What is said at the end of each row."""
    integers: bool | None = absent()
    """Whether its numbers are counts."""


class FigureMarks(Body):
    """Marks that mean the same, column by column, in the numbers of the axes."""

    mark: Literal["boxes", "segments", "line", "band", "points", "labels"]
    """`boxes` and `segments` go from (x, y) to (x_to, y_to); `band` lies between y and y_to; `line`
    joins its points; `labels` are words at a place."""
    tone: Tone
    """What its colour stands for."""
    label: str | None = absent()
    """What the legend calls it; absent: it is not in the legend."""
    x: list[float]
    """Where along the x axis each begins."""
    y: list[float]
    """Where along the y axis each begins."""
    x_to: list[float] | None = absent()
    """Where along the x axis each ends."""
    y_to: list[float] | None = absent()
    """Where along the y axis each ends."""
    texts: list[str] | None = absent()
    """What each says: seen of labels, heard and shown by pointing of others."""
    dashed: bool | None = absent()
    """Whether a line is dashed."""


class FigurePanel(Body):
    """One pair of axes and what is drawn there, the first below the later."""

    title: str | None = absent()
    """Of one of several panels."""
    x: FigureAxis
    """The axis from left to right."""
    y: FigureAxis
    """The axis from bottom to top, of names from top to bottom."""
    marks: list[FigureMarks]
    """All that is drawn."""


class Figure(Body):
    """A figure as data: panels one below the other."""

    name: str
    """What its address calls it."""
    title: str
    """What it shows, in a few words."""
    caption: str
    """What there is to see, and what it rests on."""
    alternative: str
    """The same for who does not see it, with its main numbers."""
    panels: list[FigurePanel]
    """From top to bottom; none where there is nothing to draw."""
