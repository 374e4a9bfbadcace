"""The kept figures are what their tables say, block by block."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from app.catalogue.blocks import Block, TimedBlocks, read_blocks
from app.catalogue.kept_blocks import FILE, along, kept_blocks, rendered


def blocks(*last_layers: int) -> tuple[Block, ...]:
    ends = (-1, *last_layers)
    return tuple(Block(before + 1, last, "conv", 4, 1, 1) for before, last in pairwise(ends))


def timed(*last_layers: int) -> TimedBlocks:
    return TimedBlocks("s", "pi", "a", blocks(*last_layers), tuple(map(float, last_layers)))


def test_finer_blocks_are_added_up() -> None:
    assert list(along(timed(0, 1, 2, 5), blocks(1, 2, 5))) == [1.0, 2.0, 5.0]


def test_layers_are_counted_from_the_end_where_a_release_does_not_pad() -> None:
    """Layer 0 of the one is layers 0 and 1 of the other."""
    assert list(along(timed(0, 1, 4), blocks(1, 2, 5))) == [0.0, 1.0, 4.0]


def test_every_block_of_every_machine_is_kept() -> None:
    kept = kept_blocks()
    assert len(kept.blocks) == 18
    assert {len(each.time_s) == len(kept.blocks[each.network]) for each in kept.times} == {True}
    assert len({(each.machine, each.network) for each in kept.times}) == len(kept.times) == 161


def test_the_kept_file_is_made_from_the_tables() -> None:
    folder = Path(os.environ.get("SPLITPLAN_DATA", ""), "atlas")
    if "SPLITPLAN_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("SPLITPLAN_DATA names no folder with the tables of blocks")
    tables: list[TimedBlocks] = []
    for name in ("scission", "scissiontl", "castellano"):
        with (folder / f"blocks_{name}.csv").open(encoding="utf-8", newline="") as lines:
            tables += read_blocks(lines)
    assert rendered(tables) == FILE.read_text(encoding="utf-8")
