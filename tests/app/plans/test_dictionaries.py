"""Columns of few texts stay small, however many texts a fleet has."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.plans import columnar
from app.plans.dictionaries import listed, trimmed

NETWORKS = 20_000
LISTS = [("a",), ("b", "c"), ()]


def a_fleet(users: int, networks: int) -> pa.Table:
    """Users of many networks, each with a name of its own, half of them also within a struct."""
    rng = np.random.default_rng(7)
    of = pa.array(np.sort(rng.integers(0, networks, users)).astype(np.int32))
    named = pa.DictionaryArray.from_arrays(of, [f"network-{n}" for n in range(networks)])
    codes = rng.integers(-1, networks, users)
    many = listed(codes, [(f"{n}", "x")[: n % 3] for n in range(networks)])
    nothing = pa.array(np.arange(users) % 2 == 0)
    tier = pa.StructArray.from_arrays([named, many], ["model", "tensors"], mask=nothing)
    return pa.table({"model": named, "tensors": many, "tier": tier})


def test_a_list_is_null_empty_or_full() -> None:
    found = listed(np.array([1, -1, 2, 0, 1]), LISTS)
    assert found.to_pylist() == [["b", "c"], None, [], ["a"], ["b", "c"]]
    assert listed(np.array([-1, -1]), []).to_pylist() == [None, None]


@pytest.mark.slow
def test_a_block_keeps_the_names_of_its_own_rows_only() -> None:
    fleet = a_fleet(2 * columnar.BLOCK_ROWS, NETWORKS)
    packed = columnar.packed(fleet)
    blocks = [columnar.unpacked(data) for data in packed.blocks]
    assert pa.concat_tables(blocks).to_pylist() == fleet.to_pylist()
    assert pa.concat_tables(blocks).combine_chunks().to_pylist() == fleet.to_pylist()
    assert len(blocks[0]["model"].chunk(0).dictionary) <= columnar.BLOCK_ROWS
    # Compared with a dictionary of all in each block.
    assert sum(map(len, packed.blocks)) < 0.7 * 2 * len(columnar._packed(fleet))
    for media_type in (columnar.ARROW, columnar.PARQUET):
        content = b"".join(columnar.written(media_type, blocks))
        read = (
            pa.ipc.open_stream(content).read_all()
            if media_type == columnar.ARROW
            else pq.read_table(io.BytesIO(content))
        )
        assert read.to_pylist() == fleet.to_pylist()


def test_small_dictionaries_stay_as_they_are() -> None:
    fleet = a_fleet(100, 5)
    assert trimmed(fleet).schema == fleet.schema
    assert trimmed(fleet.slice(50, 10)).to_pylist() == fleet.slice(50, 10).to_pylist()


def test_types_stay_whatever_the_chunks_hold() -> None:
    few, many = (
        pa.DictionaryArray.from_arrays(
            pa.array(np.arange(n, dtype=np.int16)),
            pa.array([f"{k}" for k in range(n)], pa.large_string()),
        )
        for n in (3, 1000)
    )
    field = pa.field("model", few.type, nullable=False)
    table = pa.Table.from_batches(
        [pa.record_batch([one], schema=pa.schema([field])) for one in (few, many)]
    )
    for part in (table.slice(0, 3), table.slice(3), table.slice(2, 2)):
        assert trimmed(part).schema == table.schema
        assert trimmed(part).to_pylist() == part.to_pylist()
