"""Contract tests of every family: its answers are checked, repeatable, and never worse for more
freedom.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from solvers.outcome import Options, Status
from solvers.progress import Cancelled, Progress, Step
from solvers.registry import FAMILIES, answer
from tests.support.multiuser import cells as multiuser
from tests.support.robust import cells as robust
from tests.support.stopping import problems as stopping


@dataclass(frozen=True)
class Contract:
    """A family's cells, and the ways to give a cell more freedom."""

    cell: Callable[[int], Any]
    users: tuple[str, ...]  # columns with an entry per user
    freer: dict[str, Callable[[Any], Any]]


CONTRACTS = {
    "robust": Contract(
        cell=lambda seed: robust.random_cell(np.random.default_rng(seed), 6, 5),
        users=("workload", "tx_power_w", "gain", "deadline_s", "risk", "correlation"),
        freer={
            "deadline": lambda p: replace(p, deadline_s=p.deadline_s * 1.3),
            "risk": lambda p: replace(p, risk=np.minimum(p.risk * 1.3, 0.5)),
            "bandwidth": lambda p: replace(p, bandwidth_hz=p.bandwidth_hz * 1.3),
        },
    ),
    "multiuser": Contract(
        cell=lambda seed: multiuser.a_cell(seed, 6, deadlines=True),
        users=("workload", "spectral_efficiency", "weight", "deadline_s", "max_loss"),
        freer={
            "deadline": lambda p: replace(p, deadline_s=p.deadline_s * 1.3),
            "loss": lambda p: replace(p, max_loss=np.minimum(p.max_loss * 1.3, 1.0)),
            "bandwidth": lambda p: replace(p, bandwidth_hz=p.bandwidth_hz * 1.3),
        },
    ),
    "stopping": Contract(
        cell=lambda seed: stopping.a_problem(users=3, seed=seed, clairvoyant=False),
        users=(
            "workload",
            "mean_snr",
            "tx_power_w",
            "idle_power_w",
            "rx_power_w",
            "memory_byte",
            "placement_s_per_bit",
        ),
        freer={
            "signal": lambda p: replace(p, mean_snr=p.mean_snr * 1.3, min_snr=p.min_snr),
            "placing": lambda p: replace(p, placement_s_per_bit=p.placement_s_per_bit / 1.3),
            "period": lambda p: replace(p, inferences=p.inferences * 1.3),
        },
    ),
}
SEEDS = range(6)
GAP = 1e-6


def test_every_family_has_a_contract() -> None:
    assert {module.split(".")[1] for module in FAMILIES.LOADED_BY} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_answers_hold_and_bounds_are_below(name: str) -> None:
    solved = 0
    for seed in SEEDS:
        solution, certificate = answer(CONTRACTS[name].cell(seed))
        assert (solution.decision is None) == (solution.status is Status.INFEASIBLE)
        if certificate is None:
            continue
        assert certificate.holds
        assert certificate.objective == pytest.approx(solution.objective, rel=1e-6)
        if solution.lower_bound is not None:
            assert solution.lower_bound <= solution.objective
        solved += 1
    assert solved >= 3


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_same_question_has_the_same_answer(name: str) -> None:
    one, other = (answer(CONTRACTS[name].cell(1))[0] for _ in range(2))
    assert one.objective == other.objective
    for field in one.decision.__slots__:
        values = getattr(one.decision, field)
        if isinstance(values, np.ndarray):
            assert np.array_equal(
                values, getattr(other.decision, field), equal_nan=values.dtype.kind == "f"
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTS)
def test_the_order_of_users_does_not_matter(name: str) -> None:
    contract = CONTRACTS[name]
    for seed in SEEDS:
        cell = contract.cell(seed)
        order = np.random.default_rng(seed).permutation(cell.users)
        turned = replace(
            cell, **{column: getattr(cell, column)[order] for column in contract.users}
        )
        one, other = answer(cell)[0], answer(turned)[0]
        assert one.status is other.status
        if one.objective is not None:
            assert other.objective == pytest.approx(one.objective, rel=2 * GAP)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "freedom"),
    [(name, way) for name, contract in CONTRACTS.items() for way in contract.freer],
)
def test_more_freedom_never_costs_more(name: str, freedom: str) -> None:
    for seed in SEEDS:
        cell = CONTRACTS[name].cell(seed)
        before, after = answer(cell)[0], answer(CONTRACTS[name].freer[freedom](cell))[0]
        if before.objective is not None:
            assert after.objective is not None
            assert after.objective <= before.objective * (1 + 2 * GAP)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_report_can_stop_the_solver(name: str) -> None:
    def stop(progress: Step, /) -> None:
        raise Cancelled

    cell = CONTRACTS[name].cell(1)
    with pytest.raises(Cancelled):
        FAMILIES[type(cell)].solve(cell, Options(), Progress(stop))


@pytest.mark.parametrize("name", CONTRACTS)
def test_problems_and_decisions_are_read_only(name: str) -> None:
    cell = CONTRACTS[name].cell(1)
    decision = FAMILIES[type(cell)].solve(cell, Options(), Progress()).decision
    for record in (cell, decision):
        for field in record.__slots__:
            values = getattr(record, field)
            if isinstance(values, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    values[...] = 0
