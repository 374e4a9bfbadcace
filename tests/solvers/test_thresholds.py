"""Where another option becomes the cheapest."""

import numpy as np

from solvers.arrays import Floats
from solvers.thresholds import flips

GRID = np.linspace(0.0, 10.0, 21)


def test_the_nearest_values_on_both_sides_are_found_to_the_last_digits() -> None:
    def costs(x: Floats) -> Floats:
        return np.stack([np.ones_like(x), np.abs(x - 5.0) * 0.5 + 0.2 * (x < 3), 20.0 - x], axis=1)

    found = flips(costs, GRID, 10)
    assert [(flip.option, flip.wins_at > 5.0) for flip in found] == [(0, False), (0, True)]
    assert [flip.wins_at for flip in found] == [3.0, 7.0] or np.allclose(
        [flip.wins_at for flip in found], [3.0, 7.0], atol=1e-12
    )
    for flip in found:
        at = costs(np.array([flip.wins_at, flip.loses_at]))
        assert at[0].argmin() == 0
        assert at[1].argmin() == 1


def test_a_stretch_between_two_values_of_the_grid_is_found() -> None:
    def costs(x: Floats) -> Floats:
        return np.stack([np.ones_like(x), 0.99 + 2.0 * np.abs(x - 7.26)], axis=1)

    (flip,) = flips(costs, GRID, 2)
    assert np.isclose(flip.wins_at, 7.26 - 0.01 / 2.0, atol=1e-12)


def test_what_does_not_work_never_wins() -> None:
    def costs(x: Floats) -> Floats:
        return np.stack([np.full_like(x, np.inf), np.where(x > 4.0, 1.0, np.inf)], axis=1)

    assert [(f.option, round(f.wins_at, 9)) for f in flips(costs, GRID, 2)] == [(1, 4.0)]
