"""Two hundred damaged files, each read or refused in words; a benchmark reads ten thousand."""

import random

from solvers.onnx_reader import Options, Unreadable, read
from tests.support.onnx.graphs import SMALL
from tests.support.onnx.mutations import damaged


def test_damage_is_survived_or_told() -> None:
    seeds = [maker().SerializeToString() for maker in SMALL.values()]
    told: list[str] = []
    survived = 0
    for number in range(200):
        rng = random.Random(number)
        content = damaged(seeds, rng)
        try:
            read(
                content,
                {"x": (2, 8, 4, 4)} if b"batch" in content else {},
                Options(max_tensors=rng.randint(1, 3)),
            )
        except Unreadable as error:
            told.append(error.detail)
        else:
            survived += 1
    assert survived > 10
    assert len(set(told)) > 50
    assert all(detail.isprintable() for detail in told)
