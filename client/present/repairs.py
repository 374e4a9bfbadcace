"""Repairs of a plan, for people."""

from collections.abc import Iterable

from rich.console import Console

from client.present.quantities import Json, enough, number, si
from client.present.tables import Columns, say, table

_NAMED = 3


def repairs(console: Console, document: Json) -> None:
    """Repairs of an infeasible plan, cheapest first."""
    if document["repairs"]:
        console.print(table(document["repairs"], _REPAIRS))
    for some in document["without"]:
        say(console, some["kind"], some["detail"])
    if document["repairs"]:
        how = f"splitplan-client repairs {document['plan']} ... --json, and replan with a patch"
        say(console, "take one", how)


def _changes(repair: Json) -> Iterable[str]:
    """What a repair changes, in words."""
    if repair["users_dropped"]:
        yield f"without {_few(repair['users_dropped'])}"
    later = [
        f"{change['id']} {si(change['before_s'], 's')} to {enough(change['deadline_s'], 's')}"
        for change in repair["deadlines"]
    ]
    if later:
        yield f"deadline of {_few(later)}"
    risks = [
        f"{change['id']} {number(change['before'], 3)} to {number(change['risk'], 3)}"
        for change in repair["risks"]
    ]
    if risks:
        yield f"risk of {_few(risks)}"
    for change in repair["bandwidths"]:
        place = f" in {change['cell']}" if "cell" in change else ""
        yield f"{enough(change['bandwidth_hz'], 'Hz')} of uplink{place}"
    for change in repair["servers"]:
        much = (
            f"{change['parallel']} at once"
            if "parallel" in change
            else enough(change["server_flop_per_s"], "FLOP/s")
        )
        yield f"{much} at {change['server']}"


def _few(words: list[str]) -> str:
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _objective(repair: Json) -> str:
    objective = repair["objective"]
    if "cost" in objective:
        return number(objective["cost"], 5)
    watts = "power_w" in objective
    return si(objective["power_w" if watts else "energy_j"], "W" if watts else "J")


_REPAIRS: Columns = (
    ("repair", lambda repair: repair["kind"]),
    ("cost", lambda repair: number(repair["cost"], 5)),
    (
        "at least",
        lambda repair: "" if repair["proof"] == "cheapest" else number(repair["cost_at_least"], 5),
    ),
    ("changes", lambda repair: "; ".join(_changes(repair))),
    ("plan", _objective),
)
