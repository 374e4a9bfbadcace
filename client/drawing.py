"""Figures that a service describes, drawn with matplotlib (`pip install splitplan[plot]`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = dict[str, Any]

_COLOURS = {
    "part-1": "#0f6d66",
    "part-2": "#d0861f",
    "part-3": "#8a9693",
    "part-4": "#4c5fb0",
    "part-5": "#a34a7d",
    "part-6": "#5d3a1a",
    "limit": "#1a1f1e",
    "soft": "#d3dad7",
}
_HATCHES = {"part-2": "///", "part-3": "...", "part-4": "\\\\\\", "part-5": "||", "part-6": "++"}
_MARKERS = {"part-2": "s", "part-3": "D", "part-4": "^", "part-5": "v"}
_DASHES = {"part-2": "--", "part-3": ":", "part-4": "-."}
_ROW_IN, _PLOT_IN, _FRAME_IN, _WIDTH_IN = 0.28, 2.4, 0.9, 7.2


def drawn(figure: Json) -> Figure:
    """A figure as matplotlib has it: no window, and no state but its own.

    Raises ModuleNotFoundError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as missing:
        told = "plots need matplotlib: pip install splitplan[plot]"
        raise ModuleNotFoundError(told, name=missing.name) from missing
    panels = figure["panels"]
    heights = [_height_in(panel) for panel in panels] or [_FRAME_IN]
    made = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.7), layout="constrained")
    made.suptitle(figure["title"], x=0.02, ha="left", weight="bold")
    made.supxlabel(figure["caption"], x=0.02, ha="left", size="small", wrap=True)
    if panels:
        grid = made.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            _panel(axes, panel)
        _legend(made)
    return made


def _height_in(panel: Json) -> float:
    names = panel["y"].get("names")
    return _FRAME_IN + (_PLOT_IN if names is None else _ROW_IN * max(len(names), 2))


def _panel(axes: Axes, panel: Json) -> None:
    for marks in panel["marks"]:
        _marks(axes, marks)
    _axis(axes, "x", panel["x"])
    _axis(axes, "y", panel["y"])
    if "title" in panel:
        axes.set_title(panel["title"], loc="left", size="medium")
    axes.grid(axis="x" if "names" in panel["y"] else "both", color="#dcdfdc", zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _axis(axes: Axes, which: str, axis: Json) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

    of = axes.xaxis if which == "x" else axes.yaxis
    if "names" in axis:
        # The first row is at the top.
        axes.set_ylim(axis["high"], axis["low"])
        axes.set_yticks(range(len(axis["names"])), [_plain(name) for name in axis["names"]])
        for row, note in enumerate(axis.get("notes") or ()):
            axes.annotate(
                _plain(note),
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                size="small",
                color="#55605d",
            )
        return
    axes.set(**{f"{which}scale": axis["scale"], f"{which}lim": (axis["low"], axis["high"])})
    unit = axis.get("unit")
    if unit is not None and unit != "%":
        of.set_major_formatter(EngFormatter(unit=unit))
    if axis["scale"] == "linear":
        of.set_major_locator(MaxNLocator(6, integer=bool(axis.get("integers"))))
    if axis["scale"] == "log":
        of.set_minor_formatter(NullFormatter())
    of.set_label_text(f"{axis['label']} [%]" if unit == "%" else axis["label"])


def _marks(axes: Axes, marks: Json) -> None:
    tone, x, y = marks["tone"], marks["x"], marks["y"]
    how: Json = {"color": _COLOURS[tone], "label": marks.get("label")}
    if not x:
        return
    match marks["mark"]:
        case "boxes":
            wide = [end - start for start, end in zip(x, marks["x_to"], strict=True)]
            high = [end - start for start, end in zip(y, marks["y_to"], strict=True)]
            hatch = {"hatch": _HATCHES.get(tone), "edgecolor": "white", "linewidth": 0.0}
            axes.bar(x, high, wide, y, align="edge", **how | hatch)
        case "segments":
            for n, (start, end, low, top) in enumerate(_ends(marks)):
                axes.plot([start, end], [low, top], lw=2, **how | ({"label": None} if n else {}))
        case "line":
            dash = "--" if marks.get("dashed") else _DASHES.get(tone, "-")
            axes.plot(x, y, dash, lw=2, **how)
        case "band":
            axes.fill_between(x, y, marks["y_to"], alpha=0.22, lw=0, **how)
        case "points":
            axes.plot(x, y, _MARKERS.get(tone, "o"), ls="none", **how)
        case _:
            for across, up, text in zip(x, y, marks["texts"], strict=True):
                axes.annotate(_plain(text), (across, up), ha="center", va="center", size="small")


def _ends(marks: Json) -> Iterator[tuple[float, float, float, float]]:
    return zip(marks["x"], marks["x_to"], marks["y"], marks["y_to"], strict=True)


def _legend(made: Figure) -> None:
    """One legend for all panels, of what any of them has."""
    told: Json = {}
    for axes in made.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            told.setdefault(label, handle)
    if told:
        where: Json = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": len(told)}
        how: Json = {
            "frameon": False,
            "fontsize": "small",
            "handlelength": 1.2,
            "columnspacing": 1.0,
        }
        made.axes[0].legend(list(told.values()), list(told), **where, **how)


def _plain(text: str) -> str:
    """Words as they are: matplotlib would take what stands between dollars for a formula."""
    return text.replace("$", r"\$")
