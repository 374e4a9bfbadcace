"""Figures as SVG: no script, nothing from elsewhere, every text a text node.

The tree is built and written by the standard library, which escapes what is text; characters that
XML has not are left out. Libraries of PyPI that draw axes put scripts into their drawings, those
that do not draw axes take seven times the memory.
"""

import math
import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from app.figures.description import Figure, FigureMarks
from app.figures.layout import (
    EDGE,
    WIDTHS,
    Frame,
    Size,
    axis_words,
    lines_of,
    shortened,
    words_px,
)
from app.figures.style import CSS, DASHES, pattern

MEDIA_TYPE = "image/svg+xml"

# XML 1.0, 2.2: whatever else is in a name cannot be written.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_PX = 16.0
_SHAPES = {
    "part-2": "M-4,-4h8v8h-8z",
    "part-3": "M0,-5l5,5l-5,5l-5,-5z",
    "part-4": "M0,-5l5,9h-10z",
    "part-5": "M0,5l5,-9h-10z",
}
_ROUND = "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z"


def drawn(figure: Figure, size: Size = "wide") -> bytes:
    """A figure as a whole SVG document."""
    return _Drawing(figure, size).written()


class _Drawing:
    def __init__(self, figure: Figure, size: Size) -> None:
        self._figure, self._size = figure, size
        self._width = WIDTHS[size]
        self._fills: dict[str, str] = {}
        self._root = Element("svg", xmlns="http://www.w3.org/2000/svg")
        _text(SubElement(self._root, "title", id=f"{figure.name}-title"), figure.title)
        _text(SubElement(self._root, "desc", id=f"{figure.name}-desc"), figure.alternative)
        SubElement(self._root, "style").text = CSS
        self._defs = SubElement(self._root, "defs")
        self._sheet = SubElement(self._root, "rect", {"class": "sheet"})

    def written(self) -> bytes:
        figure = self._figure
        y = self._lines(figure.title, EDGE + 12.0, "head", 1.25)
        y = self._legend(y + 4.0)
        for panel in figure.panels:
            frame = Frame.of(panel, y, self._size, figure.panels)
            self._panel(frame)
            y = frame.bottom + 6.0
        if not figure.panels:
            y += 8.0
        y = self._lines(figure.caption, y + 8.0, "quiet")
        height = y + EDGE - _LINE_PX + 4.0
        box = {"width": _px(self._width), "height": _px(height)}
        self._root.attrib |= box | {
            "viewBox": f"0 0 {_px(self._width)} {_px(height)}",
            "role": "img",
            "aria-labelledby": f"{figure.name}-title {figure.name}-desc",
        }
        self._sheet.attrib |= box
        written: bytes = tostring(self._root, "utf-8", xml_declaration=True)
        return written

    def _lines(self, text: str, y: float, kind: str, scale: float = 1.0) -> float:
        for line in lines_of(text, self._width - 2.0 * EDGE, scale):
            self._say(line, EDGE, y, kind)
            y += _LINE_PX * scale
        return y

    def _say(self, text: str, x: float, y: float, kind: str = "", anchor: str = "start") -> Element:
        said = {"x": _px(x), "y": _px(y)}
        said |= {"class": kind} if kind else {}
        said |= {"text-anchor": anchor} if anchor != "start" else {}
        return _text(SubElement(self._root, "text", said), text)

    def _legend(self, y: float) -> float:
        told: dict[str, FigureMarks] = {}
        for panel in self._figure.panels:
            told |= {one.label: one for one in panel.marks if one.label and one.x} | told
        if not told:
            return y + 2.0
        x = EDGE
        for label, marks in told.items():
            wide = 22.0 + words_px(label) + 14.0
            if x > EDGE and x + wide > self._width - EDGE:
                x, y = EDGE, y + 18.0
            self._key(marks, x, y)
            self._say(label, x + 20.0, y)
            x += wide
        return y + 18.0

    def _key(self, marks: FigureMarks, x: float, y: float) -> None:
        match marks.mark:
            case "boxes" | "band":
                self._box(marks, (x, y - 10.0, x + 14.0, y))
            case "points":
                self._shape(marks.tone, x + 7.0, y - 4.0)
            case "segments":
                lies = marks.y_to == marks.y
                path = (
                    f"{_px(x)},{_px(y - 4.0)}h14" if lies else f"{_px(x + 7.0)},{_px(y - 11.0)}v13"
                )
                self._stroke(marks, f"M{path}", 2.5)
            case _:
                self._stroke(marks, f"M{_px(x)},{_px(y - 4.0)}h14", 2.0)

    def _panel(self, frame: Frame) -> None:
        if frame.panel.title:
            self._say(
                shortened(frame.panel.title, self._width - 2.0 * EDGE),
                EDGE if frame.y.axis.names is not None else frame.x.start,
                frame.top + 12.0,
                "sub",
            )
        self._x_axis(frame)
        if frame.y.axis.names is None:
            self._y_axis(frame)
        else:
            self._rows(frame, frame.y.axis.names)
        for marks in frame.panel.marks:
            self._marks(frame, marks)

    def _x_axis(self, frame: Frame) -> None:
        for value, written in frame.x.ticks(64.0):
            x = frame.x(value)
            self._rule(x, frame.head, x, frame.foot + 4.0, "grid")
            near_end = x > self._width - 3.0 - words_px(written) / 2.0
            self._say(written, x, frame.foot + 17.0, "quiet", "end" if near_end else "middle")
        self._rule(frame.x.start, frame.foot, frame.x.end, frame.foot, "axis")
        words = shortened(axis_words(frame.x.axis), frame.x.end - EDGE)
        middle = (frame.x.start + frame.x.end) / 2.0
        self._say(words, middle, frame.foot + 34.0, "quiet", "middle")

    def _y_axis(self, frame: Frame) -> None:
        for value, written in frame.y.ticks(42.0):
            y = frame.y(value)
            self._rule(frame.x.start, y, frame.x.end, y, "grid")
            self._say(written, frame.x.start - 6.0, y + 4.0, "quiet", "end")
        words = shortened(axis_words(frame.y.axis), self._width - 2.0 * EDGE)
        self._say(words, EDGE, frame.head - 10.0, "quiet")

    def _rows(self, frame: Frame, names: Sequence[str]) -> None:
        notes = frame.y.axis.notes or [""] * len(names)
        room = self._width - 2.0 * EDGE
        for row, (name, note) in enumerate(zip(names, notes, strict=True)):
            above = frame.y.above > 0.0
            aside = min(words_px(note) + 10.0 if note else 0.0, 0.6 * room)
            fits = room - aside if above else frame.x.start - EDGE - 8.0
            y = frame.y(row) + 4.0 if not above else frame.y.start + row * frame.y.row_px + 12.0
            x, anchor = (EDGE, "start") if above else (frame.x.start - 8.0, "end")
            shown = shortened(name, fits)
            said = self._say(shown, x, y, "", anchor)
            if shown != name:
                said.text = None
                _text(SubElement(said, "title"), name)
                said[0].tail = _UNWRITABLE.sub("\ufffd", shown)
            if note:
                self._say(shortened(note, 0.6 * room), self._width - EDGE, y, "quiet", "end")

    def _rule(self, x: float, y: float, x_to: float, y_to: float, kind: str) -> None:
        ends = {"x1": _px(x), "y1": _px(y), "x2": _px(x_to), "y2": _px(y_to)}
        SubElement(self._root, "line", ends | {"class": kind})

    def _marks(self, frame: Frame, marks: FigureMarks) -> None:
        places = list(_places(frame, marks))
        if marks.mark == "line":
            self._stroke(marks, "M" + "L".join(f"{_px(x)},{_px(y)}" for _, x, y, _, _ in places))
            return
        if marks.mark == "band":
            there = "L".join(f"{_px(x)},{_px(y)}" for _, x, y, _, _ in places)
            back = "L".join(f"{_px(x)},{_px(y)}" for _, x, _, _, y in reversed(places))
            kind = {"class": f"f-{marks.tone}", "fill-opacity": "0.22"}
            SubElement(self._root, "path", {"d": f"M{there}L{back}z"} | kind)
            return
        for n, x, y, x_to, y_to in places:
            made: Element | None = None
            match marks.mark:
                case "boxes":
                    made = self._box(marks, (x, y, x_to, y_to))
                case "segments":
                    made = self._stroke(marks, f"M{_px(x)},{_px(y)}L{_px(x_to)},{_px(y_to)}", 2.5)
                case "points":
                    made = self._shape(marks.tone, x, y)
            said = marks.texts[n] if marks.texts else ""
            if made is None:
                self._label(frame, said, x, y)
            elif said:
                _text(SubElement(made, "title"), said)

    def _label(self, frame: Frame, said: str, x: float, y: float) -> None:
        wide = words_px(said) / 2.0
        x = min(max(x, frame.x.start + wide), max(self._width - EDGE - wide, frame.x.start + wide))
        self._say(said, x, y + 4.0, "halo", "middle")

    def _box(self, marks: FigureMarks, ends: tuple[float, float, float, float]) -> Element:
        x, x_to = sorted((ends[0], ends[2]))
        y, y_to = sorted((ends[1], ends[3]))
        tone = marks.tone
        if tone not in self._fills:
            self._fills[tone] = pattern(self._defs, tone, f"{self._figure.name}-{tone}")
        fill = self._fills[tone]
        size = {"x": _px(x), "y": _px(y), "width": _px(x_to - x, 2), "height": _px(y_to - y)}
        how = {"fill": fill} if fill else {"class": f"f-{tone}"}
        return SubElement(self._root, "rect", size | how)

    def _stroke(self, marks: FigureMarks, path: str, wide: float = 2.0) -> Element:
        how = {"class": f"s-{marks.tone}", "stroke-width": f"{wide:g}"}
        dash = DASHES.get(marks.tone) if marks.mark == "line" else None
        if marks.dashed or dash:
            how["stroke-dasharray"] = dash or "5 4"
        return SubElement(self._root, "path", {"d": path} | how)

    def _shape(self, tone: str, x: float, y: float) -> Element:
        place = {"transform": f"translate({_px(x)},{_px(y)})", "class": f"f-{tone}"}
        return SubElement(self._root, "path", {"d": _SHAPES.get(tone, _ROUND)} | place)


def _places(frame: Frame, marks: FigureMarks) -> Iterator[tuple[int, float, float, float, float]]:
    """The marks that are numbers, with their ends [px]."""
    ends = zip(marks.x, marks.y, marks.x_to or marks.x, marks.y_to or marks.y, strict=True)
    for n, (x, y, x_to, y_to) in enumerate(ends):
        if all(map(math.isfinite, (x, y, x_to, y_to))):
            yield n, frame.x(x), frame.y(y), frame.x(x_to), frame.y(y_to)


def _text(element: Element, said: str) -> Element:
    element.text = _UNWRITABLE.sub("\ufffd", said)
    return element


def _px(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
