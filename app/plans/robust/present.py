"""The answer of the robust family: SI arrays go in, the contract's JSON comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.plans.robust.assemble import Assembled
from app.plans.robust.bulk import Ids
from app.plans.robust.cells import Cell
from solvers.outcome import Certificate, Status, relative_gap
from solvers.robust.alternatives import why_not
from solvers.robust.baselines import Baseline, Baselines
from solvers.robust.details import describe
from solvers.robust.problem import Decision
from solvers.robust.solve import RobustSolution
from solvers.robust.solve.infeasible import Infeasibility

Columns = dict[str, NDArray[Any]]

# Users of one cell who fail alone and are named; how many there are is always said.
_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class CellPlan:
    """The plan of one cell, with the check's certificate."""

    cell: Cell
    solution: RobustSolution
    certificate: Certificate

    @property
    def decision(self) -> Decision:
        """What was decided."""
        assert self.solution.decision is not None
        return self.solution.decision

    @property
    def energy_j(self) -> float:
        """What it spends."""
        assert self.solution.objective is not None
        return self.solution.objective

    @property
    def bound_j(self) -> float:
        """What every plan of the cell spends at least."""
        assert self.solution.lower_bound is not None
        return self.solution.lower_bound


def user_columns(plan: CellPlan) -> Columns:
    """What a plan says of the users of its cell, by the contract's names; -1 and NaN where that is
    null.
    """
    problem, decision = plan.cell.problem, plan.decision
    details = describe(problem, decision)
    with np.errstate(divide="ignore"):
        least_gain_db = 10.0 * np.log10(details.least_gain)
    return {
        "cut": details.cut,
        "frequency_hz": decision.frequency_hz,
        "bandwidth_hz": decision.bandwidth_hz,
        # A hertz more than the uplink has is rounding, of the tolerance's size at most.
        "bandwidth_share": np.clip(decision.bandwidth_hz / problem.bandwidth_hz, 0.0, 1.0),
        "rate_bps": details.rate_bps,
        "energy_j": details.energy_j,
        "compute_energy_j": details.compute_energy_j,
        "radio_energy_j": details.radio_energy_j,
        **{name: getattr(details, name) for name in _LATENCY},
        "deadline_s": problem.deadline_s,
        "slack_s": details.slack_s,
        "violation_bound": details.violation_bound,
        "valid_gain_db": least_gain_db,
        "fallback_cut": details.fallback_cut,
    }


_LATENCY = ("mean_s", "std_s", "bound_s", "device_s", "uplink_s", "network_s", "server_s")
_DECIDED = (
    "frequency_hz",
    "bandwidth_hz",
    "bandwidth_share",
    "rate_bps",
    "energy_j",
    "compute_energy_j",
    "radio_energy_j",
)
_HELD = ("deadline_s", "slack_s", "violation_bound")


def users(assembled: Assembled, plans: Sequence[CellPlan]) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    entries: list[dict[str, Any]] = [{}] * assembled.users
    for plan in plans:
        found, cell = user_columns(plan), plan.cell
        named = {} if cell.id is None else {"cell": cell.id}
        rows = zip(
            cell.users.tolist(),
            cell.problem.workload.tolist(),
            found["cut"].tolist(),
            _rows(found, _DECIDED),
            _rows(found, _LATENCY),
            _rows(found, _HELD),
            found["valid_gain_db"].tolist(),
            found["fallback_cut"].tolist(),
            strict=True,
        )
        for n, workload, cut, decided, latency, held, gain_db, fallback in rows:
            entries[n] = {
                "id": assembled.ids[n],
                **named,
                "cut": cut,
                "cut_name": cell.models[workload].cuts[cut].name,
                **decided,
                "latency": latency,
                **held,
                "valid_gain_db": [_number(gain_db), None],
                "fallback_cut": fallback if fallback >= 0 else None,
            }
    return entries


