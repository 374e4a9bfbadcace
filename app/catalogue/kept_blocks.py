"""Times of blocks that others have measured, as they are kept in `figures/blocks.json`: each
network's blocks once, and a time a block for each machine.

`python -m app.catalogue.kept_blocks FOLDER` takes them in anew from tables of blocks
(`blocks_*.csv` with the columns of `blocks.py`).
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

from app.catalogue.blocks import Block, TimedBlocks, read_blocks

FILE = Path(__file__).parent / "figures" / "blocks.json"

# A desktop with so many cores that the time of a block is not that of its layers.
NOT_USABLE = ("titan-host-cpu",)


@dataclass(frozen=True, slots=True)
class KeptBlocks:
    """Each network's blocks, and what the machines took for them."""

    blocks: dict[str, tuple[Block, ...]]
    times: tuple[TimedBlocks, ...]


@cache
def kept_blocks() -> KeptBlocks:
    """What the project keeps."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    blocks = {}
    for network, rows in kept["networks"].items():
        ends = [-1, *(last for last, *_ in rows)]
        blocks[network] = tuple(
            Block(end + 1, *row) for end, row in zip(ends[:-1], rows, strict=True)
        )
    return KeptBlocks(
        blocks,
        tuple(
            TimedBlocks(
                row["source"],
                row["machine"],
                row["network"],
                blocks[row["network"]],
                tuple(each / 1e3 for each in row["time_ms"]),
            )
            for row in kept["times"]
        ),
    )


def rendered(tables: Iterable[TimedBlocks]) -> str:
    """The kept file from tables: whoever comes first says what the blocks are."""
    blocks: dict[str, tuple[Block, ...]] = {}
    networks: dict[str, str] = {}
    times = []
    for table in tables:
        if table.machine in NOT_USABLE:
            continue
        name = table.network
        if name not in blocks:
            blocks[name] = table.blocks
            networks[name] = _one_a_line(
                [each.last_layer, each.layers, each.output_byte, each.flop, each.parameters]
                for each in table.blocks
            )
        times.append(
            {
                "source": table.source,
                "machine": table.machine,
                "network": name,
                "time_ms": [round(1e3 * each, 4) for each in along(table, blocks[name])],
            }
        )
    inner = ",\n".join(f"{json.dumps(name)}: {rows}" for name, rows in networks.items())
    return f'{{"networks": {{\n{inner}\n}},\n"times": {_one_a_line(times)}}}\n'


def _one_a_line(rows: Iterable[object]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


def along(table: TimedBlocks, blocks: tuple[Block, ...]) -> Iterator[float]:
    """Times of a table [s] for coarser blocks of the same network.

    Some releases of a network have no padding layer behind the input: the others' numbers are
    counted from the end.
    """
    shift = blocks[-1].last_layer - table.blocks[-1].last_layer
    until = {
        each.last_layer + shift: time_s
        for each, time_s in zip(table.blocks, accumulate(table.time_s), strict=True)
    }
    ends = [0.0, *(until[block.last_layer] for block in blocks)]
    yield from (after - before for before, after in pairwise(ends))


def main() -> None:
    folder = Path(sys.argv[1])
    tables: list[TimedBlocks] = []
    for name in ("scission", "scissiontl", "castellano"):
        with (folder / f"blocks_{name}.csv").open(encoding="utf-8", newline="") as lines:
            tables += read_blocks(lines)
    FILE.write_text(rendered(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
