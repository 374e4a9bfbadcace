"""Comparisons in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

_UNITS = {"energy_j": "J", "latency_s": "s", "cost": ""}
_MEASURES = {
    "energy_j": "The energy of one inference of everybody",
    "latency_s": "The mean time of an inference",
    "cost": "The cost of all",
}
_WHY = {
    "channel": "its channel",
    "deadline": "its deadline",
    "risk": "its risk",
    "profile": "its profiles",
    "options": "what it may choose from, or what that is worth",
    "price": "the price of what it shares",
    "solver": "the solver: nothing that it was asked differs, nor the price",
}
_LISTED = 5


def summary(told: Json) -> list[str]:
    """A comparison as sentences, the most important one first."""
    return list(_sentences(told))


def _sentences(told: Json) -> Iterator[str]:
    for which, side in (("first", told["before"]), ("second", told["after"])):
        if not side["has_result"]:
            yield f"The {which} plan is {side['status']}: it has no result."
        if side["revoked"]:
            yield f"The {which} plan is revoked: it is not to be trusted."
    yield _users(told["users_compared"])
    because = told["users_compared"]["because"]
    if because:
        parts = [f"{count:,} for {_WHY[reason]}" for reason, count in _most(because)]
        yield f"They changed: {_listed(parts)}."
    for name, said in _MEASURES.items():
        if name in told:
            yield from _measure(said, told[name], _UNITS[name])
    yield _terms(told)
    if told["profiles"]:
        parts = [_revisions(profile) for profile in told["profiles"]]
        yield f"They rest on other revisions of {_listed(parts)}."


def _users(users: Json) -> str:
    parts = [
        f"{users[name]:,} {said}"
        for name, said in (
            ("joined", "joined"),
            ("left", "left"),
            ("gained", "with a plan now"),
            ("lost", "without a plan now"),
            ("decision", "with another decision"),
            ("amounts", "with the same decision and other amounts"),
            ("unchanged", "as before"),
        )
        if users[name]
    ]
    return f"Users: {_listed(parts)}."


def _measure(said: str, measure: Json, unit: str) -> Iterator[str]:
    before, after = measure["before"], measure["after"]
    if before is None or after is None:
        return
    yield (
        f"{said} went from {_quantity(before, unit)} to {_quantity(after, unit)}"
        f"{_by(before, after)}."
    )
    old, new = measure["in_both_before"], measure["in_both_after"]
    if old is not None and new is not None and (old, new) != (before, after):
        yield (
            f"Of those in both plans it went from {_quantity(old, unit)} to"
            f" {_quantity(new, unit)}{_by(old, new)}."
        )


def _terms(told: Json) -> str:
    if not told["terms_count"]:
        return "The requests differ in nothing but their users, if in these."
    parts = [
        f"{term['field']} ({_value(term['before'])}, then {_value(term['after'])})"
        for term in told["terms"]
    ]
    more = told["terms_count"] - len(parts)
    return f"The requests differ in {_listed(parts + ['more'] * bool(more))}."


def _revisions(profile: Json) -> str:
    sides = [" and ".join(map(str, profile[side])) or "none" for side in ("before", "after")]
    return f"the {profile['kind']} {profile['name']} ({sides[0]}, then {sides[1]})"


def sentence(user: Json) -> str:
    """What became of one user."""
    said = f"{user['id']} {_became(user)}"
    why = [_WHY[reason] for reason in user["because"]]
    if why:
        said += f", because of {_listed(why)}"
    own = [
        f"{given['field']} {_value(given['before'])}, then {_value(given['after'])}"
        for given in user["inputs"]
    ]
    if own:
        said += f" ({'; '.join(own)})"
    return said + f"{_spent(user)}."


def _became(user: Json) -> str:
    before, after = user["before"], user["after"]
    match user["change"]:
        case "joined":
            return f"joined{_cut(' at ', after)}"
        case "left":
            return f"left{_cut(', it was at ', before)}"
        case "gained":
            return f"has a plan now{_cut(': ', after)}"
        case "lost":
            return f"has no plan any more{_cut(', it was at ', before)}"
        case "decision":
            old, new = _decision(before), _decision(after)
            return f"went from {old} to {new}" if old != new else "has another table"
    return f"stays{_cut(' at ', after)} with other amounts"


def _cut(before: str, told: Json | None) -> str:
    return "" if told is None or not _decision(told) else f"{before}{_decision(told)}"


def _decision(told: Json) -> str:
    """What of a result is its decision, in words."""
    cut = told.get("cut", told.get("placement"))
    if cut is None:
        return ""
    said = f"cut {cut} ({told.get('cut_name')})"
    if told.get("codec"):
        said += f" in {told['codec']}"
    elif told.get("bits"):
        said += f" in {told['bits']} bit"
    return said + (f" on {told['server']}" if told.get("server") else "")


def _spent(user: Json) -> str:
    before, after = user["before"] or {}, user["after"] or {}
    parts = [
        f"{name.rpartition('_')[0] or name} {_quantity(before[name], unit)}, then"
        f" {_quantity(after[name], unit)}{_by(before[name], after[name])}"
        for name, unit in _UNITS.items()
        if before.get(name) is not None and after.get(name) is not None
    ]
    return f"; {', '.join(parts)}" if parts else ""


def _by(before: float, after: float) -> str:
    if before in (0.0, after):
        return ""
    return f" ({after / before - 1.0:+.2%})"


def _quantity(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()


def _value(value: Any) -> str:
    """A value of a request, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return f"a body named {value.get('name')}" if "name" in value else "a body"
    said = f"{value:.6g}" if isinstance(value, float) else str(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _listed(parts: list[str]) -> str:
    shown = parts[:_LISTED] + ([f"{len(parts) - _LISTED:,} more"] if len(parts) > _LISTED else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
