"""What a result comes to, and why there is none, by kind of plan."""

from collections.abc import Callable, Iterable, Mapping

from client.present.quantities import Json, cost_of, enough, number, share, si


def _robust(result: Json) -> Iterable[tuple[str, str]]:
    certificate, baselines = result["certificate"], result["baselines"]
    field, unit, what = _objective(result["objective"])
    bound = certificate[f"lower_bound_{unit.lower()}"]
    yield (
        "total",
        (
            f"{si(result['objective'][field], unit, 5)} {what}; no plan needs less than"
            f" {si(bound, unit, 5)} (gap {certificate['gap']:.1e}, {certificate['status']})"
        ),
    )
    price = certificate[f"bandwidth_price_{unit.lower()}_per_hz"]
    if price is not None:
        yield "price", f"a little more uplink saves {si(price * 1e6, unit)} per MHz"
    if (evidence := certificate.get("evidence")) is not None:
        yield "margin", _evidence(evidence)
    for server in certificate.get("servers", ()):
        yield (
            "server",
            (
                f"{server['server']}: at work {server['used']:.3g} of {server['budget']:.3g} s of"
                f" every second; one more would save about {si(server['price_j_per_s'], unit)}"
            ),
        )
    for cell in result.get("cells", ()):
        proof = cell["certificate"]
        yield (
            f"{cell['id']:<10}",
            (
                f"{si(cell['objective'][field], unit)} for {cell['users_count']} users,"
                f" {proof['status']}, {si(proof['bandwidth_used_hz'], 'Hz')} of"
                f" {si(cell['bandwidth_hz'], 'Hz')} used"
            ),
        )
    if baselines is None:
        return
    late = baselines["mean_only"]["violation_bound_max"]
    remark = "" if late is None else f", but late with probability up to {late:.2f}"
    yield from _instead(
        (
            name,
            (
                "misses deadlines"
                if spent is None
                else si(spent, unit) + (remark if name == "mean_only" else "")
            ),
        )
        for name, spent in ((name, entry[field]) for name, entry in baselines.items())
    )
    yield from _instead(
        (f"margin {name}", "misses deadlines" if entry[field] is None else si(entry[field], unit))
        for name, entry in result.get("margins", {}).items()
    )


def _evidence(evidence: Json) -> str:
    """What promises rest on where they rest on samples, for whoever has to trust them."""
    if evidence["confidence"] is None:
        assumed = evidence["users_without"]
        return f"nobody is late more often than accepted, as long as {evidence['holds_while']}" + (
            f" ({assumed} users without samples)" if assumed else ""
        )
    return (
        f"from {evidence['samples']} measured inferences ({evidence['effective_samples']}"
        f" independent) at the least, {evidence['options_compared']} options compared: with"
        f" {evidence['confidence']:.0%} confidence nobody is late more often than accepted, as long"
        f" as {evidence['holds_while']}"
    )


def _objective(objective: Json) -> tuple[str, str, str]:
    """The field that is least, its unit, and of what it is."""
    if "power_w" in objective:
        return "power_w", "W", "of all at their rates"
    return "energy_j", "J", "per inference of all"


def _stopping(result: Json) -> Iterable[tuple[str, str]]:
    objective = result["objective"]
    yield (
        "total",
        (
            f"cost {number(objective['cost'])} per inference of all (running"
            f" {number(objective['running_cost'])}, placement"
            f" {number(objective['placement_cost'])}); {_proof(result['certificate'])}"
        ),
    )
    yield from _instead(
        (name, cost_of(entry["cost"])) for name, entry in result["baselines"].items()
    )


def _multi_user(result: Json) -> Iterable[tuple[str, str]]:
    objective, used = result["objective"], result["utilisation"]
    yield (
        "total",
        (
            f"cost {number(objective['cost'])}: mean delay {si(objective['latency_s'], 's')}, "
            f"mean loss {number(objective['loss'], 3)}; {_proof(result['certificate'])}"
        ),
    )
    yield (
        "given out",
        (
            f"{share(used['bandwidth_share'])} of the uplink, {share(used['server_share'])} of the"
            " server"
        ),
    )
    if (steadiness := result.get("steadiness")) is not None:
        dearer = (
            ""
            if steadiness["cost"] is None
            else f", dearer by {number(steadiness['cost'])} than if all were free"
        )
        yield "steadiness", f"{steadiness['switches']} users switch{dearer}"
    yield from _instead(
        (name, cost_of(entry["cost"]) + ("" if entry["feasible"] else ", but breaks limits"))
        for name, entry in result["baselines"].items()
    )


