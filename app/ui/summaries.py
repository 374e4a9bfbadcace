"""Plans of each family in words and numbers, from what the API answers of them."""

from collections.abc import Callable, Iterator, Sequence

from app.ui import told
from app.ui.told import Fact, Json, Summary
from app.ui.words import count, number, percent, plural, quantity, si

_RULES = {
    "device_only": "All on the device",
    "edge_only": "All on the server",
    "equal_share": "Equal shares",
    "mean_only": "Means only, no margin",
    "alternating": "Cuts and shares by turns",
    "latency_only": "Latency alone",
    "greedy": "Each as if alone",
    "best_fixed": "Best fixed cut",
    "look_ahead": "One-stage look-ahead",
    "clairvoyant": "Knows the channel ahead",
}

Rules = Sequence[tuple[str, float | None]]
# Parts of what a plan takes: less is rounding.
_WORTH_SAYING = 5e-4


def of(plan: Json) -> Summary:
    """What a plan with a result says of all its users together."""
    result = plan["result"]
    return _FAMILIES.get(plan["kind"], _plain)(plan, result)


def _robust(plan: Json, result: Json) -> Summary:
    proof = result["certificate"]
    is_power = result["objective"].get("power_w") is not None
    unit, field = ("W", "power_w") if is_power else ("J", "energy_j")
    spent, bound = result["objective"][field], proof.get(f"lower_bound_{unit.lower()}")
    what = "power" if is_power else "energy"
    baselines = result.get("baselines") or {}
    named = [(_RULES[name], baselines[name].get(field)) for name in _RULES if name in baselines]
    checked = proof.get(f"checked_lower_bound_{unit.lower()}")
    each = si(spent / max(plan["users_count"], 1), unit)
    return Summary(
        sentences=[
            _kept(plan, si(spent, unit), is_power=is_power),
            _optimality(proof, bound, unit, spent),
            *_saved(named, spent, unit),
        ],
        facts=[
            Fact(f"Total {what}", si(spent, unit), f"{each} per user on average"),
            Fact("Gap", percent(proof["gap"]), "to the proven lower bound"),
            Fact("Uplink given out", si(proof["bandwidth_used_hz"], "Hz")),
        ],
        certificate=[
            *_proof(proof, si(bound, unit), si(spent, unit)),
            Fact(
                "Bound of the check itself",
                si(checked, unit) if checked else "none",
                "found again by code that shares no formula with the solver",
            ),
        ],
        prices=list(_prices(proof, unit)),
        networks=told.networks(result["cut_counts"]),
        rules=told.rules(named, spent, lambda value: si(value, unit)) if named else [],
        rules_of=f"Total {what}",
    )


def _kept(plan: Json, spent: str, *, is_power: bool) -> str:
    """What a robust plan takes, and what it keeps for that."""
    users = plural(plan["users_count"], "user")
    whose = "together" if is_power else "for one inference of each"
    margin = plan["options"].get("margin", "cantelli")
    if margin == "mean":
        return f"{users} spend {spent} {whose}, and deadlines are kept on average, with no margin."
    return (
        f"{users} spend {spent} {whose}; each is late no more often than it accepts, by the margin"
        f" “{margin}”."
    )


def _saved(named: Rules, spent: float, unit: str) -> Iterator[str]:
    """How much better the plan is than the best rule that keeps every limit."""
    kept = [
        (value, name) for name, value in named if value is not None and name != _RULES["mean_only"]
    ]
    value, name = min(kept, default=(0.0, ""))
    if value > 0 and (less := 1.0 - spent / value) > _WORTH_SAYING:
        rule = f"{name[0].lower()}{name[1:]}"
        yield (
            f"The best simpler rule, {rule}, takes {si(value, unit)}: the plan saves"
            f" {percent(less)}."
        )


def _prices(proof: Json, unit: str) -> Iterator[Fact]:
    price = proof.get(f"bandwidth_price_{unit.lower()}_per_hz")
    if price is not None:
        yield Fact(
            "Uplink",
            f"{si(1e6 * price, unit)} per MHz",
            "what a little more uplink saves at these cuts",
        )
    for server in proof.get("servers") or ():
        used = percent(server["used"] / server["budget"])
        saves = f"{si(server['price_j_per_s'], 'J')} per second"
        yield Fact(server["server"], saves, f"{used} of its budget used")


