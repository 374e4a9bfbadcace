"""The answers of the multi-user family: SI arrays go in, the contract's JSON comes out."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.plans.conflicts import CellConflicts, conflicts
from app.plans.multiuser.assemble import LARGEST_BANDWIDTH_HZ, Assembled
from app.plans.multiuser.workload import Workload
from app.profiles.schemas.model import Model
from app.profiles.schemas.partition import tensors_of
from app.quantities import LARGEST_NUMBER
from solvers.arrays import Integers
from solvers.multiuser.costs import cost, latency, switched, table_problem
from solvers.multiuser.problem import Decision, Infeasibility, Method, Problem
from solvers.multiuser.solve import Answer, Baseline, SteadinessPrice, pin
from solvers.multiuser.table import DecisionTable, TableProblem
from solvers.outcome import Certificate
from solvers.registry import tabulate

SCHEMA_VERSION = 1
_BITS = 8.0
# Asked for to the last digit, the least deadline would leave nothing for rounding.
_NUDGE = 1.0 + 1e-6
# Where a deadline binds, the plan itself sits at the edge of its table: rounding must not push it
# over.
_ROUNDING = 1.0 + 2e-9


def users(assembled: Assembled, ids: Sequence[str], decision: Decision) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    problem = assembled.problem
    row = decision.row(problem)
    parts = latency(problem, decision)
    bandwidth_hz = decision.bandwidth_share * problem.bandwidth_hz
    rate_bps = bandwidth_hz * problem.spectral_efficiency
    cuts = problem.workloads.cut[row].tolist()
    clocks = np.array([some.frequency_hz for some in assembled.workloads])
    shared = _rows(
        bits=problem.workloads.bits[row],
        sent_byte=problem.workloads.crossing_bit[row] / _BITS,
        frequency_hz=clocks[problem.workload],
        bandwidth_hz=bandwidth_hz,
        bandwidth_share=decision.bandwidth_share,
        rate_bps=rate_bps,
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
            **_split(assembled, number, cut),
            **_codec(assembled.workloads[number], option),
            **shared[n],
            "latency": latencies[n],
            **costs[n],
            **{name: number_or_null(value) for name, value in held[n].items()},
            "table": table,
        }
        for n, (cut, number, option, table) in enumerate(
            zip(
                cuts,
                problem.workload.tolist(),
                decision.option.tolist(),
                _tables(assembled, decision, rate_bps.tolist()),
                strict=True,
            )
        )
    ]


def _split(assembled: Assembled, number: int, cut: int) -> dict[str, Any]:
    """What one of the workloads runs, and where it is split."""
    run = assembled.runs[number]
    tensors = run.model.body.partitions[cut].tensors
    return {**run.refs, **_cut(run.model.body, cut), "tensors": tensors}


def _tables(
    assembled: Assembled, decision: Decision, rate_bps: list[float]
) -> list[dict[str, Any]]:
    """The table of each user at its share of the server; those with the same share and limits share
    one object.

    Where the plan is not what a table would choose at the planned rate, that row is pinned to the
    plan's option.
    """
    problem = assembled.problem
    what = (problem.workload, decision.server_share, problem.deadline_s, problem.max_loss)
    best: dict[tuple[float, ...], _Best] = {}
    shown: dict[tuple[tuple[float, ...], int, int], dict[str, Any]] = {}
    tables = []
    users = zip(
        zip(*(column.tolist() for column in what), strict=True),
        decision.option.tolist(),
        strict=True,
    )
    for n, (key, option) in enumerate(users):
        if key not in best:
            best[key] = _best(problem, decision, n)
        of = best[key]
        row = bisect_right(of.starts, rate_bps[n]) - 1
        same = (key, -1, -1) if of.options[row] == option else (key, row, option)
        if same not in shown:
            as_planned = of.table if same[1] < 0 else pin(of.question, of.table, row, option)
            shown[same] = table(of.question, as_planned, assembled.workloads[key[0]])
        tables.append(shown[same])
    return tables


class _Best(NamedTuple):
    """A question and its best table, also as plain lists: a million users look it up one by one."""

    question: TableProblem
    table: DecisionTable
    starts: list[float]
    options: list[int]


def _best(problem: Problem, decision: Decision, user: int) -> _Best:
    question = table_problem(problem, decision, user)
    question = replace(question, deadline_s=question.deadline_s * _ROUNDING)
    built, _ = tabulate(question)
    return _Best(question, built, built.rate_from_bps.tolist(), built.option.tolist())


def table(problem: TableProblem, built: DecisionTable, workload: Workload) -> dict[str, Any]:
    """A decision table as a device stores it."""
    told = list(zip(built.rows(problem), built.option.tolist(), strict=True))
    used = {int(row["cut"]) for row, _ in told if row["cut"] is not None}
    partitions = workload.model.partitions
    return {
        "schema_version": SCHEMA_VERSION,
        "tensors": tensors_of(partitions[cut] for cut in sorted(used)),
        "rows": [
            {
                "rate_from_bps": row["rate_from_bps"],
                "rate_to_bps": row["rate_to_bps"],
                **_cut(workload.model, row["cut"]),
                **_codec(workload, option),
                **row,
            }
            for row, option in told
        ],
    }


def _cut(model: Model, cut: float | int | None) -> dict[str, Any]:
    """A cut with its names; None: there is none."""
    if cut is None:
        return dict.fromkeys(("cut", "cut_name", "partition_id"))
    return {
        "cut": cut,
        "cut_name": model.cuts[int(cut)].name,
        "partition_id": model.partitions[int(cut)].id,
    }


def _codec(workload: Workload, option: int) -> dict[str, str]:
    """The codec of an option, if it has one; -1 is none."""
    codec = workload.codecs[option] if option >= 0 else None
    return {} if codec is None else {"codec": codec}


def result(
    assembled: Assembled,
    solution: Answer,
    certificate: Certificate,
    baselines: Mapping[Method, Baseline],
) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    problem, decision = assembled.problem, solution.decision
    assert decision is not None
    row = decision.row(problem)
    return {
        "objective": {
            "cost": solution.objective,
            "latency_s": float(
                np.average(latency(problem, decision).total_s, weights=problem.weight)
            ),
            "loss": float(np.average(problem.workloads.loss[row], weights=problem.weight)),
        },
        "cut_counts": _cut_counts(assembled, row),
        "certificate": {
            "status": solution.status.value,
            "lower_bound": solution.lower_bound,
            "gap": solution.gap,
            "holds": certificate.holds,
            "bandwidth_price": solution.prices.get("bandwidth_per_hz"),
            "server_price": solution.prices.get("server_per_flop_per_s"),
        },
        "utilisation": _utilisation(problem, certificate),
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


def _cut_counts(assembled: Assembled, row: Integers) -> dict[str, int]:
    """Users per cut, from the row of the workloads that each runs; models of one name count
    together.
    """
    problem = assembled.problem
    counts: dict[str, int] = {}
    pairs, sizes = np.unique(
        np.stack([problem.workload, problem.workloads.cut[row]]), axis=1, return_counts=True
    )
    for (number, cut), size in zip(pairs.T.tolist(), sizes.tolist(), strict=True):
        model = assembled.workloads[number].model
        key = f"{model.name}/{model.cuts[cut].name}"
        counts[key] = counts.get(key, 0) + size
    return counts


def _utilisation(problem: Problem, certificate: Certificate) -> dict[str, float]:
    # A sum of shares may round to a little more than the whole.
    used = {name: min(share, 1.0) for name, share in certificate.used.items()}
    return {
        "bandwidth_hz": used["bandwidth_share"] * problem.bandwidth_hz,
        "bandwidth_share": used["bandwidth_share"],
        "server_flop_per_s": used["server_share"] * problem.server_flop_per_s,
        "server_share": used["server_share"],
    }


def infeasible(
    problem: Problem, found: Infeasibility, ids: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Why there is no plan: what would mend the whole cell, and each user who fails alone."""
    remedies = {
        "bandwidth_hz": (found.bandwidth_hz, LARGEST_BANDWIDTH_HZ),
        "server_flop_per_s": (found.server_flop_per_s, LARGEST_NUMBER),
        "budget_factor": (found.factor, LARGEST_BANDWIDTH_HZ / problem.bandwidth_hz),
    }
    bound = {
        name: number_or_null(pair[0]) if pair else None for name, (pair, _) in remedies.items()
    }
    # An amount that no request may ask for mends nothing.
    enough = {
        name: pair[1] if pair and pair[1] <= most else None
        for name, (pair, most) in remedies.items()
    }
    whole = {
        "proven": found.proven,
        "least_total_bandwidth_hz": enough["bandwidth_hz"],
        "least_server_flop_per_s": enough["server_flop_per_s"],
        "least_budget_factor": enough["budget_factor"],
        "proven_at_least": bound,
    }
    if found.switches is not None:
        bound["switches"], whole["least_switches"] = (
            int(number) if np.isfinite(number) else None for number in found.switches
        )
    listed = [
        # Full precision loses nothing, so no loss limit leaves a user without any option.
        {"id": ids[n], "least_deadline_s": least * _NUDGE}
        for n, least in zip(found.users.tolist(), found.least_deadline_s.tolist(), strict=True)
    ]
    whole |= conflicts(ids, [CellConflicts(None, found.users, found.conflict)])
    return whole, listed


def steadiness(
    problem: Problem, decision: Decision, price: SteadinessPrice | None
) -> dict[str, Any]:
    """What holding on to the parent costs.

    The steady plan is open to the free one too, which is thus never worse.
    """
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
