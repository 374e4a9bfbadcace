"""Non-negative least squares with one exponent inside, and its profiles."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import fdtri

from solvers.measurement.bounded import Design, Profile, estimated, spread_of


def random_design(rng: np.random.Generator, rows: int = 12) -> Design:
    ratio = rng.uniform(0.3, 1.0, rows)
    ratio[0] = 1.0
    columns = np.stack([np.ones(rows), np.ones(rows), rng.uniform(0.1, 2.0, rows)], axis=1)
    values, exponent = rng.choice([0.01, 0.3, 1.0], 3), rng.uniform(1.0, 3.0)
    plain = Design(columns, np.ones(rows), ratio, 1)
    said = plain.at(exponent) @ values
    return Design(columns, said * rng.uniform(0.8, 1.2, rows), ratio, 1)


def test_no_numbers_are_better() -> None:
    """Against a general minimiser from many beginnings."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        design = random_design(rng)
        found = estimated(design, 1.0, 3.0)

        def squares(x: np.ndarray, design: Design = design) -> float:
            return float(np.sum((design.target - design.at(x[3]) @ x[:3]) ** 2))

        bounds = [(0.0, None)] * 3 + [(1.0, 3.0)]
        others = [
            minimize(squares, [*rng.uniform(0.0, 1.0, 3), start], bounds=bounds).fun
            for start in (1.0, 1.5, 2.0, 2.5, 3.0)
        ]
        assert np.all(found.values >= 0.0)
        assert 1.0 <= found.exponent <= 3.0
        assert found.squares <= min(others) * (1.0 + 1e-6)
        assert found.squares >= min(others) * (1.0 - 1e-2)


def test_a_profile_is_the_least_squares_with_one_number_held() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        design = random_design(rng)
        found = estimated(design, 1.0, 3.0)
        profile = Profile(design, np.linspace(1.0, 3.0, 81))
        assert profile.squares().min() == pytest.approx(found.squares, rel=1e-2)
        for number in range(3):
            value = float(found.values[number]) + 0.1
            rest = [n for n in range(3) if n != number]

            def squares(
                x: np.ndarray,
                held: int = number,
                value: float = value,
                design: Design = design,
                rest: list[int] = rest,
            ) -> float:
                full = np.empty(3)
                full[rest], full[held] = x[:2], value
                return float(np.sum((design.target - design.at(x[2]) @ full) ** 2))  # fmt: skip

            bounds = [(0.0, None)] * 2 + [(1.0, 3.0)]
            least = min(
                minimize(squares, [0.5, 0.5, start], bounds=bounds).fun for start in (1.0, 2.0, 3.0)
            )
            assert profile.held(number, value) == pytest.approx(least, rel=2e-2, abs=1e-6)


def test_an_interval_ends_where_the_squares_reach_the_limit() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        design = random_design(rng)
        found = estimated(design, 1.0, 3.0)
        profile = Profile(design, np.linspace(1.0, 3.0, 81))
        limit = 1.5 * profile.squares().min()
        for number, value in enumerate(found.values):
            low, high = profile.interval(number, float(value), limit)
            assert low <= value <= high
            assert profile.held(number, high) == pytest.approx(limit, rel=1e-6)
            assert low == 0.0 or profile.held(number, low) == pytest.approx(limit, rel=1e-6)


def test_with_nothing_left_over_any_value_goes() -> None:
    rng = np.random.default_rng(3)
    profile = Profile(random_design(rng), np.linspace(1.0, 3.0, 81))
    assert profile.interval(0, 1.0, float("inf")) == (0.0, float("inf"))
    assert profile.exponent_interval(2.0, float("inf")) == (1.0, 3.0)


def test_independent_rows_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(4)
    residual = rng.normal(size=60)
    found = spread_of(residual, 3, {"clock": (np.repeat(np.arange(6), 10), 3)})
    assert found.stray is None
    assert found.freedom == 57
    assert found.mean_square == pytest.approx(residual @ residual / 57)
    assert found.allowed() == pytest.approx(found.mean_square * fdtri(1, 57, 0.95))


def test_groups_that_stray_are_what_counts() -> None:
    rng = np.random.default_rng(5)
    residual = 0.1 * rng.normal(size=60) + np.repeat([1.0, -1.0, 0.5, -0.5, 1.0, -1.0], 10)
    group = np.repeat(np.arange(6), 10)
    found = spread_of(residual, 3, {"clock": (group, 3)})
    assert found.stray == "clock"
    assert found.freedom == 3
    means = np.array([residual[group == n].mean() for n in range(6)])
    assert found.mean_square == pytest.approx(10 * means @ means / 3)
    assert found.allowed() > spread_of(residual, 3, {}).allowed()


def test_a_meter_that_repeats_itself_is_not_believed_to_the_last_digit() -> None:
    assert spread_of(np.zeros(10), 3, {}).allowed() == pytest.approx(1e-6 * fdtri(1, 7, 0.95))
    assert spread_of(np.zeros(3), 3, {}).allowed() == float("inf")


def test_an_interval_has_width_however_sharply_the_squares_rise() -> None:
    """An exponent between two of the grid, and a meter so exact that both of these are refuted."""
    ratio = np.repeat([0.125, 0.25, 0.5, 1.0], 12)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        power = 0.5 + 5.0 * ratio**1.0125
        target = power * (1.0 + 0.002 * rng.normal(size=len(ratio)))
        design = Design(np.ones((len(ratio), 2)), target, ratio, 1).over(power)
        found = estimated(design, 1.0, 3.0)
        allowed = spread_of(found.residual, 3, {}).allowed()
        profile = Profile.about(design, 1.0, 3.0, found, allowed)
        limit = found.squares + allowed
        low, high = profile.interval(0, float(found.values[0]), limit)
        assert low < found.values[0] < high
        first, last = profile.exponent_interval(found.exponent, limit)
        assert first < found.exponent < last
        coarse = Profile(design, np.linspace(1.0, 3.0, 81))
        narrow = coarse.interval(0, float(found.values[0]), limit)
        assert high - low > narrow[1] - narrow[0]
