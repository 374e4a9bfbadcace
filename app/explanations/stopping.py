"""Explanations of stopping plans."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.explanations import found
from app.explanations.asked import AskedOf
from app.plans import units
from app.plans.stopping.run import PreparedStopping
from solvers.stopping.explain import Asked, Quantity

Json = dict[str, Any]

_NAMES: dict[Quantity, tuple[str, Any]] = {
    "mean_snr": ("mean_snr_db", units.decibels),
    "energy_per_j": ("energy_per_j", float),
    "inferences": ("inferences_per_update", float),
}


def explained(asked: AskedOf) -> Json:
    """Every placement of a user, and what it costs."""
    assert isinstance(asked.prepared, PreparedStopping)
    assembled, user = asked.prepared.assembled, asked.position
    question = Asked(assembled.problem.part(user, user + 1))
    running, placing = question.now
    costs, fits = running + placing, question.fits
    flips = [
        threshold
        for quantity in question.quantities
        for threshold in found.thresholds(
            _NAMES[quantity][0],
            question.value(quantity),
            question.flips(quantity),
            _NAMES[quantity][1],
        )
    ]
    cuts = []
    for cut, each in enumerate(assembled.models[user].cuts):
        feasible = bool(np.isfinite(costs[cut]))
        entry: Json = {
            "cut": cut,
            "cut_name": each.name,
            "ways": 1,
            "feasible": feasible,
            "binding": None if feasible else "outage" if fits[cut] else "memory",
            "short_by_s": None,
            "chosen": cut == asked.told["placement"],
            **found.priced(costs, cut, flips, feasible=feasible),
        }
        if feasible:
            entry |= {"running_cost": float(running[cut]), "placement_cost": float(placing[cut])}
        cuts.append(entry)
    spent = float(asked.told["total_cost"])
    sensitivity = {
        "spent": spent,
        "saved_without": found.interval(spent, spent),
        "proof": "exact",
    }
    return {"unit": "cost", "prices": {}, "cuts": cuts, "sensitivity": sensitivity}
