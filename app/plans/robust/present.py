"""The answer of the robust family: SI arrays go in, the contract's JSON comes out."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.plans.robust.assemble import Assembled
from solvers.outcome import Certificate
from solvers.robust.alternatives import why_not
from solvers.robust.baselines import Baselines
from solvers.robust.details import describe
from solvers.robust.solve import RobustSolution
from solvers.robust.solve.infeasible import Infeasibility


def users(assembled: Assembled, ids: list[str], solution: RobustSolution) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    problem, decision = assembled.problem, solution.decision
    assert decision is not None
    details = describe(problem, decision)
    with np.errstate(divide="ignore"):
        least_gain_db = 10.0 * np.log10(details.least_gain)
    latency = _rows(
        mean_s=details.mean_s,
        std_s=details.std_s,
        bound_s=details.bound_s,
        device_s=details.device_s,
        uplink_s=details.uplink_s,
        network_s=details.network_s,
        server_s=details.server_s,
    )
    decided = _rows(
        frequency_hz=decision.frequency_hz,
        bandwidth_hz=decision.bandwidth_hz,
        bandwidth_share=decision.bandwidth_hz / problem.bandwidth_hz,
        rate_bps=details.rate_bps,
        energy_j=details.energy_j,
        compute_energy_j=details.compute_energy_j,
        radio_energy_j=details.radio_energy_j,
    )
    held = _rows(deadline_s=problem.deadline_s, slack_s=details.slack_s, violation_bound=details.violation_bound)
    return [
        {
            "id": ids[n],
            "cut": cut,
            "cut_name": assembled.models[n].cuts[cut].name,
            **decided[n],
            "latency": latency[n],
            **held[n],
            "valid_gain_db": [_number(gain_db), None],
            "fallback_cut": fallback if fallback >= 0 else None,
        }
        for n, (cut, gain_db, fallback) in enumerate(
            zip(details.cut.tolist(), least_gain_db.tolist(), details.fallback_cut.tolist(), strict=True)
        )
    ]


def explain(assembled: Assembled, solution: RobustSolution, users: list[dict[str, Any]]) -> None:
    """Add to each user why the other cuts were not taken."""
    found = why_not(assembled.problem, solution.prices["dual_bandwidth_j_per_hz"])
    for user in users:
        user["alternatives"] = []
    for n, cut, energy, binding, short in zip(
        found.user.tolist(),
        found.cut.tolist(),
        found.cell_energy_at_least_j.tolist(),
        found.binding,
        found.short_by_s.tolist(),
        strict=True,
    ):
        users[n]["alternatives"].append(
            {
                "cut": cut,
                "cut_name": assembled.models[n].cuts[cut].name,
                "cell_energy_at_least_j": _number(energy),
                "binding": binding.value if binding is not None else None,
                "short_by_s": _number(short),
            }
        )


def _rows(**columns: NDArray[np.float64]) -> list[dict[str, float]]:
    """Columns of an equal length as one object per row."""
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def result(
    assembled: Assembled, solution: RobustSolution, certificate: Certificate, baselines: Baselines
) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    assert solution.decision is not None
    problem = assembled.problem
    counts: dict[str, int] = {}
    pairs, sizes = np.unique(np.stack([problem.workload, solution.decision.cut(problem)]), axis=1, return_counts=True)
    model_of = {workload: assembled.models[n] for n, workload in enumerate(problem.workload.tolist())}
    for (workload, cut), size in zip(pairs.T.tolist(), sizes.tolist(), strict=True):
        model = model_of[workload]
        key = f"{model.name}/{model.cuts[cut].name}"
        counts[key] = counts.get(key, 0) + size
    return {
        "objective": {"energy_j": solution.objective},
        "cut_counts": counts,
        "certificate": {
            "status": solution.status.value,
            "lower_bound_j": solution.lower_bound,
            "gap": solution.gap,
            "holds": certificate.holds,
            "bandwidth_price_j_per_hz": solution.prices["bandwidth_j_per_hz"],
            "bandwidth_used_hz": certificate.used["bandwidth_hz"],
        },
        "baselines": {
            name: {"energy_j": entry["energy_j"], "violation_bound_max": entry["violation_bound_max"]}
            if name == "mean_only"
            else {"energy_j": entry["energy_j"], "feasible": entry["energy_j"] is not None}
            for name, entry in asdict(baselines).items()
        },
    }


def infeasible(found: Infeasibility, ids: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Why there is no plan: of the cell, and of each user who fails alone."""
    failing = found.users.tolist()
    reasons: dict[int, list[dict[str, Any]]] = {n: [] for n in failing}
    for n, cut, binding, short in zip(
        found.reasons.user.tolist(),
        found.reasons.cut.tolist(),
        found.reasons.binding,
        found.reasons.short_by_s.tolist(),
        strict=True,
    ):
        reasons[n].append({"cut": cut, "binding": binding.value, "short_by_s": _number(short)})
    listed = [
        {
            "id": ids[n],
            "reasons": reasons[n],
            "least_deadline_s": _number(deadline),
            "least_risk": _number(risk),
            "least_bandwidth_hz": _number(bandwidth),
        }
        for n, deadline, risk, bandwidth in zip(
            failing,
            found.least_deadline_s.tolist(),
            found.least_risk.tolist(),
            found.least_bandwidth_hz.tolist(),
            strict=True,
        )
    ]
    whole = {
        "least_total_bandwidth_hz": _number(found.least_total_bandwidth_hz),
        "least_deadline_factor": _number(found.least_deadline_factor),
    }
    return whole, listed


def _number(value: float) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return value if np.isfinite(value) else None
