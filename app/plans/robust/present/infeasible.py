"""Why there is no plan."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.plans.conflicts import CellConflicts, conflicts
from app.plans.robust.assemble import Assembled
from app.plans.robust.cells import Cell, CellServer
from app.plans.robust.present.numbers import number
from solvers.robust.problem import TOLERANCE
from solvers.robust.solve.infeasible import Infeasibility

# Users of one cell who fail alone and are named; how many there are is always said.
_LISTED = 10_000


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
        whole = _room(assembled.cells[0], wrong[0])
    else:
        many = len(assembled.cells) > 1
        room = _room(assembled.cells[min(wrong)], wrong[min(wrong)])
        whole = {name: None for name in room if name != "servers"} if many else room
        whole["cells"] = [
            {
                "id": assembled.cells[c].id,
                "bandwidth_hz": assembled.cells[c].problem.bandwidth_hz,
                "users_failing": len(found.users),
                **_room(assembled.cells[c], found),
            }
            for c, found in wrong.items()
        ]
    told = [
        CellConflicts(
            cell.id,
            cell.users[found.users],
            None if found.conflict is None else found.conflict.of(cell.users),
        )
        for cell, found in ((assembled.cells[c], found) for c, found in wrong.items())
    ]
    whole |= {"users_listed": len(entries)} | conflicts(assembled.ids, told)
    return whole, [entries[n] for n in sorted(entries)]


def _room(cell: Cell, found: Infeasibility) -> dict[str, Any]:
    servers = [
        {
            "server": server.ref,
            "budget": server.budget_s,
            "least_budget": number(least),
            "least_parallel": parallel_of(server, least),
        }
        for server, least in zip(cell.budgeted, found.least_server_capacity.tolist(), strict=True)
    ]
    told: dict[str, Any] = {"servers": servers} if servers else {}
    return told | {
        "least_total_bandwidth_hz": number(found.least_total_bandwidth_hz),
        "least_deadline_factor": number(found.least_deadline_factor),
        "together": {
            "deadline_factor": number(found.together.deadline_factor),
            "bandwidth_with_deadlines_hz": number(found.together.bandwidth_with_deadlines_hz),
            "bandwidth_with_risks_hz": number(found.together.bandwidth_with_risks_hz),
        },
    }


def parallel_of(server: CellServer, least_s: float) -> int | None:
    """The least `parallel` with that budget; None where no budget helps."""
    if not np.isfinite(least_s):
        return None
    return max(1, math.ceil(least_s / server.utilisation * (1.0 - TOLERANCE)))


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
        reasons[n].append({"cut": cut, "binding": binding.value, "short_by_s": number(short)})
    return {
        position: {
            "id": assembled.ids[position],
            **({} if cell.id is None else {"cell": cell.id}),
            "reasons": reasons[n],
            "least_deadline_s": number(deadline),
            "least_risk": number(risk),
            "least_bandwidth_hz": number(bandwidth),
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
