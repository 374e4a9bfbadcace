"""A CSV as text: its encoding, its separator, the names of its columns, the lines of its rows."""

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from app.errors import FieldError, InvalidRequest, MalformedColumns
from app.field_errors import unknown_field
from app.plans.sheets.fields import Kind

_MOST_COLUMNS = 1000
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_BREAK = r"(?:\r\n|\r|\n)"
# A line that Excel reads and writes above the header.
_DECLARED = re.compile(rf'"?sep=([,;\t])"?{_BREAK}', re.IGNORECASE)
_HEADER = re.compile(rf"(?:[ \t]*{_BREAK})*+([^\r\n]*+)(?:{_BREAK}|\Z)")
_QUOTED = re.compile(r'"(?:[^"]|"")*+"')
_POINTER = re.compile(r"/users/(\d+)(?:/(.+))?")


@dataclass(frozen=True)
class Sheet:
    """A CSV whose header was read."""

    text: str
    separator: str
    names: Sequence[str]
    """Of its columns; empty where a column has none."""
    begin: int
    """Where its rows begin in the text."""

    @property
    def rows(self) -> str:
        """The text of its rows."""
        return self.text[self.begin :]

    def located(self, faults: Iterable[FieldError]) -> list[FieldError]:
        """Faults of users, who are its rows, with the line and the column of each."""
        return [self._located(fault) for fault in faults]

    def _located(self, fault: FieldError) -> FieldError:
        found = _POINTER.fullmatch(fault.pointer)
        if found is None or int(found[1]) >= len(self._lines):
            return fault
        where = f"line {self._lines[int(found[1])]}"
        steps = (found[2] or "").split("/")
        named = (".".join(steps[:n]) for n in range(len(steps), 0, -1))
        if name := next((name for name in named if name in self.names), ""):
            where += f", column {name}"
        return replace(fault, detail=f"{where}: {fault.detail}")

    def misshapen(self, said: str) -> MalformedColumns:
        """What is wrong with its rows, of which a reader said no more than this."""
        try:
            for line, row in self._numbered(strict=True):
                if row and len(row) != len(self.names):
                    mend = f"put a cell with one of its {_SEPARATORS[self.separator]} into quotes"
                    if self.separator == ",":
                        mend += ", and write decimals with a point"
                    cells = f"has {len(row)} cells and the header {len(self.names)}"
                    return MalformedColumns(f"Line {line} {cells}: {mend}.")
        except csv.Error as broken:
            return MalformedColumns(f"The body is not CSV: {broken}.")
        return MalformedColumns(f"The body is not CSV: {said}.")

    @cached_property
    def _lines(self) -> list[int]:
        """Where each row begins that is not blank."""
        found: list[int] = []
        # Of a cell longer than the module takes, the lines above it are known.
        with contextlib.suppress(csv.Error):
            for line, row in self._numbered():
                if any(map(str.strip, row)):
                    found.append(line)
        return found

    def _numbered(self, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(
            io.StringIO(self.rows, newline=""), delimiter=self.separator, strict=strict
        )
        above = len(re.findall(_BREAK, self.text[: self.begin])) + 1
        begin = 0
        for row in reader:
            yield above + begin, row
            begin = reader.line_num


def opened(body: bytes, fields: Mapping[str, Kind]) -> Sheet:
    """A CSV of users who have these fields. Raises MalformedColumns, InvalidRequest."""
    text = _text(body)
    declared = _DECLARED.match(text)
    header = _HEADER.match(text, declared.end() if declared else 0)
    assert header is not None  # whatever the text is
    separator = declared[1] if declared else _separator(header[1])
    try:
        names = next(csv.reader([header[1]], delimiter=separator, strict=True), [])
    except csv.Error as broken:
        raise MalformedColumns(f"The header is not CSV: {broken}.") from None
    if len(names) > _MOST_COLUMNS:
        raise MalformedColumns(f"The header has more than {_MOST_COLUMNS} columns.")
    sheet = Sheet(text, separator, [name.strip() for name in names], header.end())
    if faults := list(_faults_of_names(sheet.names, fields)):
        raise InvalidRequest(faults)
    return sheet


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise MalformedColumns(f'Line {line} is not UTF-8: save it as "CSV UTF-8".') from None
    if "\0" in text:  # UTF-16 is UTF-8 with these
        raise MalformedColumns('The body has NULs in it: save it as "CSV UTF-8".')
    return text


def _separator(header: str) -> str:
    """What stands between the names of a header, none of which has it in itself."""
    bare = _QUOTED.sub("", header)
    found = [separator for separator in _SEPARATORS if separator in bare]
    if len(found) > 1:
        between = " and ".join(_SEPARATORS[one] for one in found)
        raise MalformedColumns(f"The header has {between} between its names: use one of them.")
    return found[0] if found else ","


def _faults_of_names(names: Sequence[str], fields: Mapping[str, Kind]) -> Iterator[FieldError]:
    if not any(names):
        detail = "the first line must name the columns, as in id,device,model,deadline_s"
        yield FieldError("/users", detail)
    places: dict[str, int] = {}
    for n, name in enumerate(names, 1):
        if name in places:
            detail = f"columns {places[name]} and {n} are both called {name[:100]}: remove one"
            yield FieldError("/users", detail)
        elif name and name not in fields:
            yield FieldError("/users", f"column {name[:100]} {unknown_field(name, fields)}")
        if name:  # without a name it may be there, if nothing is below it
            places.setdefault(name, n)
