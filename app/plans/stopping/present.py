"""The answer of the stopping family: SI arrays go in, the contract's JSON comes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.plans import units
from app.plans.conflicts import CellConflicts, conflicts
from app.plans.stopping.assemble import Assembled
from app.plans.stopping.energy import BEST_FIRST
from app.profiles.schemas.model import Model
from app.profiles.schemas.partition import tensors_of
from solvers.outcome import Certificate, Solution
from solvers.stopping.channel import Markov
from solvers.stopping.decision import Decision, Infeasibility, Offer, Row
from solvers.stopping.problem import FREE, Problem, Waiting

SCHEMA_VERSION = 1
_BITS = 8.0
_FIXED = ("device_only", "edge_only", "best_fixed")


def users(assembled: Assembled, ids: Sequence[str], decision: Decision) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    placements = decision.placement.tolist()
    columns = {
        "frequency_hz": assembled.frequency_hz,
        "energy_source": [
            max(source[1 : placement + 1], key=BEST_FIRST.index, default=None)
            for source, placement in zip(assembled.energy_source, placements, strict=True)
        ],
        "mean_snr_db": _mean_snr_db(assembled),
        "placement_byte": (decision.placement_bit / _BITS).tolist(),
        "expected": _expected(decision, whole=assembled.whole),
        "total_cost": (decision.running_cost + decision.placement_cost).tolist(),
    } | _compared(assembled.problem, decision)
    models = assembled.models
    names = {id(model): [cut.name for cut in model.cuts] for model in models}
    entries = []
    for n, placement in enumerate(placements):
        cut_names, at = names[id(models[n])], models[n].partitions[placement]
        curve = _curve(assembled.problem, decision, n)
        entries.append(
            {"id": ids[n], **assembled.runs[n].refs}
            | {"placement": placement, "cut_name": cut_names[placement]}
            | {"partition_id": at.id, "tensors": at.tensors}
            | {name: column[n] for name, column in columns.items()}
            | {
                "curve": curve,
                "beyond_memory": [
                    cut_names[point["placement"]] for point in curve if not point["fits_memory"]
                ],
                "table": _table(assembled, decision, n, models[n]),
            }
        )
    return entries


def _mean_snr_db(assembled: Assembled) -> list[float | None]:
    mean_snr = None if assembled.in_rates else assembled.problem.mean_snr
    if mean_snr is None:
        return [None] * assembled.problem.users
    return [units.decibels(snr) for snr in mean_snr.tolist()]


def _expected(decision: Decision, *, whole: bool) -> list[dict[str, Any]]:
    parts = ["compute_j", "static_j", "radio_j", "wait_j", *(["standby_j"] if whole else [])]
    columns = {
        "cost": decision.running_cost.tolist(),
        "time_s": decision.time_s.tolist(),
        "energy_j": decision.energy_j.tolist(),
        "energy": _rows({name: getattr(decision.energy, name).tolist() for name in parts}),
        "placement_cost": decision.placement_cost.tolist(),
    }
    return _rows(columns)


def _rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns of an equal length as one object per row."""
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _compared(problem: Problem, decision: Decision) -> dict[str, list[dict[str, Any]]]:
    """What each user would pay by look-ahead, by simpler rules, and at least."""
    baselines = decision.baselines
    assert baselines is not None
    fixed = {name: _offers(getattr(baselines, name)) for name in _FIXED}
    optimum, total = baselines.optimum.total_cost, decision.running_cost + decision.placement_cost
    # Nothing is cheaper than the optimum: what lies below is rounding.
    dearer = np.maximum(
        baselines.look_ahead.total_cost - np.where(np.isnan(optimum), total, optimum), 0.0
    )
    look_ahead = [
        offer | {"dearer_by": _number(more), "cost_at_same_placement": _number(same)}
        for offer, more, same in zip(
            _offers(baselines.look_ahead),
            dearer.tolist(),
            baselines.look_ahead_same_placement.tolist(),
            strict=True,
        )
    ]
    bounds = zip(
        decision.placement.tolist(),
        baselines.clairvoyant.tolist(),
        decision.placement_cost.tolist(),
        strict=True,
    )
    clairvoyant = [
        {
            "placement": placement,
            "cost": _number(cost),
            "placement_cost": placing,
            "total_cost": _number(cost + placing),
        }
        if problem.clairvoyant
        else None
        for placement, cost, placing in bounds
    ]
    return {
        "look_ahead": look_ahead,
        "baselines": [
            {name: offers[n] for name, offers in fixed.items()} | {"clairvoyant": bound}
            for n, bound in enumerate(clairvoyant)
        ],
    }