def _adaptive(result: Json) -> Iterable[tuple[str, str]]:
    unserved = result["unserved"]
    yield (
        "tables",
        "checked at both ends of every row"
        + (f"; {unserved} users cannot be served" if unserved else ""),
    )


SUMMARIES: Mapping[str, Callable[[Json], Iterable[tuple[str, str]]]] = {
    "robust": _robust,
    "stopping": _stopping,
    "multi-user": _multi_user,
    "adaptive": _adaptive,
}


def _proof(certificate: Json) -> str:
    if certificate["lower_bound"] is None:
        return f"{certificate['status']}, without a bound"
    return (
        f"no plan costs less than {number(certificate['lower_bound'])} "
        f"(gap {certificate['gap']:.1e}, {certificate['status']})"
    )


_RULES = {
    "device_only": "all on the device",
    "edge_only": "all at the edge",
    "equal_share": "equal shares",
    "mean_only": "means only",
    "best_fixed": "best fixed cuts",
    "look_ahead": "look-ahead rule",
    "clairvoyant": "seeing the future",
    "latency_only": "delay only",
}


def _instead(rules: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    label = "instead"
    for name, words in rules:
        yield label, f"{_RULES.get(name, name):<18} {words}"
        label = ""


def why_infeasible(kind: str, reasons: Json) -> Iterable[str]:
    yield from _conflicts(reasons)
    if kind == "robust" and (cells := reasons.get("cells")):
        for cell in cells:
            failing = (
                f"{cell['users_failing']} users fail even alone"
                if cell["users_failing"]
                else "over-subscribed"
            )
            yield f"cell {cell['id']}: {failing}{_remedies(cell)}"
        return
    alone = bool(reasons.get("users_url") or reasons["users"])
    failing = (
        "the users above fail even alone"
        if alone
        else "each works alone, but there is not room for all"
    )
    yield failing + _remedies(reasons)


_COLLIDE = {
    "smallest": "collide, and no fewer do",
    "minimal": "collide, but would not without any one of them",
    "found": "collide",
}
_NAMED = 5


def _conflicts(reasons: Json) -> Iterable[str]:
    """Who is in the way of whom."""
    failing, listed = reasons.get("users_failing"), reasons.get("users_listed")
    if failing is not None and listed is not None and listed < failing:
        yield f"{failing} users fail even alone, of whom {listed} are listed"
    for conflict in reasons.get("conflicts") or ():
        if conflict["kind"] == "together":
            place = f"cell {conflict['cell']}: " if "cell" in conflict else ""
            named = ", ".join(conflict["users"][:_NAMED])
            more = " and others" if conflict["users_count"] > _NAMED else ""
            how = _COLLIDE[conflict["proof"]]
            yield f"{place}{conflict['users_count']} users {how}: {named}{more}"


def _remedies(reasons: Json) -> str:
    words = [
        told(value)
        for field, told in _REMEDIES.items()
        if (value := reasons.get(field)) is not None
    ]  # fmt: skip
    words += [
        f"{server['least_parallel']} inferences at once at {server['server']}"
        for server in reasons.get("servers", ())
        if server["least_parallel"] is not None
    ]
    return f"; enough would be {', or '.join(words)}" if words else ""


_REMEDIES: Mapping[str, Callable[[float], str]] = {
    "least_total_bandwidth_hz": lambda value: f"{enough(value, 'Hz')} of uplink",
    "least_server_flop_per_s": lambda value: f"a server of {enough(value, 'FLOP/s')}",
    "least_budget_factor": lambda value: f"{value * (1.0 + 5e-6):.6g} times the uplink and server",
    "least_deadline_factor": lambda value: f"deadlines {value * (1.0 + 5e-6):.6g} times as long",
    "least_switches": lambda value: f"{value:g} switches",
}
