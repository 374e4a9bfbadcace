"""The cells of a CSV as columns of texts, numbers and lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from app import columns_apart
from app.arrow import pa, pc
from app.columns_apart import Limits
from app.errors import FieldError, InvalidRequest, MalformedColumns, MalformedJson
from app.http.bodies import parse_json
from app.http.media import CSV
from app.plans.sheets.fields import Kind
from app.plans.sheets.sheet import Sheet

_LISTED = 100
_NOT_CSV = f"The body is not {CSV}: "
_NUMBER = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
# Thousands to some, and a number with three decimals to others.
_GROUPED = r"^[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}$"
_WITH_UNIT = re.compile(r"[-+]?[0-9.,]+\s*(?:[^\W\d]|[%°]).*")
_MARKS = {".": "point", ",": "comma"}


def columns(sheet: Sheet, fields: Mapping[str, Kind], limits: Limits) -> pa.Table:
    """The rows of a sheet.

    Raises what `columns_apart.read` does, and InvalidRequest with pointers to users.
    """
    table = _texts(sheet, limits)
    numbers = [name for name in table.column_names if fields[name] == "number"]
    mark = _decimal_mark(table.select(numbers), sheet.separator)
    faults: list[FieldError] = []
    for n, name in enumerate(table.column_names):
        if fields[name] == "text":
            continue
        column = table[name].combine_chunks()
        read, wrong = _numbers(column, mark) if fields[name] == "number" else _values(column)
        faults += [_fault(row, name, said) for row, said in wrong]
        table = table.set_column(n, name, read)
    if faults:
        raise InvalidRequest(sorted(faults, key=_row)[:_LISTED])
    return table


def _row(fault: FieldError) -> int:
    return int(fault.pointer.split("/")[2])


def _texts(sheet: Sheet, limits: Limits) -> pa.Table:
    """The cells as texts without the spaces around them, null where nothing is left; without rows
    and unnamed columns of nothing.
    """
    names = [name or f"\0{n}" for n, name in enumerate(sheet.names)]
    table = _table(sheet, pa.schema([(name, pa.string()) for name in names]), limits)
    for n, name in enumerate(names):
        trimmed = pc.utf8_trim_whitespace(table[name])
        nothing = pc.equal(trimmed, "")
        table = table.set_column(n, name, pc.if_else(nothing, _nothing(), trimmed))
    said = np.zeros(table.num_rows, np.bool_)
    for name in names:
        said |= table[name].is_valid().to_numpy()
    table = table if said.all() else table.filter(pa.array(said))
    for n, name in enumerate(names):
        if name.startswith("\0"):
            if table[name].null_count < table.num_rows:
                row = int(np.argmax(table[name].is_valid().to_numpy()))
                detail = f"has a cell in column {n + 1}, which the header does not name"
                raise InvalidRequest([FieldError(f"/users/{row}", detail)])
            table = table.drop_columns([name])
    return table


def _table(sheet: Sheet, schema: pa.Schema, limits: Limits) -> pa.Table:
    rows = sheet.rows
    if not rows.strip():
        return schema.empty_table()
    if rows.count('"') % 2:  # Arrow would take the last quote to end with the file
        raise sheet.misshapen("a quote does not end")
    told = {"names": schema.names, "separator": sheet.separator}
    try:
        return columns_apart.read(CSV, rows.encode(), limits, **told)
    except MalformedColumns as damaged:
        raise sheet.misshapen(damaged.detail.removeprefix(_NOT_CSV).removesuffix(".")) from None


def _decimal_mark(numbers: pa.Table, separator: str) -> str:
    """What stands before the decimals of all numbers of a table: where commas separate nothing they
    may, if it is certain. Raises InvalidRequest where it is not.
    """
    if separator == ",":
        return "."
    marked = [mark for mark in _MARKS if _first(numbers, mark) is not None]
    if len(marked) > 1:
        said = "has a point, and other numbers have a comma: write all of them alike"
        raise InvalidRequest([_fault(*_known(_first(numbers, ".")), said)])
    for mark in marked:
        if _first(numbers, mark, grouped=False) is None:
            row, name = _known(_first(numbers, mark))
            whole, _, rest = numbers[name][row].as_py().partition(mark)
            said = f"is {whole}{mark}{rest}, which may be {whole}{rest} or {whole}.{rest}"
            mend = f"write {whole}{rest}, or {whole}{mark}{rest.rstrip('0') or '0'}"
            raise InvalidRequest([_fault(row, name, f"{said}: {mend}")])
    return marked[0] if marked else "."


def _first(numbers: pa.Table, mark: str, *, grouped: bool = True) -> tuple[int, str] | None:
    """The first cell with a mark; perhaps only of those that cannot be thousands."""
    found: list[tuple[int, str]] = []
    for name in numbers.column_names:
        has = pc.match_substring(numbers[name], mark)
        if not grouped:
            has = pc.and_not(has, pc.match_substring_regex(numbers[name], _GROUPED))
        if (row := pc.index(has, True).as_py()) >= 0:
            found.append((row, name))
    return min(found, default=None)


def _known(place: tuple[int, str] | None) -> tuple[int, str]:
    assert place is not None
    return place


def _fault(row: int, name: str, said: str) -> FieldError:
    return FieldError(f"/users/{row}/{name.replace('.', '/')}", said)


def _numbers(column: pa.Array, mark: str) -> tuple[pa.Array, Iterator[tuple[int, str]]]:
    """Texts as numbers, and which of them are none and why."""
    pointed = column if mark == "." else pc.replace_substring(column, mark, ".")
    is_number = pc.fill_null(pc.match_substring_regex(pointed, _NUMBER), False)
    # Arrow reads no plus; of what is beyond its numbers it makes infinity, as JSON does.
    plain = pc.utf8_ltrim(pc.if_else(is_number, pointed, _nothing()), "+")
    wrong = pc.indices_nonzero(pc.and_(column.is_valid(), pc.invert(is_number)))
    cells = ((row, column[row].as_py()) for row in wrong[:_LISTED].to_pylist())
    return plain.cast(pa.float64()), ((row, _no_number(cell)) for row, cell in cells)


def _no_number(cell: str) -> str:
    said = f"must be a number, not {cell[:100]!r}"
    if re.fullmatch(_NUMBER, cell.replace(",", ".")):
        return f"{said}: write {cell.replace(',', '.')}, or separate columns by semicolons"
    if _WITH_UNIT.fullmatch(cell):
        return f"{said}: leave a unit out, the name of the column has it"
    return said


def _values(column: pa.Array) -> tuple[pa.Array, Iterator[tuple[int, str]]]:
    """Texts as the JSON in them, each of those that are the same once."""
    coded = column.dictionary_encode()
    values: list[Any] = []
    said: dict[int, str] = {}
    for code, cell in enumerate(coded.dictionary.to_pylist()):
        try:
            value = parse_json(cell.encode())
        except MalformedJson:
            value = None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            said[code] = f'must be a list as in ["one", "another"], not {cell[:100]!r}'
        values.append(None if code in said else value)
    codes = coded.indices.to_pylist() if said else []
    wrong = ((row, said[code]) for row, code in enumerate(codes) if code in said)
    read = pa.array(values, pa.list_(pa.string()))
    return read.take(coded.indices), wrong


def _nothing() -> pa.Scalar:
    return pa.scalar(None, pa.string())
