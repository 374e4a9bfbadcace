"""A stored plan as the problem that was solved and the decision that was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.arrow import pa
from app.errors import PlanNotReplayable
from app.plans import service, stored
from app.plans.library import StoredLibrary
from app.plans.resolve import Resolver
from app.plans.robust.assemble import assemble
from app.plans.robust.bulk import terms_of, users_of
from app.plans.robust.cells import Cell
from app.plans.robust.columns import Users, columns
from app.plans.robust.hosting import NONE
from app.plans.robust.schemas import RobustRequest, RobustTerms
from app.plans.tables import PlanRow
from solvers.arrays import Floats, Integers
from solvers.outcome import Certificate, Violation
from solvers.robust.check import check
from solvers.robust.problem import TOLERANCE, Decision, Problem
from solvers.robust.replay import Misses


@dataclass(frozen=True, slots=True)
class RebuiltCell:
    """A cell as it was asked for and decided."""

    cell: Cell
    decision: Decision

    @property
    def users(self) -> Integers:
        """Positions in the request."""
        return self.cell.users

    @property
    def problem(self) -> Problem:
        """What was solved."""
        return self.cell.problem

    @property
    def row(self) -> Integers:
        """The row of the table of options that each user takes."""
        return np.asarray(
            self.problem.workloads.first[self.problem.workload] + self.decision.option
        )


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was asked, what was decided and what the plan promised."""

    ids: Sequence[str]
    cells: list[RebuiltCell]
    objective: float  # [J], or [W] where users say how often they infer
    risk: Floats  # (users,)
    mean_s: Floats  # (users,) of the total time
    std_s: Floats  # (users,)

    def check(self) -> Certificate:
        """What the check says of all cells; users by their positions in the request."""
        found = [check(cell.problem, cell.decision) for cell in self.cells]
        violations: list[Violation] = []
        for cell, certificate in zip(self.cells, found, strict=True):
            for broken in certificate.violations:
                user = None if broken.user is None else int(cell.users[broken.user])
                violations.append(replace(broken, user=user))
        return Certificate(
            objective=sum(certificate.objective for certificate in found),
            used={
                "bandwidth_hz": sum(
                    certificate.used.get("bandwidth_hz", 0.0) for certificate in found
                )
            },
            violations=tuple(violations),
        )

    def misses(self, replayed: Callable[[RebuiltCell], Misses]) -> Misses:
        """What a replay, cell by cell, found of every user, in the order of the request."""
        found = [replayed(cell) for cell in self.cells]
        order = np.argsort(np.concatenate([cell.users for cell in self.cells]))
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(misses, field.name) for misses in found])[order]
            for field in fields(Misses)
            if field.name != "law"
        }
        return replace(found[0], **columns)


def require_replayable(row: PlanRow) -> None:
    """Raise PlanNotEnded or PlanNotReplayable unless the plan can be replayed."""
    if row.kind != "robust":
        raise PlanNotReplayable(
            f"The plan {row.id!r} is a {row.kind} plan: only robust plans can be replayed."
        )
    service.require_ended(row.id, row.status)
    if stored.answer_of(row).result is None:
        raise PlanNotReplayable(
            f"The plan {row.id!r} is {row.status} and decides nothing that could be replayed."
        )
    if stored.pins_of(row) is None:
        raise PlanNotReplayable(
            f"The plan {row.id!r} is from a time when the revisions behind names were not kept:"
            " plan it again."
        )


def rebuild(session: Session, row: PlanRow) -> Rebuilt:
    """Assemble the request again with the revisions and options of the time, and read the decision
    back.
    """
    pins, result = stored.pins_of(row), stored.answer_of(row).result
    assert pins is not None
    assert result is not None
    resolver = Resolver(StoredLibrary(session), pins=pins)
    terms, asked = _asked(session, row)
    told = pa.concat_tables(stored.user_tables(session, row)).combine_chunks()
    if "admission" in result:
        asked = asked.only(_rows_of(told["id"].to_pylist(), asked.ids))
    assembled = assemble(terms, asked, resolver)
    # It was accepted once, and revisions never change.
    assert assembled is not None, resolver.faults
    latency = told["latency"].combine_chunks()
    cells = [RebuiltCell(cell, _decision(cell, told.take(cell.users))) for cell in assembled.cells]
    objective = result["objective"]
    return Rebuilt(
        ids=asked.ids,
        cells=cells,
        objective=objective.get("power_w", objective["energy_j"]),
        risk=asked.risk,
        mean_s=latency.field("mean_s").to_numpy(),
        std_s=latency.field("std_s").to_numpy(),
    )


def _rows_of(told: Sequence[str], asked: Sequence[str]) -> Integers:
    """Where in the request the users stand whom a plan admitted."""
    places = {user: n for n, user in enumerate(asked[:])}
    return np.array([places[user] for user in told], dtype=np.int64)


def _asked(session: Session, row: PlanRow) -> tuple[RobustTerms, Users]:
    """The request of a plan with the options of the time, however its users came."""
    asked, options = stored.request_of(session, row), stored.answer_of(row).options
    if asked.table is None:
        request = RobustRequest.model_validate(asked.body | {"options": options})
        return request, columns(request.users, request.cell_positions)
    bulk = asked.bulk(options=options)
    terms = terms_of(bulk)
    return terms, users_of(bulk, terms)


def _decision(cell: Cell, told: pa.Table) -> Decision:
    """The option of each user: the first with what was told of it; -1 where there is none."""
    problem = cell.problem
    work = problem.workloads
    first = work.first[problem.workload]
    count = work.first[problem.workload + 1] - first
    user = np.repeat(np.arange(problem.users), count)
    option = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    row = first[user] + option
    cut, frequency_hz, bandwidth_hz = (
        told[name].to_numpy() for name in ("cut", "frequency_hz", "bandwidth_hz")
    )
    clock = frequency_hz[user]
    fits = (
        (work.cut[row] == cut[user])
        & (clock >= work.clock_min_hz[row] * (1.0 - TOLERANCE))
        & (clock <= work.clock_max_hz[row] * (1.0 + TOLERANCE))
    )
    for of_row, of_user in _meant(cell, told):
        fits &= of_row[row] == of_user[user]
    chosen = np.full(problem.users, -1)
    chosen[user[fits][::-1]] = option[fits][::-1]
    return Decision(option=chosen, frequency_hz=frequency_hz, bandwidth_hz=bandwidth_hz)


def _meant(cell: Cell, told: pa.Table) -> Iterator[tuple[Integers, Integers]]:
    """What options stand for, of each row and as it was told of each user; only what was told."""
    meanings, refs = cell.meanings, [server.ref for server in cell.servers]
    for name, of_row, texts in (
        ("codec", meanings.codec, meanings.codecs),
        ("server", meanings.host, refs),
    ):
        if name in told.column_names:
            yield of_row, _codes(told[name], texts)
    if "tier" in told.column_names:
        tiers = told["tier"].to_pylist()
        server = pa.array([tier and tier["server"] for tier in tiers], pa.string())
        yield meanings.tier, _codes(server, refs)
        yield (
            meanings.tier_cut,
            np.array([NONE if tier is None else tier["cut"] for tier in tiers], np.int64),
        )


def _codes(told: pa.ChunkedArray | pa.Array, texts: Sequence[str]) -> Integers:
    """The position of each text; NONE for null."""
    places = {None: NONE} | {text: code for code, text in enumerate(texts)}
    return np.array([places[text] for text in told.to_pylist()], np.int64)
