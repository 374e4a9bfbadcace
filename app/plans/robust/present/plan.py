"""The plan as a whole: objective, certificates, baselines.

Users who say how often they infer are planned in watts, others in joules of one inference each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from app.plans.robust.cells import Cell
from app.profiles.schemas.profile import FieldWarning
from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.outcome import Certificate, Status, relative_gap
from solvers.robust.baselines import Baseline, Baselines
from solvers.robust.details import describe
from solvers.robust.problem import Decision
from solvers.robust.solve import RobustSolution


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
    def row(self) -> Integers:
        """The row of the table of options that each user takes."""
        problem = self.cell.problem
        return np.asarray(problem.workloads.first[problem.workload] + self.decision.option)

    @property
    def objective(self) -> float:
        """What it spends [J], or draws [W] where users say how often they infer."""
        assert self.solution.objective is not None
        return self.solution.objective

    @property
    def bound(self) -> float:
        """What every plan of the cell spends, or draws, at least."""
        assert self.solution.lower_bound is not None
        return self.solution.lower_bound

    @property
    def streams(self) -> bool:
        """Whether users say how often they infer."""
        return self.cell.problem.rate_hz is not None

    @property
    def energy_j(self) -> float:
        """Of one inference of every user."""
        if not self.streams:
            return self.objective
        return float(describe(self.cell.problem, self.decision).energy_j.sum())

    @property
    def load_s(self) -> Floats:
        """Seconds that each server of the cell is at work, of every second (servers,)."""
        rate_hz = self.cell.problem.rate_hz
        assert rate_hz is not None
        return np.asarray(rate_hz @ self.cell.load_s[self.row])


def result(plans: Sequence[CellPlan], baselines: Sequence[Baselines] | None) -> dict[str, Any]:
    """The plan as a whole, without its users."""
    found: dict[str, Any] = {
        "objective": _objective(plans),
        "cut_counts": _cut_counts(plans),
        "certificate": _certificate(plans),
    }
    if plans[0].cell.id is not None:
        found["cells"] = [
            {
                "id": plan.cell.id,
                "users_count": plan.cell.problem.users,
                "bandwidth_hz": plan.cell.problem.bandwidth_hz,
                "objective": _objective([plan]),
                "certificate": _certificate([plan]),
            }
            for plan in plans
        ]
    streams = plans[0].streams
    found["baselines"] = None if baselines is None else _baselines(baselines, streams=streams)
    asked = [some.margins for some in baselines or () if some.margins is not None]
    return found | (_margins(asked, streams=streams) if asked else {})


def _margins(asked: Sequence[Mapping[Margin, Baseline]], *, streams: bool) -> dict[str, Any]:
    """What each margin of moments spends in all cells that can have it."""
    known = [margin for margin in asked[0] if all(margin in some for some in asked)]
    return {
        "margins": {
            margin.value: _of_rule([some[margin] for some in asked], streams=streams)
            for margin in known
        }
    }


def _objective(plans: Sequence[CellPlan]) -> dict[str, float]:
    energy = {"energy_j": sum(plan.energy_j for plan in plans)}
    if not plans[0].streams:
        return energy
    return energy | {"power_w": sum(plan.objective for plan in plans)}


def overloaded(plans: Sequence[CellPlan]) -> Iterator[FieldWarning]:
    """Servers without a budget that would have to work on more than one inference at once."""
    loads: dict[str, tuple[str, float]] = {}
    for plan in plans:
        if plan.streams:
            for server, load in zip(plan.cell.servers, plan.load_s.tolist(), strict=True):
                if server.budget_s is None:
                    at, before = loads.get(server.ref, (server.at, 0.0))
                    loads[server.ref] = at, before + load
    for ref, (at, load) in loads.items():
        if load > 1.0:
            yield FieldWarning(
                field=at,
                message=(
                    f"the plan keeps {ref} at work {load:.3g} s of every second: it has to work on"
                    " several inferences at once; give its parallel, and the plan holds it"
                ),
            )


def _certificate(plans: Sequence[CellPlan]) -> dict[str, Any]:
    """One certificate for some cells: nothing couples them, so their bounds add up."""
    spent, bound = sum(plan.objective for plan in plans), sum(plan.bound for plan in plans)
    proven = all(plan.solution.status is Status.OPTIMAL for plan in plans)
    checked = sum(plan.certificate.lower_bound or 0.0 for plan in plans)
    price = plans[0].solution.prices["bandwidth_j_per_hz"] if len(plans) == 1 else None
    streams = plans[0].streams
    in_joules = {
        "lower_bound_j": bound,
        "checked_lower_bound_j": checked,
        "bandwidth_price_j_per_hz": price,
    }
    in_watts = {name.replace("_j", "_w", 1): value for name, value in in_joules.items()}
    found: dict[str, Any] = {
        "status": (Status.OPTIMAL if proven else Status.FEASIBLE).value,
        **(dict.fromkeys(in_joules) if streams else in_joules),
        **(in_watts if streams else {}),
        "gap": relative_gap(spent, bound),
        "holds": all(plan.certificate.holds for plan in plans),
        "bandwidth_used_hz": sum(plan.certificate.used["bandwidth_hz"] for plan in plans),
    }
    servers = [entry for plan in plans for entry in _servers(plan)]
    evidence = _evidence(plans)
    return found | ({"servers": servers} if servers else {}) | (evidence or {})


def _evidence(plans: Sequence[CellPlan]) -> dict[str, Any] | None:
    """What the margin rests on, where that is samples: the weakest of all users' options."""
    known = [plan.cell.evidence for plan in plans if plan.cell.evidence is not None]
    if not known:
        return None
    samples, effective = (
        np.concatenate([getattr(plan.cell.meanings, name)[plan.row] for plan in plans])
        for name in ("samples", "effective_samples")
    )
    rests = samples > 0
    return {
        "evidence": {
            "margin": known[0].margin,
            "samples": int(samples[rests].min()) if rests.any() else 0,
            "effective_samples": int(effective[rests].min()) if rests.any() else 0,
            "users_without": int(np.count_nonzero(~rests)),
            "confidence": known[0].confidence,
            "options_compared": max(one.compared for one in known),
            "measured_at": min((one.measured_at for one in known if one.measured_at), default=None),
            "holds_while": HOLDS_WHILE[known[0].margin],
        }
    }


