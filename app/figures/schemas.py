"""Lists of figures, as JSON."""

from app.quantities import Body


class FigureEntry(Body):
    """A figure that there is."""

    name: str
    """What its address calls it."""
    title: str
    """What it shows, in a few words."""
    url: str
    """Where it is as data; with `.svg` after it, as a drawing."""
    takes_user: bool
    """Whether `?user=` has it show one user alone."""


class FigureList(Body):
    """The figures of a plan or profile."""

    items: list[FigureEntry]
    """All that there are."""
    next_cursor: None = None
    """Always null: they are one page."""
