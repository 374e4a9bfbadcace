"""Why there is no plan, in words: who is in the way, and what would mend it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.ui.told import Fact, Json
from app.ui.words import count, number, plural, si

_NAMED = 30
_PROOFS = {
    "smallest": "No set that collides has fewer.",
    "minimal": "Without any one of them the others can be served.",
    "found": "Perhaps fewer collide, too.",
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Users who cannot be served, alone or together."""

    said: str
    users: Sequence[str]
    more: int
    """How many there are beyond those named."""


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Why there is no plan."""

    sentences: Sequence[str]
    remedies: Sequence[Fact]
    conflicts: Sequence[Conflict]


def of(plan: Json) -> Obstacles:
    """What an infeasible plan says of all its users together."""
    why = plan["infeasible"]
    remedies = _REMEDIES.get(plan["kind"], _none)(why)
    return Obstacles(
        [_first(plan, why)],
        list(remedies),
        [_conflict(each) for each in why.get("conflicts") or ()],
    )


def _first(plan: Json, why: Json) -> str:
    users = why.get("users")
    failing = why.get("users_failing", None if users is None else len(users))
    whole = plural(plan["users_count"], "user")
    if why.get("proven") is False:
        return f"No plan was found for {whole}; that there is none is not proven."
    if failing == 0:
        return (
            f"There is no plan for {whole}: each could be served alone, but together they need"
            " more than there is."
        )
    if failing is None:
        return f"There is no plan for {whole}: those below fail even alone."
    if failing == plan["users_count"]:
        return f"There is no plan for {whole}: nobody could be served, not even alone."
    verb = "fails" if failing == 1 else "fail"
    return f"There is no plan for {whole}: {count(failing)} of them {verb} even alone."


def _conflict(told: Json) -> Conflict:
    named = told["users"][:_NAMED]
    where = f" in {told['cell']}" if told.get("cell") is not None else ""
    many = plural(told["users_count"], "user")
    if told["kind"] == "alone":
        verb = "fails" if told["users_count"] == 1 else "fail"
        said = f"{many}{where} {verb} alone, each for itself."
    else:
        said = f"{many}{where} collide. {_PROOFS.get(str(told.get('proof')), '')}"
    return Conflict(said, named, told["users_count"] - len(named))


def _robust(why: Json) -> Iterator[Fact]:
    together = why.get("together") or {}
    factor = together.get("deadline_factor") or why.get("least_deadline_factor")
    if factor is not None:
        yield Fact("All deadlines longer", f"× {number(factor)}", "the least factor that suffices")
    if why.get("least_total_bandwidth_hz") is not None:
        uplink = si(why["least_total_bandwidth_hz"], "Hz")
        yield Fact("Uplink that all need at least", uplink, "the sum of what each needs alone")
    if together.get("bandwidth_with_deadlines_hz"):
        yield Fact(
            "Uplink, with longer deadlines",
            si(together["bandwidth_with_deadlines_hz"], "Hz"),
            "once each who fails alone has its least deadline",
        )
    if together.get("bandwidth_with_risks_hz"):
        yield Fact(
            "Uplink, with more risk",
            si(together["bandwidth_with_risks_hz"], "Hz"),
            "once each who fails alone has its least risk",
        )
    for server in why.get("servers") or ():
        least = server["least_budget"]
        needed = "none suffices" if least is None else number(least)
        note = f"seconds of inference per second; it has {number(server['budget'])}"
        yield Fact(f"Budget of {server['server']}", needed, note)
    for cell in why.get("cells") or ():
        factor = (cell.get("together") or {}).get("deadline_factor")
        needed = "–" if factor is None else f"deadlines × {number(factor)}"
        fails = count(cell["users_failing"])
        yield Fact(
            f"Cell {cell['id']}", needed, f"{fails} fail alone, {si(cell['bandwidth_hz'], 'Hz')}"
        )


def _multi_user(why: Json) -> Iterator[Fact]:
    if why.get("least_total_bandwidth_hz") is not None:
        yield Fact(
            "Uplink", si(why["least_total_bandwidth_hz"], "Hz"), "suffices, all else as it is"
        )
    if why.get("least_server_flop_per_s") is not None:
        capacity = si(why["least_server_flop_per_s"], "FLOP/s")
        yield Fact("Server", capacity, "suffices, all else as it is")
    if why.get("least_budget_factor") is not None:
        yield Fact(
            "Both", f"× {number(why['least_budget_factor'])}", "suffices for uplink and server"
        )
    if why.get("least_switches") is not None:
        yield Fact("Switches", count(why["least_switches"]), "a limit that suffices")


def _none(_: Json) -> Iterator[Fact]:
    yield from ()


_REMEDIES: dict[str, Callable[[Json], Iterator[Fact]]] = {
    "robust": _robust,
    "multi-user": _multi_user,
}
