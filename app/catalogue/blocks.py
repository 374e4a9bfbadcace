"""Tables of blocks in the manner of Scission: a network run one block of layers after the other,
each block timed.

A row is one block: `machine`, `network`, `first_layer`, `last_layer`, `layers`, `time_ms`,
`output_byte`, `flop`, `params`, and `source`; a block that is flagged as `gpu_unsynchronised` was
timed without waiting for the GPU, so its time says nothing.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

FLOAT32_BYTE = 4
COLUMNS = ("machine", "network", "first_layer", "last_layer", "layers", "time_ms", "output_byte")
MOST_ROWS = 100_000
MOST_CHARACTERS = 10_000


class TableFault(Exception):
    """A line of a table that cannot be read, and what to do."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"line {line}: {detail}")


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that run one after the other: the numbers of the first and the last, what they are,
    what crosses behind them, and what they cost.
    """

    first_layer: int
    last_layer: int
    layers: str
    output_byte: int
    flop: int | None
    parameters: int | None


@dataclass(frozen=True, slots=True)
class TimedBlocks:
    """The blocks of one network on one machine, and the time of each [s]."""

    source: str
    machine: str
    network: str
    blocks: tuple[Block, ...]
    time_s: tuple[float, ...]


def read_blocks(lines: Iterable[str]) -> Iterator[TimedBlocks]:
    """The networks of a table, in its order; those whose times are not times are left out.

    Raises
    ------
    TableFault
        Where a column is missing, a number is none, or blocks do not follow each other.
    """
    table = csv.DictReader(_bounded(lines))
    if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
        raise TableFault(1, f"has no column {', '.join(missing)}: name it in the first line")
    rows = ((table.line_num, row) for row in table)

    def owner(numbered: tuple[int, dict[str, str]]) -> tuple[str, str, str]:
        _, row = numbered
        return row.get("source") or "", row["machine"], row["network"]

    for (source, machine, network), group in groupby(rows, key=owner):
        numbered = list(group)
        blocks = tuple(_block(line, row) for line, row in numbered)
        times = tuple(_number(line, row, "time_ms") / 1e3 for line, row in numbered)
        for (line, _), (before, after) in zip(numbered[1:], pairwise(blocks), strict=True):
            if after.first_layer != before.last_layer + 1:
                raise TableFault(
                    line,
                    f"{network} on {machine} goes on with layer {after.first_layer} behind layer"
                    f" {before.last_layer}: list its blocks in order, each once",
                )
        if not any(row.get("gpu_unsynchronised") == "true" for _, row in numbered):
            yield TimedBlocks(source, machine, network, blocks, times)


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if number > MOST_ROWS + 1:
            raise TableFault(number, f"a table has at most {MOST_ROWS} rows: split the file")
        if len(line) > MOST_CHARACTERS:
            raise TableFault(number, f"is longer than {MOST_CHARACTERS} characters")
        if "\0" in line:
            raise TableFault(number, "holds a NUL byte: is it text?")
        yield line


def _block(line: int, row: dict[str, str]) -> Block:
    for name in ("machine", "network"):
        if not row[name]:
            raise TableFault(line, f"{name} is empty")
    block = Block(
        first_layer=_whole(line, row, "first_layer"),
        last_layer=_whole(line, row, "last_layer"),
        layers=row["layers"] or "",
        output_byte=_whole(line, row, "output_byte"),
        flop=_whole(line, row, "flop") if row.get("flop") else None,
        parameters=_whole(line, row, "params") if row.get("params") else None,
    )
    if block.last_layer < block.first_layer:
        raise TableFault(line, f"last_layer is below first_layer ({block.first_layer})")
    return block


def _number(line: int, row: dict[str, str], column: str) -> float:
    text = row[column]
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise TableFault(line, f"{column} is {text!r}: give a number") from None
    if not (math.isfinite(value) and value >= 0.0):
        raise TableFault(line, f"{column} is {text}: give a number of at least 0")
    return value


def _whole(line: int, row: dict[str, str], column: str) -> int:
    value = _number(line, row, column)
    if not value.is_integer() or value >= 2**63:
        raise TableFault(line, f"{column} is {row[column]}: give a whole number")
    return int(value)
