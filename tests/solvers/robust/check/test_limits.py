"""The check accepts what holds and refuses a decision spoilt in any way."""

from dataclasses import replace

import numpy as np
import pytest

from solvers.margin import Margin
from solvers.outcome import RefutedAnswer
from solvers.registry import answer
from solvers.robust.check import check
from solvers.robust.problem import Decision, Problem
from solvers.robust.solve import solve
from tests.support.robust.cells import ALEXNET_BIT, ALEXNET_FLOP, a_cell, random_cell, workloads


@pytest.fixture(scope="module")
def problem() -> Problem:
    return a_cell(12)


@pytest.fixture(scope="module")
def decision(problem: Problem) -> Decision:
    found = solve(problem).decision
    assert found is not None
    return found


def spoilt(values: np.ndarray, n: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[n] = value
    return changed


def a_sender(decision: Decision) -> int:
    return int(np.nonzero(decision.bandwidth_hz > 0)[0][0])


def test_accepts_the_plan_and_recomputes_its_energy(problem: Problem, decision: Decision) -> None:
    certificate = check(problem, decision)
    assert certificate.holds
    assert certificate.objective == pytest.approx(solve(problem).objective, rel=1e-12)
    assert certificate.used["bandwidth_hz"] == pytest.approx(decision.bandwidth_hz.sum())


CORRUPTIONS = {
    "no such option": ("option", lambda d, n: spoilt(d.option, n, 11), "option"),
    "negative option": ("option", lambda d, n: spoilt(d.option, n, -1), "option"),
    "another cut with the old share": ("option", lambda d, n: spoilt(d.option, n, 0), "deadline"),
    "clock too low to be in time": (
        "frequency_hz",
        lambda d, n: spoilt(d.frequency_hz, n, d.frequency_hz[n] * 0.99),
        "deadline",
    ),
    "clock below the range": (
        "frequency_hz",
        lambda d, n: spoilt(d.frequency_hz, n, 1e8),
        "clock_min",
    ),
    "clock above the range": (
        "frequency_hz",
        lambda d, n: spoilt(d.frequency_hz, n, 2e9),
        "clock_max",
    ),
    "clock of zero": ("frequency_hz", lambda d, n: spoilt(d.frequency_hz, n, 0.0), "frequency_hz"),
    "clock not a number": (
        "frequency_hz",
        lambda d, n: spoilt(d.frequency_hz, n, np.nan),
        "frequency_hz",
    ),
    "less share": (
        "bandwidth_hz",
        lambda d, n: spoilt(d.bandwidth_hz, n, d.bandwidth_hz[n] * 0.999),
        "deadline",
    ),
    "no share": ("bandwidth_hz", lambda d, n: spoilt(d.bandwidth_hz, n, 0.0), "deadline"),
    "more than there is": (
        "bandwidth_hz",
        lambda d, n: spoilt(d.bandwidth_hz, n, d.bandwidth_hz[n] * 1.001),
        "bandwidth",
    ),
    "negative share": (
        "bandwidth_hz",
        lambda d, n: spoilt(d.bandwidth_hz, n, -1.0),
        "bandwidth_sign",
    ),
    "infinite share": (
        "bandwidth_hz",
        lambda d, n: spoilt(d.bandwidth_hz, n, np.inf),
        "bandwidth_hz",
    ),
    "share not a number": (
        "bandwidth_hz",
        lambda d, n: spoilt(d.bandwidth_hz, n, np.nan),
        "bandwidth_hz",
    ),
    "a user missing": ("bandwidth_hz", lambda d, n: d.bandwidth_hz[:-1], "bandwidth_hz_shape"),
    "a user too many": ("option", lambda d, n: np.append(d.option, 0), "option_shape"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_refuses_a_spoilt_decision(name: str, problem: Problem, decision: Decision) -> None:
    field, spoil, constraint = CORRUPTIONS[name]
    certificate = check(problem, replace(decision, **{field: spoil(decision, a_sender(decision))}))
    assert not certificate.holds
    assert constraint in {violation.constraint for violation in certificate.violations}


def test_refuses_an_option_that_does_not_fit_the_memory(
    problem: Problem, decision: Decision
) -> None:
    nowhere = replace(
        problem.workloads, fits_memory=np.zeros(len(problem.workloads.cut), dtype=bool)
    )
    certificate = check(replace(problem, workloads=nowhere), decision)
    assert {violation.constraint for violation in certificate.violations} == {"memory"}


def test_refuses_a_clock_that_is_no_level() -> None:
    levels = [0.4e9, 0.8e9, 1.2e9, 1.6e9]
    table = workloads(
        cycles=list(ALEXNET_FLOP / 7),
        crossing_bit=list(ALEXNET_BIT),
        flop_per_cycle=7.0,
        levels_hz=levels,
    )
    problem = a_cell(6, workloads=table)
    decision = solve(problem).decision
    assert decision is not None
    assert set(decision.frequency_hz) <= set(levels)
    assert check(problem, decision).holds
    certificate = check(problem, replace(decision, frequency_hz=decision.frequency_hz + 1e6))
    assert {violation.constraint for violation in certificate.violations} == {"clock_max"}


@pytest.mark.parametrize("margin", list(Margin))
def test_each_margin_is_held_against_its_own_deadline(margin: Margin) -> None:
    """A plan made with the margin next smaller is refused wherever the margin matters."""
    problem = a_cell(8)
    work = replace(
        problem.workloads,
        device_excess_s=10.0 * np.sqrt(problem.workloads.device_variance_s2),
        server_excess_s=10.0 * np.sqrt(problem.workloads.server_variance_s2),
    )
    problem = replace(problem, workloads=work, margin=margin)
    decision = solve(problem).decision
    assert decision is not None
    assert check(problem, decision).holds
    smaller = {
        Margin.WORST_CASE: Margin.CANTELLI,
        Margin.CANTELLI: Margin.GAUSSIAN,
        Margin.GAUSSIAN: Margin.MEAN,
    }.get(margin)
    if smaller is not None:
        careless = solve(replace(problem, margin=smaller)).decision
        assert careless is not None
        assert not check(problem, careless).holds


def test_an_answer_that_the_check_refutes_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    import solvers.registry as registry

    honest = registry.FAMILIES[Problem]

    def cheat(problem: Problem, *rest: object) -> object:
        solution = solve(problem)
        assert solution.objective is not None
        return replace(solution, objective=solution.objective * 0.999)

    monkeypatch.setitem(registry.FAMILIES, Problem, replace(honest, solve=cheat))
    with pytest.raises(RefutedAnswer, match="recomputed as"):
        answer(a_cell(3))


def test_reports_at_most_a_hundred_users_of_a_constraint() -> None:
    problem = random_cell(np.random.default_rng(0), 300, 3)
    decision = Decision(
        option=np.zeros(300, dtype=np.int64),
        frequency_hz=np.full(300, 1e30),
        bandwidth_hz=np.full(300, 1.0),
    )
    counts: dict[str, int] = {}
    for violation in check(problem, decision).violations:
        counts[violation.constraint] = counts.get(violation.constraint, 0) + 1
    assert counts["clock_max"] == 100
