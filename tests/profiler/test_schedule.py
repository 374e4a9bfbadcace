"""The order of visits."""

from itertools import pairwise

from profiler.schedule import Block, blocks

CUTS, CLOCKS, ROUNDS = 7, 3, 10


def planned(memory_byte: int, seed: str = "0/0") -> list[Block]:
    return list(blocks([100] * CUTS, CLOCKS, ROUNDS, memory_byte, seed))


def test_every_round_visits_every_cut_once_at_every_clock() -> None:
    for memory_byte in (1000, 350, 1):
        stops = [stop for block in planned(memory_byte) for stop in block.stops]
        assert len(stops) == len(set(stops)) == CUTS * CLOCKS * ROUNDS
        assert {stop.round for stop in stops} == set(range(ROUNDS))


def test_what_fits_into_memory_is_loaded_once_and_shuffled_every_round() -> None:
    (block,) = planned(700)
    rounds = [[stop.cut for stop in block.stops if stop.round == n] for n in range(ROUNDS)]
    assert all(before != after for before, after in pairwise(rounds))
    assert (
        len({tuple(stop.clock for stop in block.stops if stop.round == n) for n in range(ROUNDS)})
        > 1
    )
    assert [stop.round for stop in block.stops] == sorted(stop.round for stop in block.stops)


def test_what_does_not_fit_is_loaded_in_changing_company() -> None:
    loaded = planned(350)
    assert all(100 * len(block.cuts) <= 350 for block in loaded)
    assert all({stop.cut for stop in block.stops} == set(block.cuts) for block in loaded)
    with_the_first = [frozenset(block.cuts) for block in loaded if 0 in block.cuts]
    assert len(with_the_first) == 5
    assert len(set(with_the_first)) > 1


def test_the_order_is_that_of_the_seed() -> None:
    assert planned(350) == planned(350)
    assert planned(350) != planned(350, seed="0/1")
