"""Explanations of robust plans."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from app.explanations import found
from app.explanations.anew import Anew
from app.explanations.asked import AskedOf
from app.plans import units
from app.plans.robust.cells import Cell
from app.plans.robust.run import PreparedRobust
from solvers.records import with_cut
from solvers.robust.explain import Asked, Prices, bound

Json = dict[str, Any]


def explained(asked: AskedOf) -> Json:
    """Every cut of a user, and what its cell owes to it."""
    assert isinstance(asked.prepared, PreparedRobust)
    cell = asked.prepared.assembled.cells[0]
    user = int(np.flatnonzero(cell.users == asked.position)[0])
    certificate, objective = _of_cell(asked)
    streams = cell.problem.rate_hz is not None
    price_name = f"bandwidth_price_{'w' if streams else 'j'}_per_hz"
    servers = {each["server"]: each["price_j_per_s"] for each in certificate.get("servers") or ()}
    prices = Prices(
        per_hz=certificate[price_name],
        per_server_s=np.array([servers.get(server.ref, 0.0) for server in cell.budgeted]),
    )
    question = Asked(cell.problem.only(np.array([user])), prices)
    chosen = _chosen(question, cell, asked.told)
    told: Json = {price_name: prices.per_hz}
    mine = [server.ref for server in cell.budgeted]
    if mine:
        told["servers"] = [{"server": ref, "price_j_per_s": servers.get(ref, 0.0)} for ref in mine]
    low = bound(cell.problem, prices) if asked.whole else -math.inf
    anew = Anew(cell.problem, objective, objective - low, whole=asked.whole)
    cuts = _cuts(question, cell, user, chosen, price_name)
    sensitivity = _sensitivity(asked, question, user, chosen, anew)
    anew.with_cuts(cuts, partial(with_cut, cell.problem, user))
    return {
        "unit": "W" if streams else "J",
        "prices": told,
        "cuts": cuts,
        "sensitivity": sensitivity,
    }


def _of_cell(asked: AskedOf) -> tuple[Json, float]:
    """The certificate and the objective of a user's cell."""
    cells = {each["id"]: each for each in asked.result.get("cells") or ()}
    of = cells.get(asked.user.get("cell"), asked.result)
    objective: dict[str, float] = of["objective"]
    return of["certificate"], objective.get("power_w", objective["energy_j"])


def _chosen(question: Asked, cell: Cell, told: Json) -> int:
    """The option of a user's entry."""
    tier = told.get("tier") or {}
    options = [
        n
        for n, way in enumerate(_ways(question, cell))
        if way["cut"] == told["cut"]
        and way["codec"] == told.get("codec")
        and told.get("server") in (None, way["server"])
        and (way["tier"], way["tier_cut"]) == (tier.get("server"), tier.get("cut"))
    ]
    work = cell.problem.workloads
    rows = question.rows[options]
    clock = told["frequency_hz"]
    off = np.maximum(work.clock_min_hz[rows] - clock, clock - work.clock_max_hz[rows])
    return options[int(np.argmin(np.maximum(off, 0.0)))]


def _ways(question: Asked, cell: Cell) -> list[Json]:
    """What tells the options of a user apart."""
    means, refs = cell.meanings, [server.ref for server in cell.servers]
    return [
        {
            "cut": int(cell.problem.workloads.cut[row]),
            "codec": means.codecs[means.codec[row]] if means.codec[row] >= 0 else None,
            "server": refs[means.host[row]] if means.host[row] >= 0 else None,
            "tier": refs[means.tier[row]] if means.tier[row] >= 0 else None,
            "tier_cut": int(means.tier_cut[row]) if means.tier[row] >= 0 else None,
        }
        for row in question.rows.tolist()
    ]


def _cuts(question: Asked, cell: Cell, user: int, chosen: int, price_name: str) -> list[Json]:
    now, best = question.now, question.best()
    ways, model = _ways(question, cell), cell.models[cell.problem.workload[user]]
    costs = now.cost[best]
    known = np.flatnonzero(now.possible[best])
    details = question.described(best[known])
    told = {
        "energy_j": details.energy_j,
        "latency_s": details.mean_s,
        "bound_s": details.bound_s,
        "frequency_hz": question.clocks_hz(best[known]),
    }
    reasons = question.reasons()
    stopped = {
        cut: (binding.value, found.number(short))
        for cut, binding, short in zip(
            reasons.cut.tolist(), reasons.binding, reasons.short_by_s.tolist(), strict=True
        )
    }
    flips = _flips(question, price_name)
    place = {int(k): n for n, k in enumerate(known)}
    entries = []
    for k, cut in enumerate(question.cuts.tolist()):
        feasible = k in place
        way = ways[int(best[k])]
        binding, short = stopped[cut]
        entry: Json = {
            "cut": cut,
            "cut_name": model.cuts[cut].name,
            **{name: way[name] for name in ("codec", "server", "tier") if way[name] is not None},
            "ways": int(np.sum(question.cut_of == k)),
            "feasible": feasible,
            "binding": None if feasible else binding,
            "short_by_s": None if feasible else short,
            "chosen": cut == ways[chosen]["cut"],
            **found.priced(costs, k, flips, feasible=feasible),
        }
        if feasible:
            n, share = place[k], float(now.share_hz[best[k]])
            entry |= {
                **_numbers(question, int(best[k]), share),
                **{name: float(values[n]) for name, values in told.items()},
            }
        entries.append(entry)
    return entries


def _numbers(question: Asked, option: int, share_hz: float) -> Json:
    """What an option takes at its share."""
    return {
        "own_cost": question.spent(option, share_hz),
        "bandwidth_hz": share_hz,
        "least_bandwidth_hz": float(question.now.candidates.curves.least_hz[option]),
        "loss": float(question.problem.workloads.loss[question.rows[option]]),
    }


def _flips(question: Asked, price_name: str) -> list[Json]:
    problem = question.problem
    return [
        *found.thresholds(
            "gain_db", float(problem.gain[0]), question.flips("gain"), units.decibels
        ),
        *found.thresholds("deadline_s", float(problem.deadline_s[0]), question.flips("deadline_s")),
        *found.thresholds(price_name, question.prices.per_hz, question.flips("price")),
    ]


def _sensitivity(asked: AskedOf, question: Asked, user: int, chosen: int, anew: Anew) -> Json:
    share = float(asked.told["bandwidth_hz"])
    spent = question.spent(chosen, share)
    changes = question.changes(np.array(found.FACTORS), chosen, share, anew.room)
    return {
        "spent": spent,
        **anew.without(user, spent, question.least),
        "per_deadline": found.interval(*question.slopes(chosen)),
        "deadlines": found.deadlines(changes),
    }