HOLDS_WHILE = {
    "unimodal": "the times of every option have one mode: tested (dip test) where there are"
    " samples, assumed elsewhere; and means and variances are right",
    "samples": "times to come are exchangeable with those measured: same device, network, clocks,"
    " load and heat; one promise per user, whichever option was chosen",
    "ambiguous": "times to come are like those measured, and their law has four moments that the"
    " samples show",
}


def _servers(plan: CellPlan) -> Iterator[dict[str, Any]]:
    """The servers of a cell that have a budget, and what more of each would save."""
    used, prices = plan.certificate.used, plan.solution.prices
    for k, server in enumerate(plan.cell.budgeted):
        yield {
            "server": server.ref,
            "used": used[f"server_{k}_s"],
            "budget": server.budget_s,
            "price_j_per_s": prices[f"server_{k}_j_per_s"],
        }


def _cut_counts(plans: Sequence[CellPlan]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for plan in plans:
        problem = plan.cell.problem
        cuts = plan.decision.cut(problem)
        most = int(cuts.max()) + 1
        pairs, sizes = np.unique(problem.workload * most + cuts, return_counts=True)
        for pair, size in zip(pairs.tolist(), sizes.tolist(), strict=True):
            workload, cut = divmod(pair, most)
            model = plan.cell.models[workload]
            key = f"{model.name}/{model.cuts[cut].name}"
            counts[key] = counts.get(key, 0) + size
    return counts


def _of_rule(of_cells: Sequence[Baseline], *, streams: bool) -> dict[str, Any]:
    spent = [one.energy_j for one in of_cells if one.energy_j is not None]
    whole = sum(spent) if len(spent) == len(of_cells) else None
    bound = None if whole is None else sum(one.lower_bound_j or 0.0 for one in of_cells)
    gap = None if whole is None or bound is None else relative_gap(whole, bound)
    proven: dict[str, Any] = {"energy_j": whole, "lower_bound_j": bound}
    if streams:
        proven = {**dict.fromkeys(proven), "power_w": whole, "lower_bound_w": bound}
    return proven | {"gap": gap, "feasible": whole is not None}


def _baselines(baselines: Sequence[Baselines], *, streams: bool) -> dict[str, Any]:
    """What each rule spends in all cells: nothing known where it fails in one of them."""
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Baselines) if field.name != "margins"):
        of_cells: list[Baseline] = [getattr(some, name) for some in baselines]
        found[name] = _of_rule(of_cells, streams=streams)
        if name == "mean_only":
            bounds = [
                one.violation_bound_max for one in of_cells if one.violation_bound_max is not None
            ]
            feasible = found[name].pop("feasible")
            found[name]["violation_bound_max"] = max(bounds) if feasible else None
    return found
