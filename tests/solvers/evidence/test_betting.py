"""E-values: the game step by step, false alarms, and how soon a broken promise shows."""

import numpy as np
import pytest

from solvers.evidence.betting import MULTIPLES, bets, log_e_value, log_wealth


@pytest.mark.parametrize("risk", [1e-4, 0.01, 0.05, 0.3, 0.9])
def test_bets_leave_something_whatever_comes(risk: float) -> None:
    assert np.all((bets(risk) > 0.0) & (bets(risk) < 1.0 / risk))
    assert np.all(np.isfinite(log_wealth(np.zeros(len(MULTIPLES)), 100, 0, risk)))


def test_counts_are_the_game_played_one_by_one() -> None:
    rng, risk = np.random.default_rng(0), 0.05
    late = rng.random(200) < 0.1
    one_by_one = np.ones(len(MULTIPLES))
    for miss in late:
        one_by_one *= 1.0 + bets(risk) * (float(miss) - risk)
    counted = log_wealth(np.zeros(len(MULTIPLES)), 200, int(late.sum()), risk)
    assert counted == pytest.approx(np.log(one_by_one))
    split = log_wealth(np.zeros(len(MULTIPLES)), 50, int(late[:50].sum()), risk)
    split = log_wealth(split, 150, int(late[50:].sum()), risk)
    assert log_e_value(split) == pytest.approx(np.log(one_by_one.mean()))


def paths(risk: float, true: float, runs: int, length: int, seed: int) -> np.ndarray:
    """Logarithms of e-values after every inference, (runs, length)."""
    late = np.cumsum(np.random.default_rng(seed).random((runs, length)) < true, axis=1)
    seen = np.arange(1, length + 1)
    ls = bets(risk)
    won, lost = np.log1p(ls * (1.0 - risk)), np.log1p(-ls * risk)
    every = late[..., None] * won + (seen[None, :] - late)[..., None] * lost
    return np.asarray(log_e_value(every))


@pytest.mark.slow
def test_a_kept_promise_is_refuted_no_more_often_than_delta_however_often_one_looks() -> None:
    alarms = (paths(0.05, 0.05, 600, 4000, 1).max(axis=1) >= np.log(1.0 / 0.05)).mean()
    assert alarms <= 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.slow
@pytest.mark.parametrize(("multiple", "within"), [(2.0, 1500), (5.0, 150)])
def test_a_broken_promise_shows_soon(multiple: float, within: int) -> None:
    above = paths(0.05, 0.05 * multiple, 200, 3000, 2) >= np.log(1.0 / 0.05)
    assert above.any(axis=1).mean() > 0.99
    assert np.median(above.argmax(axis=1)) < within
