"""Plans for people, in any state."""

from collections.abc import Iterable
from itertools import islice

from rich.console import Console

from client.present.progress import reached
from client.present.quantities import Json, si
from client.present.summaries import SUMMARIES, why_infeasible
from client.present.tables import SHOWN_USERS, Columns, say, table, warn
from client.present.users import INFEASIBLE_USERS, USERS


def plan(console: Console, document: Json) -> None:
    """A plan of any family, in any state."""
    console.print(_heading(document))
    if "changed" in document:
        say(console, "changed", _changes(document))
    if (result := document["result"]) is not None:
        _users(console, document, result, USERS[document["kind"]])
        for label, words in SUMMARIES[document["kind"]](result):
            say(console, label, words)
        if (admission := result.get("admission")) is not None:
            say(console, "admitted", _admitted(admission))
    elif (reasons := document.get("infeasible")) is not None:
        _users(console, document, reasons, INFEASIBLE_USERS[document["kind"]])
        for words in why_infeasible(document["kind"], reasons):
            say(console, "infeasible", words)
    if (revoked := document.get("revoked")) is not None:
        say(console, "REVOKED", f"{revoked['at']}: {revoked['detail']}")
    if (failure := document.get("failure")) is not None:
        say(console, "failed", f"{failure['reason']}: {failure['detail']}")
    say(console, "rests on", f"{document['provenance']['weakest']} profiles or better")
    warn(console, document)


def _heading(document: Json) -> str:
    name = f" ({document['name']})" if document["name"] else ""
    solve_s = document["provenance"]["solve_s"]
    how = "" if solve_s is None else f" in {si(solve_s, 's', 3)}"
    progress = document.get("progress")
    if progress and document["status"] in ("queued", "running"):
        how = f", {progress['stage']} {progress['fraction']:.0%}, {reached(progress)}".rstrip(", ")
    users = "1 user" if document["users_count"] == 1 else f"{document['users_count']} users"
    return f"plan {document['id']}{name}: {document['kind']}, {users}, {document['status']}{how}"


def _admitted(admission: Json) -> str:
    """Who is planned for, and who is not."""
    out = admission["users_not_admitted"]
    whole = admission["users_admitted"] + out
    proven = (
        "proven the most there is"
        if admission["status"] == "optimal"
        else f"at most {admission['value_at_most']:.6g}"
    )
    words = f"{admission['users_admitted']} of {whole} users, worth {admission['value']:.6g}"
    left = ", ".join(one["id"] for one in admission["not_admitted"][:5])
    more = " and others" if out > 5 else ""
    return f"{words}, {proven}" + (f"; without {left}{more}" if out else "")


def _changes(document: Json) -> str:
    changed = document["changed"]
    words = [
        f"{what}: {', '.join(changed[field][:5])}"
        + (" and more" if len(changed[field]) > 5 else "")
        for field, what in (
            ("users_added", "added"),
            ("users_removed", "removed"),
            ("users_changed", "changed"),
            ("fields", "fields"),
        )
        if changed[field]
    ]
    if changed["switched"] is not None:
        words.append(f"{changed['switched']} switched")
    return f"from plan {document['parent']}; " + ("; ".join(words) or "nothing")


def _users(console: Console, document: Json, answer: Json, columns: Columns) -> None:
    users = answer.get("users")
    counts = answer.get("cut_counts") or answer.get("placement_counts") or {}
    if users is None:
        largest = sorted(counts.items(), key=lambda item: -item[1])
        for name, count in largest[:SHOWN_USERS]:
            say(console, "", f"{count:>6} users: {name}")
        say(console, "users", f"splitplan-client users {document['id']}")
    elif users:
        console.print(table(users[:SHOWN_USERS], columns))
        if len(users) > SHOWN_USERS:
            more = f"and {len(users) - SHOWN_USERS} more: splitplan-client users {document['id']}"
            say(console, "users", more)


def users(console: Console, document: Json, found: Iterable[Json]) -> None:
    """All users of a plan, a thousand per table."""
    columns = (INFEASIBLE_USERS if document["result"] is None else USERS)[document["kind"]]
    remaining = iter(found)
    while page := list(islice(remaining, 1000)):
        console.print(table(page, columns))


PLANS: Columns = (
    ("id", lambda plan: plan["id"]),
    ("kind", lambda plan: plan["kind"]),
    ("status", lambda plan: plan["status"]),
    ("name", lambda plan: plan["name"] or ""),
    ("users", lambda plan: str(plan["users"])),
    ("created", lambda plan: plan["created_at"][:19].replace("T", " ")),
)


def estimate(console: Console, document: Json) -> None:
    """What a plan would take."""
    console.print(
        f"{document['kind']}, {document['users']} users: about {si(document['solve_s'], 's', 2)}"
        f" and {si(document['memory_byte'], 'B', 3)} for {document['options']} options"
    )
    warn(console, document)
