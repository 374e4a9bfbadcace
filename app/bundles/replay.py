"""A plan made again from its bundle, and held against what was answered."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from app.bundles import digests
from app.bundles.carried import BadBundle, Carried
from app.bundles.schemas import AnswerDigests
from app.errors import InvalidRequest
from app.field_errors import field_errors
from app.plans.families import FAMILIES
from app.plans.family import Outcome, Prepared
from app.plans.resolve import Resolver
from app.plans.versions import versions
from solvers.compiled.library import Kernel, using
from solvers.progress import Progress

Json = dict[str, Any]

# Relative: what other machines and libraries make of the same sums.
_ROUNDING = 1e-9


class Verdict(StrEnum):
    """How the answer that was computed just now stands to the one in the bundle."""

    SAME = "same"  # to the last digit
    ROUNDING = "rounding"  # the same decisions, and figures to rounding
    TIME_LIMITED = "time_limited"  # the time limit, or a caller, ended one of the two
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay found."""

    verdict: Verdict
    parts: dict[str, bool]
    """Whether each part of the answer has the digest that the bundle says."""
    users_differ: list[tuple[int, int]]
    """Positions of users, first and last, within which something differs."""
    objective: tuple[Any, Any]
    """As it was answered, and as it was computed just now."""
    status: str
    whole: str
    solve_s: float
    other_versions: dict[str, tuple[str | None, str]]
    """What computes here in another version: that of the bundle, and ours."""


def other_versions(carried: Carried) -> dict[str, tuple[str | None, str]]:
    """Where what computes here is not what computed the answer."""
    theirs = carried.bundle.versions
    return {
        name: (theirs.get(name), ours)
        for name, ours in versions().items()
        if theirs.get(name) != ours
    }


def _kernel_of(carried: Carried) -> Kernel:
    """Who made a plan; before there was a kernel it was numpy."""
    made = carried.bundle.versions.get("kernel", Kernel.NUMPY)
    return Kernel.NUMPY if made == Kernel.NUMPY else Kernel.AUTO


def replay(carried: Carried, time_limit_s: float | None = None) -> Report:
    """Make a plan again: assemble, solve with the same seeds, check, compare.

    Raises BadBundle where its parts do not belong together, and RefutedAnswer where the check
    contradicts the solver.
    """
    bundle = carried.bundle
    family = FAMILIES[bundle.plan.kind]
    with using(_kernel_of(carried)):
        outcome = _prepared(carried, time_limit_s).solve(Progress(time_limit_s=math.inf))
    now = AnswerDigests.model_validate(digests.of_outcome(family, outcome))
    return Report(
        verdict=_verdict(carried, outcome, now, time_limit_s),
        parts=dict(_parts(bundle.answered.digests, now, bundle.answered.status == outcome.status)),
        users_differ=list(_differing(bundle.answered.digests, now, bundle.plan.users_count)),
        objective=((bundle.answered.result or {}).get("objective"), _objective(outcome)),
        status=outcome.status,
        whole=now.whole,
        solve_s=outcome.solve_s,
        other_versions=other_versions(carried),
    )


def _prepared(carried: Carried, time_limit_s: float | None) -> Prepared:
    bundle = carried.bundle
    family = FAMILIES[bundle.plan.kind]
    asked = carried.asked
    if time_limit_s is not None:
        options = {**(asked.body.get("options") or {}), "time_limit_s": time_limit_s}
        asked = type(asked)(asked.body | {"options": options}, asked.table)
    try:
        prepared = asked.prepared(family, Resolver(carried.library, pins=carried.pinned))
    except InvalidRequest as refused:
        raise BadBundle(f"its request cannot be planned with: {refused.detail}") from None
    except ValidationError as invalid:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        first = field_errors(errors, asked.body)[0]
        raise BadBundle(
            f"its request cannot be planned with: {first.pointer}: {first.detail}"
        ) from None
    if bundle.parent is not None:
        if family.steady is None:
            raise BadBundle(f"a {family.kind} plan cannot be held to another")
        held = {entry["id"]: entry for entry in bundle.parent.decisions}
        prepared = family.steady(prepared, held, bundle.parent.max_switches)
    return prepared


def _objective(outcome: Outcome) -> Any:
    return (outcome.result or {}).get("objective")


def _parts(then: AnswerDigests, now: AnswerDigests, same: bool) -> Iterator[tuple[str, bool]]:
    yield "status", same
    for name in ("decisions", "users", "objective", "certificate", "result", "infeasible"):
        yield name, getattr(then, name) == getattr(now, name)


def _differing(then: AnswerDigests, now: AnswerDigests, users: int) -> Iterator[tuple[int, int]]:
    for n, pair in enumerate(zip(then.users, now.users, strict=False)):
        if len(set(pair)) > 1:
            first = n * then.block_rows
            yield first, min(first + then.block_rows, users) - 1


def _verdict(
    carried: Carried, outcome: Outcome, now: AnswerDigests, time_limit_s: float | None
) -> Verdict:
    answer = carried.bundle.answered
    if answer.digests.whole == now.whole:
        return Verdict.SAME
    limit_s = carried.bundle.options.get("time_limit_s") or math.inf
    if _cut_short(answer.status, carried.bundle.plan.solve_s, limit_s) or _cut_short(
        outcome.status, outcome.solve_s, time_limit_s or limit_s
    ):
        return Verdict.TIME_LIMITED
    told, reasons = (
        [value and digests.lasting(value) for value in pair]
        for pair in ((answer.result, outcome.result), (answer.infeasible, outcome.infeasible))
    )
    alike = answer.status == outcome.status and answer.digests.decisions == now.decisions
    return Verdict.ROUNDING if alike and _close(*told) and _close(*reasons) else Verdict.DIFFERENT


def _cut_short(status: str, solve_s: float | None, limit_s: float) -> bool:
    """Whether more time might have said more: remedies of what is infeasible are looked for as
    long as there is any.
    """
    return status in ("timed_out", "cancelled") or (solve_s or 0.0) >= limit_s


def _close(then: Any, now: Any) -> bool:
    """Whether two values are the same but for rounding."""
    if isinstance(then, dict) and isinstance(now, dict):
        return then.keys() == now.keys() and all(_close(then[key], now[key]) for key in then)
    if isinstance(then, list | tuple) and isinstance(now, list | tuple):
        return len(then) == len(now) and all(map(_close, then, now))
    numbers = (int, float)
    if isinstance(then, numbers) and isinstance(now, numbers):
        return math.isclose(then, now, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return bool(then == now)