def user_table(assembled: Assembled, plans: Sequence[CellPlan]) -> pa.Table:
    """The entries of `users` as one table, in the order of the request."""
    whole: Columns = {}
    cut_name = np.empty(assembled.users, np.int64)
    cell_name = np.empty(assembled.users, np.int64)
    names: dict[str, int] = {}
    for c, plan in enumerate(plans):
        found, cell = user_columns(plan), plan.cell
        for name, values in found.items():
            whole.setdefault(name, np.empty(assembled.users, values.dtype))[cell.users] = values
        # Every cut of every workload by the position of its name.
        first = np.cumsum([0, *(len(model.cuts) for model in cell.models)])
        named = [
            names.setdefault(cut.name, len(names)) for model in cell.models for cut in model.cuts
        ]
        cut_name[cell.users] = np.array(named)[first[cell.problem.workload] + found["cut"]]
        cell_name[cell.users] = c
    cells = [plan.cell.id for plan in plans]
    least_db = whole["valid_gain_db"]
    # NaN is null: unbounded above, and below where nothing is sent.
    interval = np.full((assembled.users, 2), np.nan)
    interval[:, 0] = np.where(np.isfinite(least_db), least_db, np.nan)
    latency = pa.StructArray.from_arrays(
        [pa.array(whole[name]) for name in _LATENCY], names=list(_LATENCY)
    )
    fallback = pa.array(whole["fallback_cut"], mask=whole["fallback_cut"] < 0)
    columns: dict[str, Any] = {
        "id": assembled.ids.array if isinstance(assembled.ids, Ids) else pa.array(assembled.ids)
    }
    if cells[0] is not None:
        columns["cell"] = _named(cell_name, cells)
    columns |= {"cut": whole["cut"], "cut_name": _named(cut_name, list(names))}
    columns |= {name: whole[name] for name in _DECIDED}
    columns["latency"] = latency
    columns |= {name: whole[name] for name in _HELD}
    columns |= {
        "valid_gain_db": pa.FixedSizeListArray.from_arrays(
            pa.array(interval.ravel(), from_pandas=True), 2
        ),
        "fallback_cut": fallback,
    }
    return pa.table(columns)


def _named(codes: NDArray[np.int64], names: Sequence[str | None]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(names, pa.string())
    )


def explain(plans: Sequence[CellPlan], users: list[dict[str, Any]]) -> None:
    """Add to each user why the other cuts were not taken."""
    for user in users:
        user["alternatives"] = []
    for plan in plans:
        cell = plan.cell
        found = why_not(cell.problem, plan.solution.prices["dual_bandwidth_j_per_hz"])
        position, workload = cell.users.tolist(), cell.problem.workload.tolist()
        for n, cut, energy, binding, short, narrow in zip(
            found.user.tolist(),
            found.cut.tolist(),
            found.cell_energy_at_least_j.tolist(),
            found.binding,
            found.short_by_s.tolist(),
            found.short_by_hz.tolist(),
            strict=True,
        ):
            users[position[n]]["alternatives"].append(
                {
                    "cut": cut,
                    "cut_name": cell.models[workload[n]].cuts[cut].name,
                    "cell_energy_at_least_j": _number(energy),
                    "binding": binding.value if binding is not None else None,
                    "short_by_s": _number(short),
                    "short_by_hz": _number(narrow),
                }
            )


