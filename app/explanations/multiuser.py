"""Explanations of multi-user plans."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from app.explanations import found
from app.explanations.anew import Anew
from app.explanations.asked import AskedOf
from app.plans.multiuser.run import PreparedMultiUser
from app.plans.multiuser.workload import Workload
from solvers.multiuser.explain import Asked, Prices, Quantity, bound
from solvers.multiuser.problem import Method, Problem
from solvers.records import with_cut

Json = dict[str, Any]


def explained(asked: AskedOf) -> Json:
    """Every cut of a user, and what its cell owes to it."""
    assert isinstance(asked.prepared, PreparedMultiUser)
    assembled, user = asked.prepared.assembled, asked.position
    problem, certificate = assembled.problem, asked.result["certificate"]
    names = ("bandwidth_price", "server_price")
    told = {name: certificate[name] for name in names if certificate[name] is not None}
    prices = Prices(
        uplink=told.get("bandwidth_price", 0.0) * problem.bandwidth_hz,
        server=told.get("server_price", 0.0) * problem.server_flop_per_s,
    )
    question = Asked(problem.only(np.array([user])), prices)
    workload = assembled.workloads[problem.workload[user]]
    key = asked.told["cut"], asked.told["bits"], asked.told.get("codec")
    chosen = list(workload.options).index(key)
    objective = asked.result["objective"]["cost"]
    # Users who are held to an earlier plan, and plans by rule, are not planned anew otherwise.
    plain = problem.steadiness is None and problem.method is Method.EXACT
    low = bound(problem, prices) if asked.whole else -math.inf
    anew = Anew(problem, objective, objective - low, whole=asked.whole and plain)
    sensitivity = _sensitivity(asked, question, chosen, anew)
    cuts = _cuts(question, workload, chosen, problem)
    if plain:
        anew.with_cuts(cuts, partial(with_cut, problem, user))
    return {"unit": "cost", "prices": told, "cuts": cuts, "sensitivity": sensitivity}


def _cuts(question: Asked, workload: Workload, chosen: int, problem: Problem) -> list[Json]:
    now, best = question.now, question.best()
    costs = now.cost[best]
    flips = _flips(question, problem)
    options = list(workload.options)
    entries = []
    for k, cut in enumerate(question.cuts.tolist()):
        option = int(best[k])
        _, bits, codec = options[option]
        feasible = bool(now.possible[option])
        late = now.short_by_s[option] > 0.0
        entry: Json = {
            "cut": cut,
            "cut_name": workload.model.cuts[cut].name,
            **({} if codec is None else {"codec": codec}),
            "bits": bits,
            "ways": int(np.sum(question.cut_of == k)),
            "feasible": feasible,
            "binding": None if feasible else "time" if late else "loss",
            "short_by_s": float(now.short_by_s[option]) if late and not feasible else None,
            "chosen": cut == options[chosen][0],
            **found.priced(costs, k, flips, feasible=feasible),
        }
        if feasible:
            entry |= {
                "own_cost": float(now.own_cost[option]),
                "latency_s": float(now.latency_s[option]),
                "bandwidth_hz": float(now.bandwidth_share[option]) * problem.bandwidth_hz,
                "least_bandwidth_hz": found.number(
                    float(now.least_bandwidth_share[option]) * problem.bandwidth_hz
                ),
                "server_share": float(now.server_share[option]),
                "loss": float(problem.workloads.loss[question.rows[option]]),
            }
        entries.append(entry)
    return sorted([*entries, *_beyond_memory(workload, question)], key=lambda each: each["cut"])


def _flips(question: Asked, problem: Problem) -> list[Json]:
    whole = {"bandwidth_price": problem.bandwidth_hz, "server_price": problem.server_flop_per_s}
    named: dict[Quantity, str] = {"spectral_efficiency": "spectral_efficiency_bps_per_hz"}
    return [
        threshold
        for quantity in question.quantities()
        for threshold in found.thresholds(
            named.get(quantity, quantity),
            question.value(quantity),
            question.flips(quantity),
            _part_of(whole.get(quantity, 1.0)),
        )
    ]


def _part_of(whole: float) -> Callable[[float], float]:
    """Prices of a unit from those of the whole budget."""
    return lambda value: value / whole


def _beyond_memory(workload: Workload, question: Asked) -> list[Json]:
    """The cuts of which the device cannot hold the parameters."""
    known = set(question.cuts.tolist())
    return [
        {
            "cut": cut,
            "cut_name": each.name,
            "ways": 0,
            "feasible": False,
            "binding": "memory",
            "short_by_s": None,
            "chosen": False,
            "wins": False,
            "price_cost": None,
            "dearer_by": None,
            "wins_if": [],
        }
        for cut, each in enumerate(workload.model.cuts)
        if cut not in known
    ]


def _sensitivity(asked: AskedOf, question: Asked, chosen: int, anew: Anew) -> Json:
    told = asked.told
    spent = float(told["cost"])
    owed = {"spent": spent, **anew.without(asked.position, spent, question.least)}
    slopes = question.slopes(chosen)
    if slopes is None:
        return owed
    shares = float(told["bandwidth_share"]), float(told["server_share"])
    changes = question.changes(np.array(found.FACTORS), shares, spent, anew.room)
    return owed | {
        "per_deadline": found.interval(*slopes),
        "deadlines": found.deadlines(changes),
    }
