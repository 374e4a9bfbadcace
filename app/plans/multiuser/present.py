"""The answers of the multi-user family: SI arrays go in, the contract's JSON comes out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.plans.multiuser.assemble import Assembled
from app.plans.multiuser.workload import Workload
from solvers.multiuser.costs import cost, latency, switched, table_problem
from solvers.multiuser.problem import Decision, DecisionTable, Infeasibility, Method, Problem, TableProblem
from solvers.multiuser.solve import Answer, Baseline, SteadinessPrice
from solvers.outcome import Certificate
from solvers.registry import tabulate

SCHEMA_VERSION = 1
# Asked for to the last digit, the least deadline would leave no room for rounding.
_NUDGE = 1.0 + 1e-6
# Where a deadline binds, the plan itself sits at the edge of its table: rounding must not push it over.
_ROUNDING = 1.0 + 2e-9


def users(assembled: Assembled, ids: list[str], decision: Decision) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    problem = assembled.problem
    row = decision.row(problem)
    parts = latency(problem, decision)
    bandwidth_hz = decision.bandwidth_share * problem.bandwidth_hz
    cuts = problem.workloads.cut[row].tolist()
    clocks = np.array([some.frequency_hz for some in assembled.workloads])
    shared = _rows(
        bits=problem.workloads.bits[row],
        frequency_hz=clocks[problem.workload],
        bandwidth_hz=bandwidth_hz,
        bandwidth_share=decision.bandwidth_share,
        rate_bps=bandwidth_hz * problem.spectral_efficiency,
        server_share=decision.server_share,
        server_flop_per_s=decision.server_share * problem.server_flop_per_s,
    )
    latencies = _rows(
        mean_s=parts.total_s,
        device_s=parts.device_s,
        uplink_s=parts.uplink_s,
        network_s=parts.network_s,
        server_s=parts.server_s,
    )
    costs = _rows(loss=problem.workloads.loss[row], cost=cost(problem, decision))
    held = _rows(deadline_s=problem.deadline_s, slack_s=problem.deadline_s - parts.total_s)
    return [
        {
            "id": ids[n],
            "cut": cut,
            "cut_name": assembled.workloads[number].model.cuts[cut].name,
            **shared[n],
            "latency": latencies[n],
            **costs[n],
            **{name: number_or_null(value) for name, value in held[n].items()},
            "table": table,
        }
        for n, (cut, number, table) in enumerate(
            zip(cuts, problem.workload.tolist(), _tables(assembled, decision), strict=True)
        )
    ]


def _tables(assembled: Assembled, decision: Decision) -> list[dict[str, Any]]:
    """The table of each user at its share of the server; those with the same share and limits share one object."""
    problem = assembled.problem
    made: dict[tuple[float, ...], dict[str, Any]] = {}
    tables = []
    what = (problem.workload, decision.server_share, problem.deadline_s, problem.max_loss)
    for n, key in enumerate(zip(*(column.tolist() for column in what), strict=True)):
        if key not in made:
            question = table_problem(problem, decision, n)
            question = replace(question, deadline_s=question.deadline_s * _ROUNDING)
            made[key] = table(question, tabulate(question)[0], assembled.workloads[key[0]])
        tables.append(made[key])
    return tables


def table(problem: TableProblem, built: DecisionTable, workload: Workload) -> dict[str, Any]:
    """A decision table as a device stores it."""
    cuts = workload.model.cuts
    rows = [
        {
            "rate_from_bps": row["rate_from_bps"],
            "rate_to_bps": row["rate_to_bps"],
            "cut": row["cut"],
            "cut_name": None if row["cut"] is None else cuts[int(row["cut"])].name,
            **row,
        }
        for row in built.rows(problem)
    ]
    return {"schema_version": SCHEMA_VERSION, "rows": rows}


def result(
    assembled: Assembled, solution: Answer, certificate: Certificate, baselines: Mapping[Method, Baseline]
) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    problem, decision = assembled.problem, solution.decision
    assert decision is not None
    row = decision.row(problem)
    counts: dict[str, int] = {}
    pairs, sizes = np.unique(np.stack([problem.workload, problem.workloads.cut[row]]), axis=1, return_counts=True)
    for (number, cut), size in zip(pairs.T.tolist(), sizes.tolist(), strict=True):
        model = assembled.workloads[number].model
        key = f"{model.name}/{model.cuts[cut].name}"
        counts[key] = counts.get(key, 0) + size
    return {
        "objective": {
            "cost": solution.objective,
            "latency_s": float(np.average(latency(problem, decision).total_s, weights=problem.weight)),
            "loss": float(np.average(problem.workloads.loss[row], weights=problem.weight)),
        },
        "cut_counts": counts,
        "certificate": {
            "status": solution.status.value,
            "lower_bound": solution.lower_bound,
            "gap": solution.gap,
            "holds": certificate.holds,
            "bandwidth_price": solution.prices.get("bandwidth_per_hz"),
            "server_price": solution.prices.get("server_per_flop_per_s"),
        },
        "utilisation": {
            "bandwidth_hz": certificate.used["bandwidth_share"] * problem.bandwidth_hz,
            "bandwidth_share": certificate.used["bandwidth_share"],
            "server_flop_per_s": certificate.used["server_share"] * problem.server_flop_per_s,
            "server_share": certificate.used["server_share"],
        },
        "baselines": {
            method.value: {
                "cost": number_or_null(baseline.objective),
                "latency_s": number_or_null(baseline.latency_s),
                "loss": number_or_null(baseline.loss),
                "feasible": baseline.feasible,
            }
            for method, baseline in baselines.items()
        },
    }


def infeasible(found: Infeasibility, ids: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Why there is no plan: of the budgets, and of each user who fails alone."""
    remedies = {
        "bandwidth_hz": found.bandwidth_hz,
        "server_flop_per_s": found.server_flop_per_s,
        "budget_factor": found.factor,
    }
    bound, enough = (
        {name: None if pair is None else number_or_null(pair[side]) for name, pair in remedies.items()}
        for side in (0, 1)
    )
    whole = {
        "proven": found.proven,
        "least_total_bandwidth_hz": enough["bandwidth_hz"],
        "least_server_flop_per_s": enough["server_flop_per_s"],
        "least_budget_factor": enough["budget_factor"],
        "proven_at_least": bound,
    }
    if found.switches is not None:
        whole["least_switches"] = found.switches
    listed = [
        # Full precision loses nothing, so no loss limit leaves a user without any option.
        {"id": ids[n], "least_deadline_s": least * _NUDGE}
        for n, least in zip(found.alone.tolist(), found.least_deadline_s.tolist(), strict=True)
    ]
    return whole, listed


def steadiness(problem: Problem, decision: Decision, price: SteadinessPrice | None) -> dict[str, Any]:
    """What holding on to the parent costs. The steady plan is open to the free one too, which is thus never worse."""
    return {
        "switches": int(switched(problem, decision.option).sum()),
        "free_switches": price and price.free_switches,
        "cost": price and max(price.cost, 0.0),
        "cost_at_most": price and max(price.cost_at_most, 0.0),
    }


def number_or_null(value: float) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return value if np.isfinite(value) else None


def _rows(**columns: NDArray[Any]) -> list[dict[str, Any]]:
    """Columns of an equal length as one object per row."""
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in values]


def least_rate_bps(built: DecisionTable) -> float | None:
    """The rate from which something fits; None where nothing does."""
    served = np.flatnonzero(built.option >= 0)
    return float(built.rate_from_bps[served[0]]) if len(served) else None