def result(
    assembled: Assembled, solution: Solution[Decision, Infeasibility], certificate: Certificate
) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    decision = solution.decision
    assert decision is not None
    assert decision.baselines is not None
    counts = Counter(
        f"{model.name}/{model.cuts[placement].name}"
        for model, placement in zip(assembled.models, decision.placement.tolist(), strict=True)
    )
    simpler = {
        name: getattr(decision.baselines, name).total_cost
        for name in ("device_only", "edge_only", "best_fixed", "look_ahead")
    }
    simpler["clairvoyant"] = decision.baselines.clairvoyant + decision.placement_cost
    return {
        "objective": {
            "cost": solution.objective,
            "running_cost": float(decision.running_cost.sum()),
            "placement_cost": float(decision.placement_cost.sum()),
        },
        "placement_counts": dict(sorted(counts.items())),
        "certificate": {
            "status": solution.status.value,
            "lower_bound": solution.lower_bound,
            "gap": solution.gap,
            "holds": certificate.holds,
            "nodes": assembled.problem.nodes,
            "users_retraced": int(certificate.used["users_retraced"]),
        },
        "baselines": {
            name: {"cost": _number(float(costs.sum()))} for name, costs in simpler.items()
        },
    }


def infeasible(
    assembled: Assembled, found: Infeasibility, ids: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Why there is no plan: of each user whom no placement serves."""
    problem, work, listed = assembled.problem, assembled.problem.workloads, []
    for n, reason in zip(found.users.tolist(), found.reasons, strict=True):
        rows = work.cuts(int(problem.workload[n]))
        asked = FREE if problem.placement is None else int(problem.placement[n])
        needed = rows.stop - rows.start - 1 if asked == FREE else asked
        short = float(work.parameter_bit[rows][needed] / _BITS - problem.memory_byte[n])
        listed.append(
            {
                "id": ids[n],
                "reason": reason,
                "placement": needed,
                "short_by_byte": short if short > 0.0 else None,
            }
        )
    return conflicts(ids, [CellConflicts(None, found.users, found.conflict)]), listed


def _curve(problem: Problem, decision: Decision, user: int) -> list[dict[str, Any]]:
    workload = int(problem.workload[user])
    one = slice(user, user + 1)
    placing = problem.placement_cost(one, workload)[0]
    running = decision.running_curve[user, : len(placing)]
    fits = problem.fits_memory(one, workload)[0]
    return [
        {
            "placement": placement,
            "placement_cost": place,
            "running_cost": _number(run),
            "total_cost": _number(total),
            "fits_memory": fit,
        }
        for placement, (place, run, total, fit) in enumerate(
            zip(
                placing.tolist(),
                running.tolist(),
                (running + placing).tolist(),
                fits.tolist(),
                strict=True,
            )
        )
    ]


def _table(assembled: Assembled, decision: Decision, user: int, model: Model) -> dict[str, Any]:
    problem = assembled.problem
    chain = (
        {"state_rate_bps": problem.law.rate_bps.tolist()} if isinstance(problem.law, Markov) else {}
    )
    always = problem.waiting is Waiting.ALWAYS
    rows = decision.table(problem, user)
    return {
        "schema_version": SCHEMA_VERSION,
        "min_rate_bps": problem.min_rate_bps,
        **chain,
        "tensors": tensors_of(model.partitions[row.cut] for row in rows),
        "rows": [_row(row, model, always=always, in_rates=assembled.in_rates) for row in rows],
    }


def _row(row: Row, model: Model, *, always: bool, in_rates: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "cut": row.cut,
        "cut_name": model.cuts[row.cut].name,
        "partition_id": model.partitions[row.cut].id,
        "offload": row.offload,
    }
    if row.rate_bps is not None:
        entry["rate_bps"] = row.rate_bps
        for name, value in (("snr_db", row.snr), ("gain_db", row.gain)):
            if value and not in_rates:
                entry[name] = units.decibels(value)
    entry["in_outage"] = "wait" if row.wait else "continue"
    if always:
        entry["below"] = entry["in_outage"]
    if row.stop_states is not None:
        entry["stop_states"] = list(row.stop_states)
        entry["wait_states"] = list(row.wait_states or ())
    entry["stop_probability"] = row.stop_probability
    return entry


def _offers(offer: Offer) -> list[dict[str, Any]]:
    running, placing = offer.running_cost.tolist(), offer.placement_cost.tolist()
    return [
        {
            "placement": placement,
            "cost": _number(run),
            "placement_cost": place,
            "total_cost": _number(run + place),
            "feasible": bool(np.isfinite(run)),
        }
        for placement, run, place in zip(offer.placement.tolist(), running, placing, strict=True)
    ]


def _number(value: float) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return value if np.isfinite(value) else None
