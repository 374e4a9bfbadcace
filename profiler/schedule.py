"""In what order cuts and clocks are measured.

One after the other would be simplest and wrong: a machine drifts, and each cut would be measured in
another weather. So every round visits every cut once, at every clock, in an order drawn anew.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PASSES = 5


class Stop(NamedTuple):
    """A cut to visit."""

    round: int
    clock: int
    cut: int


class Block(NamedTuple):
    """Stops between which no cut is loaded or dropped."""

    cuts: tuple[int, ...]
    stops: tuple[Stop, ...]


def blocks(
    loads_byte: Sequence[int], clocks: int, repetitions: int, memory_byte: int, seed: str
) -> Iterator[Block]:
    """The stops of one session.

    Where all cuts together fit into the memory there is one block; where they do not, they are
    loaded group by group and several times, each time in other company, so that no cut is measured
    in one stretch alone.

    Parameters
    ----------
    loads_byte : memory that each cut needs [byte]
    clocks, repetitions : every cut is visited `repetitions` times at each clock
    memory_byte : what may be loaded at a time [byte]; a cut that alone is larger is loaded alone
    """
    rng = random.Random(seed)  # noqa: S311 - an order, not a secret
    cuts = list(range(len(loads_byte)))
    passes = 1 if sum(loads_byte) <= memory_byte else min(_PASSES, repetitions)
    for number in range(passes):
        rounds = range(repetitions * number // passes, repetitions * (number + 1) // passes)
        rng.shuffle(cuts)
        for group in _groups(cuts, loads_byte, memory_byte):
            yield Block(tuple(group), tuple(_stops(rng, group, clocks, rounds)))


def _stops(rng: random.Random, group: Sequence[int], clocks: int, rounds: range) -> Iterator[Stop]:
    cuts, order = list(group), list(range(clocks))
    for each in rounds:
        rng.shuffle(order)
        for clock in order:
            rng.shuffle(cuts)
            for cut in cuts:
                yield Stop(each, clock, cut)


def _groups(
    cuts: Sequence[int], loads_byte: Sequence[int], memory_byte: int
) -> Iterator[list[int]]:
    group: list[int] = []
    loaded = 0
    for cut in cuts:
        if group and loaded + loads_byte[cut] > memory_byte:
            yield group
            group, loaded = [], 0
        group.append(cut)
        loaded += loads_byte[cut]
    yield group