def _stopping(plan: Json, result: Json) -> Summary:
    proof, objective = result["certificate"], result["objective"]
    cost = objective["cost"]
    baselines = result["baselines"]
    named = [
        (_RULES[name], (baselines[name] or {}).get("cost")) for name in _RULES if name in baselines
    ]
    return Summary(
        sentences=[
            f"{plural(plan['users_count'], 'device')} decide at each cut, by the rate they see,"
            " whether to send or to compute on: expected cost"
            f" {number(cost)} per inference of each.",
            _optimality(proof, proof["lower_bound"], "", cost),
        ],
        facts=[
            Fact("Expected cost", number(cost), "weighted time and energy, with the placement"),
            Fact("Running", number(objective["running_cost"]), "time and energy"),
            Fact("Placement", number(objective["placement_cost"]), "bringing layers to devices"),
            Fact("Gap", percent(proof["gap"]), "to the proven lower bound"),
        ],
        certificate=[
            *_proof(proof, number(proof["lower_bound"]), number(cost)),
            Fact("Whole curves computed again", count(proof["users_retraced"]), "of users"),
            Fact("Nodes of the quadrature", count(proof["nodes"])),
        ],
        networks=told.networks(result["placement_counts"]),
        rules=told.rules(named, cost, number),
        rules_of="Expected cost",
    )


def _multi_user(plan: Json, result: Json) -> Summary:
    proof, objective, used = result["certificate"], result["objective"], result["utilisation"]
    cost, baselines = objective["cost"], result["baselines"]
    named = [
        (_RULES[name], baselines[name]["cost"] if baselines[name]["feasible"] else None)
        for name in _RULES
        if name in baselines
    ]
    prices = [
        Fact(f"{what}", f"{number(1e6 * price)} per {unit}", f"what one more {unit} would take off")
        for what, price, unit in (
            ("Uplink", proof["bandwidth_price"], "MHz"),
            ("Server", proof["server_price"], "MFLOP/s"),
        )
        if price is not None
    ]
    return Summary(
        sentences=[
            f"{plural(plan['users_count'], 'user')} share the uplink and the server: mean latency"
            f" {si(objective['latency_s'], 's')}, mean accuracy lost {percent(objective['loss'])}.",
            _optimality(proof, proof["lower_bound"], "", cost),
        ],
        facts=[
            Fact("Cost", number(cost), "weighted latency and accuracy lost"),
            Fact("Mean latency", si(objective["latency_s"], "s")),
            Fact("Uplink given out", percent(used["bandwidth_share"])),
            Fact("Server given out", percent(used["server_share"])),
        ],
        certificate=_proof(proof, number(proof["lower_bound"]), number(cost)),
        prices=prices,
        networks=told.networks(result["cut_counts"]),
        rules=told.rules(named, cost, number),
        rules_of="Cost",
    )


def _adaptive(plan: Json, result: Json) -> Summary:
    proof, unserved = result["certificate"], result["unserved"]
    served = plan["users_count"] - unserved
    return Summary(
        sentences=[
            f"{plural(plan['users_count'], 'device')} carry a table each that says, for every rate"
            " of the uplink, where to cut and in how many bits to send.",
            "Each row was compared with every allowed option at both of its ends: none is better"
            " beyond rounding."
            if proof["holds"]
            else "The comparison with other options did not hold.",
        ],
        facts=[
            Fact("Tables", count(plan["users_count"])),
            Fact("Served", count(served), "at some rate"),
            Fact("Unserved", count(unserved), "nothing keeps their limits at any rate"),
        ],
        certificate=[
            Fact(
                "Optimal", "proven" if proof["holds"] else "not proven", "every row of each table"
            ),
            Fact("Largest excess seen", percent(proof["excess"]), "rounding"),
        ],
    )


def _plain(plan: Json, _: Json) -> Summary:
    return Summary(sentences=[f"A plan for {plural(plan['users_count'], 'user')}."])


def _optimality(proof: Json, bound: float | None, unit: str, spent: float) -> str:
    shown, taken = (quantity(each, unit) for each in (bound, spent))
    if bound is None:
        return "No bound was computed: whether there is a better plan is not known."
    if proof["status"] == "optimal":
        return f"It is proven that no plan takes less than {shown}: this one is optimal."
    return (
        f"It is proven that no plan takes less than {shown}; a plan up to"
        f" {percent(proof['gap'])} better than {taken} may exist."
    )


def _proof(proof: Json, bound: str, spent: str) -> list[Fact]:
    optimal = proof["status"] == "optimal"
    return [
        Fact(
            "Optimal" if optimal else "Feasible",
            "proven" if optimal else "proven, not optimal",
            "no plan is better by more than the gap asked for"
            if optimal
            else "every limit is kept; a better plan may exist",
        ),
        Fact("Lower bound", bound, f"on every possible plan; this one takes {spent}"),
        Fact(
            "Independent check",
            "holds" if proof["holds"] else "fails",
            "every constraint recomputed from request and decision",
        ),
    ]


_FAMILIES: dict[str, Callable[[Json, Json], Summary]] = {
    "robust": _robust,
    "stopping": _stopping,
    "multi-user": _multi_user,
    "adaptive": _adaptive,
}