def _rows(columns: Columns, names: Sequence[str]) -> list[dict[str, float]]:
    """Some columns as one object per row."""
    values = zip(*(columns[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]


def result(plans: Sequence[CellPlan], baselines: Sequence[Baselines] | None) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    found: dict[str, Any] = {
        "objective": {"energy_j": sum(plan.energy_j for plan in plans)},
        "cut_counts": _cut_counts(plans),
        "certificate": _certificate(plans),
    }
    if plans[0].cell.id is not None:
        found["cells"] = [
            {
                "id": plan.cell.id,
                "users_count": plan.cell.problem.users,
                "bandwidth_hz": plan.cell.problem.bandwidth_hz,
                "objective": {"energy_j": plan.energy_j},
                "certificate": _certificate([plan]),
            }
            for plan in plans
        ]
    return found | {"baselines": None if baselines is None else _baselines(baselines)}


def _certificate(plans: Sequence[CellPlan]) -> dict[str, Any]:
    """One certificate for some cells: nothing couples them, so their bounds add up."""
    energy, bound = sum(plan.energy_j for plan in plans), sum(plan.bound_j for plan in plans)
    proven = all(plan.solution.status is Status.OPTIMAL for plan in plans)
    return {
        "status": (Status.OPTIMAL if proven else Status.FEASIBLE).value,
        "lower_bound_j": bound,
        "checked_lower_bound_j": sum(plan.certificate.lower_bound or 0.0 for plan in plans),
        "gap": relative_gap(energy, bound),
        "holds": all(plan.certificate.holds for plan in plans),
        "bandwidth_price_j_per_hz": plans[0].solution.prices["bandwidth_j_per_hz"]
        if len(plans) == 1
        else None,
        "bandwidth_used_hz": sum(plan.certificate.used["bandwidth_hz"] for plan in plans),
    }


def _cut_counts(plans: Sequence[CellPlan]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for plan in plans:
        problem = plan.cell.problem
        pairs, sizes = np.unique(
            np.stack([problem.workload, plan.decision.cut(problem)]), axis=1, return_counts=True
        )
        for (workload, cut), size in zip(pairs.T.tolist(), sizes.tolist(), strict=True):
            model = plan.cell.models[workload]
            key = f"{model.name}/{model.cuts[cut].name}"
            counts[key] = counts.get(key, 0) + size
    return counts


def _baselines(baselines: Sequence[Baselines]) -> dict[str, Any]:
    """What each rule spends in all cells: nothing known where it fails in one of them."""
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Baselines)):
        of_cells: list[Baseline] = [getattr(some, name) for some in baselines]
        energies = [one.energy_j for one in of_cells if one.energy_j is not None]
        energy = sum(energies) if len(energies) == len(of_cells) else None
        bound = None if energy is None else sum(one.lower_bound_j or 0.0 for one in of_cells)
        gap = None if energy is None or bound is None else relative_gap(energy, bound)
        proven = {"energy_j": energy, "lower_bound_j": bound, "gap": gap}
        if name == "mean_only":
            bounds = [
                one.violation_bound_max for one in of_cells if one.violation_bound_max is not None
            ]
            found[name] = proven | {"violation_bound_max": None if energy is None else max(bounds)}
        else:
            found[name] = proven | {"feasible": energy is not None}
    return found


def infeasible(
    assembled: Assembled, wrong: Mapping[int, Infeasibility]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Why there is no plan: of the cells (by position) that have none, and of each user who fails
    alone.
    """
    entries: dict[int, dict[str, Any]] = {}
    for c, found in wrong.items():
        entries |= _failing(assembled, assembled.cells[c], found)
    if assembled.cells[0].id is None:
        whole = _room(wrong[0])
    else:
        many = len(assembled.cells) > 1
        whole = dict.fromkeys(_room(wrong[min(wrong)])) if many else _room(wrong[0])
        whole["cells"] = [
            {
                "id": assembled.cells[c].id,
                "bandwidth_hz": assembled.cells[c].problem.bandwidth_hz,
                "users_failing": len(found.users),
                **_room(found),
            }
            for c, found in wrong.items()
        ]
    return whole, [entries[n] for n in sorted(entries)]


def _room(found: Infeasibility) -> dict[str, Any]:
    return {
        "least_total_bandwidth_hz": _number(found.least_total_bandwidth_hz),
        "least_deadline_factor": _number(found.least_deadline_factor),
        "together": {
            "deadline_factor": _number(found.together.deadline_factor),
            "bandwidth_with_deadlines_hz": _number(found.together.bandwidth_with_deadlines_hz),
            "bandwidth_with_risks_hz": _number(found.together.bandwidth_with_risks_hz),
        },
    }


def _failing(assembled: Assembled, cell: Cell, found: Infeasibility) -> dict[int, dict[str, Any]]:
    """The users of a cell who fail alone, by position in the request."""
    failing = found.users.tolist()[:_LISTED]
    reasons: dict[int, list[dict[str, Any]]] = {n: [] for n in failing}
    for n, cut, binding, short in zip(
        found.reasons.user.tolist(),
        found.reasons.cut.tolist(),
        found.reasons.binding,
        found.reasons.short_by_s.tolist(),
        strict=True,
    ):
        if n not in reasons:
            break  # they are in the order of the users
        reasons[n].append({"cut": cut, "binding": binding.value, "short_by_s": _number(short)})
    return {
        position: {
            "id": assembled.ids[position],
            **({} if cell.id is None else {"cell": cell.id}),
            "reasons": reasons[n],
            "least_deadline_s": _number(deadline),
            "least_risk": _number(risk),
            "least_bandwidth_hz": _number(bandwidth),
        }
        for n, position, deadline, risk, bandwidth in zip(
            failing,
            cell.users[found.users].tolist(),
            found.least_deadline_s.tolist(),
            found.least_risk.tolist(),
            found.least_bandwidth_hz.tolist(),
            strict=False,  # the first ones only
        )
    }


def _number(value: float) -> float | None:
    """JSON has no NaN or infinity: both are null."""
    return value if np.isfinite(value) else None
