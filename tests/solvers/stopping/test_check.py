"""The check refuses every decision that was tampered with."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solvers.outcome import Options
from solvers.stopping.channel import GainTrace, RateTrace, fit_markov
from solvers.stopping.check import check
from solvers.stopping.decision import Decision
from solvers.stopping.problem import Rule, Waiting
from solvers.stopping.replay import replay
from solvers.stopping.solve import solve
from tests.support.stopping.problems import a_problem, every_law


def changed(decision: Decision, field: str, user: int, value: Any) -> Decision:
    values = getattr(decision, field).copy()
    values[user] = value(values[user]) if callable(value) else value
    return replace(decision, **{field: values})


CORRUPTIONS = [
    ("running_cost", lambda cost: cost * (1.0 - 1e-5)),
    ("time_s", lambda time: time * 1.0001),
    ("energy_j", lambda energy: energy * 0.9999),
    ("placement_cost", lambda cost: cost + 1e-6),
    ("placement_bit", 0.0),
    ("placement", lambda cut: cut - 1),
    ("placement", 99),
    ("threshold_bps", lambda rates: rates * 1.3),
    ("threshold_bps", lambda rates: rates * 0.7),
    ("wait", lambda waits: ~waits),
    ("stop_probability", lambda ends: ends[::-1]),
    ("running_curve", lambda curve: curve * 1.001),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value"), CORRUPTIONS, ids=[f"{n}-{c[0]}" for n, c in enumerate(CORRUPTIONS)]
)
@pytest.mark.parametrize("waiting", list(Waiting))
def test_corrupted_decisions_are_refused(field: str, value: Any, waiting: Waiting) -> None:
    problem = a_problem(
        users=3, layers=6, seed=2, waiting=waiting, min_snr=1.0, coherence_time_s=0.02
    )
    decision = solve(problem, Options()).decision
    assert check(problem, decision).holds
    assert decision.placement[1] > 1
    assert not check(problem, changed(decision, field, 1, value)).holds


def test_a_costlier_placement_is_refused() -> None:
    """A consistent decision for another placement than the best one."""
    best = solve(a_problem(layers=8), Options()).decision
    other = int(best.placement[0]) - 1
    worse = solve(a_problem(layers=8, placement=np.array([other])), Options()).decision
    certificate = check(a_problem(layers=8), worse)
    assert "best_placement" in {violation.constraint for violation in certificate.violations}


def test_a_flattered_curve_is_refused() -> None:
    """The chosen placement looks best only because the rest of the curve was raised."""
    problem = a_problem(layers=8)
    worse = solve(a_problem(layers=8, placement=np.array([2])), Options()).decision
    curve = np.where(np.arange(9) == 2, worse.running_curve, worse.running_curve[:, :1] * 2.0)
    assert not check(problem, replace(worse, running_curve=curve)).holds


def test_look_ahead_is_not_passed_off_as_optimal() -> None:
    problem = a_problem(layers=8, rule=Rule.ONE_STAGE_LOOK_AHEAD)
    decision = solve(problem, Options()).decision
    assert check(problem, decision).holds
    assert not check(problem, replace(decision, optimal=np.array([True]))).holds


@pytest.mark.parametrize("waiting", list(Waiting))
def test_chains_are_watched_too(waiting: Waiting) -> None:
    problem = a_problem(users=2, layers=6, law=every_law()["markov"], waiting=waiting)
    decision = solve(problem, Options()).decision
    assert check(problem, decision).holds
    for field in ("stop_states", "wait_states"):
        assert not check(problem, changed(decision, field, 1, lambda states: ~states)).holds
    assert not check(
        problem, changed(decision, "running_cost", 1, lambda cost: cost * 1.00001)
    ).holds


@pytest.mark.parametrize("name", ["device_only", "edge_only", "best_fixed"])
def test_baselines_are_watched_too(name: str) -> None:
    problem = a_problem(users=2)
    decision = solve(problem, Options()).decision
    offer = getattr(decision.baselines, name)
    flattered = replace(offer, running_cost=offer.running_cost * 1.1)
    assert not check(
        problem, replace(decision, baselines=replace(decision.baselines, **{name: flattered}))
    ).holds


@pytest.mark.parametrize("waiting", list(Waiting))
@pytest.mark.parametrize("recorded", ["rates", "gains", "chain"])
def test_a_sample_on_the_outage_threshold_refutes_nothing(recorded: str, waiting: Waiting) -> None:
    """However the least SNR was rounded on its way: solver, check and replay agree who is up."""
    rates_bps = np.array([1e5, 3e5, 1e6, 1e6, 4e6, 1e7])
    base = a_problem(users=2)
    for least_bps in rates_bps[:2]:
        snr = float(np.expm1(least_bps / base.bandwidth_hz * np.log(2.0)))
        for least in (snr, snr * (1.0 + 4e-16)):
            gains = rates_bps / least_bps * (least / base.mean_snr[0])
            law = {
                "rates": RateTrace(rates_bps),
                "gains": GainTrace(gains),
                "chain": fit_markov(rates_bps, 6, least_bps * (1.0 + 2e-16)),
            }[recorded]
            problem = replace(
                base,
                law=law,
                min_snr=least,
                waiting=waiting,
                mean_snr=base.mean_snr if recorded == "gains" else None,
            )
            decision = solve(problem, Options()).decision
            assert check(problem, decision).holds
            if recorded == "rates":
                seen = replay(problem, decision, 0, 200, np.random.default_rng(1))
                assert np.isfinite(seen.cost).all()
