"""What a replay found, in words and as an exit code."""

import json
from typing import Any

from app.bundles.carried import BadBundle, Carried, read
from app.bundles.replay import Report, Verdict, other_versions, replay
from solvers.outcome import RefutedAnswer

_BAD, _NOT_COMPARED = 1, 5
_CODES = {
    Verdict.SAME: 0,
    Verdict.DIFFERENT: 3,
    Verdict.ROUNDING: 4,
    Verdict.TIME_LIMITED: _NOT_COMPARED,
}
_SAID = {
    Verdict.SAME: "every digit agrees",
    Verdict.DIFFERENT: "the answer DIFFERS from the one in the bundle",
    Verdict.ROUNDING: (
        "the same decisions, and the same figures but for rounding: not every digit agrees, as"
        " happens with other versions of numpy and scipy, or on another kind of processor"
    ),
    Verdict.TIME_LIMITED: (
        "it cannot be compared: what a solver has found when its time is over, or when it is"
        " cancelled, depends on the machine; --time-limit gives it more"
    ),
}
_LISTED = 10


def told(
    content: bytes, time_limit_s: float | None, *, any_version: bool, as_json: bool
) -> tuple[str, int]:
    """Replay a bundle: what to print, and the exit code."""
    try:
        carried = read(content)
        theirs, ours = other_versions(carried).get("splitplan", ("", ""))
        if theirs != ours and not any_version:
            return _of_version(theirs, ours, as_json=as_json), _NOT_COMPARED
        report = replay(carried, time_limit_s)
    except BadBundle as bad:
        return f"Error: this bundle cannot be replayed: {bad}", _BAD
    except RefutedAnswer as refuted:
        return f"Error: the check contradicts the solver: {refuted}", _BAD
    said = json.dumps(_document(carried, report)) if as_json else _text(carried, report)
    return said, _CODES[report.verdict]


def _of_version(theirs: str | None, ours: str, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {"verdict": "other_version", "other_versions": {"splitplan": [theirs, ours]}}
        )
    return (
        f"splitplan {theirs} made this plan, and this is splitplan {ours}, which may answer"
        f" otherwise: install splitplan=={theirs}, or compute with this one all the same with"
        " --any-version"
    )


def _document(carried: Carried, report: Report) -> dict[str, Any]:
    names = ("verdict", "parts", "users_differ", "status", "whole", "solve_s", "other_versions")
    then, now = report.objective
    return {
        "plan": carried.bundle.plan.id,
        "kind": carried.bundle.plan.kind,
        **{name: getattr(report, name) for name in names},
        "objective": {"bundle": then, "replay": now},
    }


def _text(carried: Carried, report: Report) -> str:
    plan = carried.bundle.plan
    lines = [
        f"plan {plan.id}: {plan.kind}, {plan.users_count} users, {carried.bundle.answered.status}",
        f"the bundle is whole; computed again in {report.solve_s:.3g} s",
        *(
            f"  {name} is {ours} here, and was {theirs or 'not told'}"
            for name, (theirs, ours) in report.other_versions.items()
        ),
        *(f"  {name:<12} {'same' if same else 'DIFFERS'}" for name, same in report.parts.items()),
    ]
    if not report.parts["objective"]:
        then, now = map(json.dumps, report.objective)
        lines.append(f"  the objective was {then}, and is {now}")
    lines += [f"  users {first} to {last} differ" for first, last in report.users_differ[:_LISTED]]
    return "\n".join([*lines, f"{_SAID[report.verdict]} (digest {report.whole})"])
