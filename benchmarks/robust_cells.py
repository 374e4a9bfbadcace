"""A million users in a hundred cells, as columns: `python -m benchmarks.robust_cells [users
cells]`.
"""

import resource
import sys
import time

import numpy as np
from sqlalchemy.orm import Session

from app.plans.family import UNWATCHED
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.assemble import assemble
from app.plans.robust.columns import Users
from app.plans.robust.present import user_columns
from app.plans.robust.run import plan_cells
from app.plans.robust.schemas import RobustTerms, RobustUser
from benchmarks import machine
from tests.support.builders import a_channel, a_device, a_server
from tests.support.robust.requests import a_user


def terms(users: int, cells: int) -> RobustTerms:
    """Cells of their own uplinks, wide enough for what is in them."""
    wide = 1.2e6 * users / cells
    return RobustTerms.model_validate(
        {
            "channel": a_channel(),
            "server": a_server(),
            "cells": [
                {"id": f"cell-{c}", "bandwidth_hz": wide * (0.5 + c / cells)} for c in range(cells)
            ],
        }
    )


def crowd(users: int, cells: int) -> Users:
    """Cameras of four kinds, in any order, 30 to 300 m from their masts."""
    rng = np.random.default_rng(users)
    kinds = [
        a_user(device=a_device(name="camera-cpu", power_coefficient_w_per_hz3=k * 1e-27))
        for k in (2, 4, 7, 10)
    ]
    unsaid = np.full(users, np.nan)
    return Users(
        ids=[str(n) for n in range(users)],
        networks=[RobustUser.model_validate(kind) for kind in kinds],
        network=rng.integers(0, len(kinds), users),
        cell=rng.integers(0, cells, users),
        gain_db=unsaid,
        distance_m=rng.uniform(30.0, 300.0, users),
        snr_db=unsaid,
        snr_bandwidth_hz=unsaid,
        tx_power_w=unsaid,
        deadline_s=rng.uniform(0.15, 0.4, users),
        risk=rng.uniform(0.01, 0.1, users),
        correlation=np.zeros(users),
        rate_hz=unsaid,
        max_loss=unsaid,
        value=unsaid,
    )


def main(users: int = 1_000_000, cells: int = 100) -> None:
    """Seconds and memory of every step from columns to columns."""
    print(f"Measured on {machine.describe()}: {users} users in {cells} cells.\n")
    asked, people = terms(users, cells), crowd(users, cells)
    _say("columns asked for", time.perf_counter())
    start = time.perf_counter()
    resolver = Resolver(StoredLibrary(Session()))  # every profile is inline: nothing is looked up
    assembled = assemble(asked, people, resolver)
    assert assembled is not None, resolver.faults[:3]
    _say("assembled", start)
    start = time.perf_counter()
    plans = plan_cells(assembled.cells, asked.options, UNWATCHED)
    assert isinstance(plans, list)
    _say("planned and checked", start)
    start = time.perf_counter()
    energy = sum(float(user_columns(plan)["energy_j"].sum()) for plan in plans)
    _say("columns answered", start)
    bound = sum(plan.bound for plan in plans)
    print(
        f"\n{energy:.6g} J, gap {1.0 - bound / energy:.1e}, all checks hold:"
        f" {all(p.certificate.holds for p in plans)}"
    )


def _say(what: str, start: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:>20}: {time.perf_counter() - start:6.2f} s, at most {peak:.0f} MB so far")


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
