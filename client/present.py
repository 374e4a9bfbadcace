"""Answers of the service for people: tables, units they read, and what to do next."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

Json = dict[str, Any]
Columns = Sequence[tuple[str, Callable[[Json], str]]]

WIDTH = 120  # where nobody says how wide the paper is
_SHOWN_USERS = 20
_SHOWN_WARNINGS = 10
_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def console(file: Any) -> Console:
    """A console that prints what it is given: names of users are no markup."""
    return Console(
        file=file,
        width=None if file.isatty() else WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def si(value: float | None, unit: str, digits: int = 4) -> str:
    """A quantity with the prefix that suits it: 0.0123 J is 12.3 mJ."""
    if value is None:
        return "-"
    if not math.isfinite(value) or value == 0.0:
        return f"{value:g} {unit}"
    rounded = float(f"{value:.{digits}g}")
    factor, prefix = next((pair for pair in _PREFIXES if abs(rounded) >= pair[0]), _PREFIXES[-1])
    return f"{rounded / factor:.{digits}g} {prefix}{unit}"


def enough(value: float | None, unit: str) -> str:
    """A least quantity, rounded up so that it can be asked for."""
    return si(None if value is None else value * (1.0 + 5e-6), unit, 6)


def number(value: float | None, digits: int = 5) -> str:
    """A quantity without a unit."""
    return "-" if value is None else f"{value:.{digits}g}"


def share(value: float | None) -> str:
    """A fraction in percent."""
    return "-" if value is None else f"{value:.1%}"


def plan(console: Console, document: Json) -> None:
    """A plan of any family, in any state."""
    console.print(_heading(document))
    if "changed" in document:
        _say(console, "changed", _changes(document))
    if (result := document["result"]) is not None:
        _users(console, document, result, USERS[document["kind"]])
        for label, words in _SUMMARIES[document["kind"]](result):
            _say(console, label, words)
    elif (reasons := document.get("infeasible")) is not None:
        _users(console, document, reasons, INFEASIBLE_USERS[document["kind"]])
        for words in _why_infeasible(document["kind"], reasons):
            _say(console, "infeasible", words)
    if (failure := document.get("failure")) is not None:
        _say(console, "failed", f"{failure['reason']}: {failure['detail']}")
    _say(console, "rests on", f"{document['provenance']['weakest']} profiles or better")
    warn(console, document)


def warn(console: Console, document: Json) -> None:
    """What an answer warns of."""
    warnings = document.get("warnings") or []
    for warning in warnings[:_SHOWN_WARNINGS]:
        _say(console, "warning", f"{warning['field']}: {warning['message']}")
    if len(warnings) > _SHOWN_WARNINGS:
        _say(console, "", f"and {len(warnings) - _SHOWN_WARNINGS} more warnings: --json shows them")


def _say(console: Console, label: str, words: str) -> None:
    console.print(f"{label:<11}{words}", soft_wrap=True)


def _heading(document: Json) -> str:
    name = f" ({document['name']})" if document["name"] else ""
    solve_s = document["provenance"]["solve_s"]
    how = "" if solve_s is None else f" in {si(solve_s, 's', 3)}"
    progress = document.get("progress")
    if progress and document["status"] in ("queued", "running"):
        how = (
            f", {progress['stage']} {progress['fraction']:.0%},"
            f" {_reached(document['kind'], progress)}".rstrip(", ")
        )
    users = "1 user" if document["users_count"] == 1 else f"{document['users_count']} users"
    return f"plan {document['id']}{name}: {document['kind']}, {users}, {document['status']}{how}"


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
        for name, count in largest[:_SHOWN_USERS]:
            _say(console, "", f"{count:>6} users: {name}")
        _say(console, "users", f"splitplan-client users {document['id']}")
    elif users:
        console.print(table(users[:_SHOWN_USERS], columns))
        if len(users) > _SHOWN_USERS:
            more = f"and {len(users) - _SHOWN_USERS} more: splitplan-client users {document['id']}"
            _say(console, "users", more)


def users(console: Console, document: Json, found: Iterable[Json]) -> None:
    """All users of a plan, a thousand per table."""
    columns = (INFEASIBLE_USERS if document["result"] is None else USERS)[document["kind"]]
    remaining = iter(found)
    while page := list(islice(remaining, 1000)):
        console.print(table(page, columns))


def table(rows: Iterable[Json], columns: Columns) -> Table:
    """Rows as a table: names to the left, quantities to the right."""
    made = Table()
    for heading, _ in columns:
        left = heading in _NAMES
        made.add_column(
            heading, justify="left" if left else "right", no_wrap=not left, overflow="fold"
        )
    for row in rows:
        made.add_row(*(value(row) for _, value in columns))
    return made


_NAMES = {
    "user", "cell", "cut after", "placed up to", "why", "id", "kind", "status", "name", "created",
    "cut", "law", "check", "finding", "part", "verdict",
}  # fmt: skip


USERS: Mapping[str, Columns] = {
    "robust": (
        (
            "user",
            lambda user: user["id"] if "cell" not in user else f"{user['id']} ({user['cell']})",
        ),
        ("cut after", lambda user: user["cut_name"]),
        ("clock", lambda user: si(user["frequency_hz"], "Hz")),
        ("share", lambda user: share(user["bandwidth_share"]) if user["rate_bps"] else "none sent"),
        ("energy", lambda user: si(user["energy_j"], "J")),
        ("mean delay", lambda user: si(user["latency"]["mean_s"], "s")),
        ("bound", lambda user: si(user["latency"]["bound_s"], "s")),
        ("deadline", lambda user: si(user["deadline_s"], "s")),
        ("slack", lambda user: si(user["slack_s"], "s", 3)),
    ),
    "stopping": (
        ("user", lambda user: user["id"]),
        ("placed up to", lambda user: user["cut_name"]),
        ("layers", lambda user: str(user["placement"])),
        ("size", lambda user: si(user["placement_byte"], "B")),
        ("mean delay", lambda user: si(user["expected"]["time_s"], "s")),
        ("energy", lambda user: si(user["expected"]["energy_j"], "J")),
        ("running cost", lambda user: number(user["expected"]["cost"])),
        ("total cost", lambda user: number(user["total_cost"])),
    ),
    "multi-user": (
        ("user", lambda user: user["id"]),
        ("cut after", lambda user: user["cut_name"]),
        ("bits", lambda user: str(user["bits"])),
        (
            "uplink",
            lambda user: share(user["bandwidth_share"]) if user["rate_bps"] else "none sent",
        ),
        ("server", lambda user: share(user["server_share"])),
        ("mean delay", lambda user: si(user["latency"]["mean_s"], "s")),
        ("deadline", lambda user: si(user["deadline_s"], "s")),
        ("loss", lambda user: number(user["loss"], 3)),
        ("cost", lambda user: number(user["cost"])),
    ),
    "adaptive": (
        ("user", lambda user: user["id"]),
        ("clock", lambda user: si(user["frequency_hz"], "Hz")),
        ("rows", lambda user: str(len(user["table"]["rows"]))),
        (
            "served from",
            lambda user: "never" if (rate := user["least_rate_bps"]) is None else si(rate, "bit/s"),
        ),
        ("hysteresis", lambda user: share(user["hysteresis"])),
        (
            "cut after",
            lambda user: ", ".join(
                _each_once(row["cut_name"] or "-" for row in user["table"]["rows"])
            ),
        ),
    ),
}

INFEASIBLE_USERS: Mapping[str, Columns] = {
    "robust": (
        (
            "user",
            lambda user: user["id"] if "cell" not in user else f"{user['id']} ({user['cell']})",
        ),
        (
            "why",
            lambda user: ", ".join(_each_once(reason["binding"] for reason in user["reasons"])),
        ),
        ("least deadline", lambda user: enough(user["least_deadline_s"], "s")),
        ("least risk", lambda user: number(user["least_risk"], 3)),
        ("least bandwidth", lambda user: enough(user["least_bandwidth_hz"], "Hz")),
    ),
    "stopping": (
        ("user", lambda user: user["id"]),
        ("why", lambda user: user["reason"]),
        ("layers", lambda user: str(user["placement"])),
        ("memory short by", lambda user: si(user["short_by_byte"], "B")),
    ),
    "multi-user": (
        ("user", lambda user: user["id"]),
        ("least deadline", lambda user: enough(user["least_deadline_s"], "s")),
    ),
}  # adaptive: never infeasible


def _each_once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _robust(result: Json) -> Iterable[tuple[str, str]]:
    certificate, baselines = result["certificate"], result["baselines"]
    energy_j, bound_j = result["objective"]["energy_j"], certificate["lower_bound_j"]
    yield (
        "total",
        (
            f"{si(energy_j, 'J', 5)} per inference of all; no plan needs less than"
            f" {si(bound_j, 'J', 5)} (gap {certificate['gap']:.1e}, {certificate['status']})"
        ),
    )
    if (price := certificate["bandwidth_price_j_per_hz"]) is not None:
        yield "price", f"one more MHz would save about {si(price * 1e6, 'J')}"
    for cell in result.get("cells", ()):
        proof = cell["certificate"]
        yield (
            f"{cell['id']:<10}",
            (
                f"{si(cell['objective']['energy_j'], 'J')} for {cell['users_count']} users,"
                f" {proof['status']}, {si(proof['bandwidth_used_hz'], 'Hz')} of"
                f" {si(cell['bandwidth_hz'], 'Hz')} used"
            ),
        )
    late = baselines["mean_only"]["violation_bound_max"]
    remark = "" if late is None else f", but late with probability up to {late:.2f}"
    yield from _instead(
        (
            name,
            (
                "misses deadlines"
                if spent is None
                else si(spent, "J") + (remark if name == "mean_only" else "")
            ),
        )
        for name, spent in ((name, entry["energy_j"]) for name, entry in baselines.items())
    )


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
    yield from _instead((name, _cost(entry["cost"])) for name, entry in result["baselines"].items())


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
        (name, _cost(entry["cost"]) + ("" if entry["feasible"] else ", but breaks limits"))
        for name, entry in result["baselines"].items()
    )


def _adaptive(result: Json) -> Iterable[tuple[str, str]]:
    unserved = result["unserved"]
    yield (
        "tables",
        "checked at both ends of every row"
        + (f"; {unserved} users cannot be served" if unserved else ""),
    )


_SUMMARIES: Mapping[str, Callable[[Json], Iterable[tuple[str, str]]]] = {
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


def _cost(cost: float | None) -> str:
    return "not possible" if cost is None else f"cost {number(cost)}"


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


def _why_infeasible(kind: str, reasons: Json) -> Iterable[str]:
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


def _remedies(reasons: Json) -> str:
    words = [
        told(value)
        for field, told in _REMEDIES.items()
        if (value := reasons.get(field)) is not None
    ]  # fmt: skip
    return f"; enough would be {', or '.join(words)}" if words else ""


_REMEDIES: Mapping[str, Callable[[float], str]] = {
    "least_total_bandwidth_hz": lambda value: f"{enough(value, 'Hz')} of uplink",
    "least_server_flop_per_s": lambda value: f"a server of {enough(value, 'FLOP/s')}",
    "least_budget_factor": lambda value: f"{value * (1.0 + 5e-6):.6g} times the uplink and server",
    "least_deadline_factor": lambda value: f"deadlines {value * (1.0 + 5e-6):.6g} times as long",
    "least_switches": lambda value: f"{value:g} switches",
}

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


def model(console: Console, document: Json) -> None:
    """An imported model."""
    cuts = document["cuts"]
    console.print(f"stored {document['name']}@{document['revision']} with {len(cuts)} cuts")
    console.print(table(cuts[:_SHOWN_USERS], CUTS))
    if len(cuts) > _SHOWN_USERS:
        _say(console, "cuts", f"and {len(cuts) - _SHOWN_USERS} more: --json shows them")
    warn(console, document)


CUTS: Columns = (
    ("cut", lambda cut: cut["name"]),
    ("on the device", lambda cut: si(cut["flop"], "FLOP")),
    ("sent", lambda cut: si(cut["feature_byte"], "B")),
    ("parameters", lambda cut: si(cut["parameter_byte"], "B")),
)


def validation(console: Console, document: Json) -> None:
    """What a replay found."""
    console.print(
        f"validation {document['number']} of plan {document['plan_id']}: {document['trials']}"
        f" trials, seed {document['seed']}, {'holds' if document['holds'] else 'REFUTED'}"
    )
    console.print(table(({"law": law, **found} for law, found in document["laws"].items()), LAWS))
    refuted = [
        (law, user)
        for law, found in document["laws"].items()
        for user in found["worst"]
        if user["rejected"]
    ]
    for law, user in refuted:
        words = (
            f"{user['id']} is late in {user['share']:.2%} under {law}, and accepts"
            f" {user['risk']:.2%}"
        )
        _say(console, "refuted", words)


LAWS: Columns = (
    ("law", lambda found: found["law"]),
    ("late", lambda found: str(found["misses_total"])),
    ("worst user", lambda found: f"{found['share_max']:.3%}"),
    ("risks refuted", lambda found: str(found["rejected_users"])),
)


def measurement(console: Console, document: Json) -> None:
    """What was made of samples or observations."""
    at = f"{document['timing']}@{document['revision']}"
    if document["kind"] == "samples":
        console.print(f"measurement {document['number']}: {document['samples']} samples made {at}")
        if document["quality"]:
            console.print(table(document["quality"], FINDINGS))
        return
    verdict = "refutes" if document["stale"] else "does not refute"
    console.print(
        f"measurement {document['number']}: {document['samples']} observed times, {verdict} {at}"
    )
    console.print(table(document["tests"][:_SHOWN_USERS], TESTS))
    if document["stale"]:
        _say(console, "stale", f"{document['plans_count']} plans rest on it")


FINDINGS: Columns = (
    ("check", lambda found: found["check"]),
    (
        "finding",
        lambda found: ("" if found["severity"] == "note" else "warning: ") + found["detail"],
    ),
    ("cut", lambda found: "" if found["cut"] is None else str(found["cut"])),
    ("part", lambda found: found["part"] or ""),
)

TESTS: Columns = (
    ("user", lambda test: test["user"]),
    ("part", lambda test: test["part"]),
    ("mean", lambda test: si(test["mean_s"], "s")),
    ("planned", lambda test: si(test["planned_mean_s"], "s")),
    (
        "late",
        lambda test: "" if test["misses"] is None else f"{test['misses']} of {test['samples']}",
    ),
    ("verdict", lambda test: test["verdict"]),
)


def _reached(kind: str, progress: Json) -> str:
    """The best plan so far, and how far from the bound it is."""
    unit = "J" if kind == "robust" else ""
    words = [
        f"{label} {si(progress[field], unit) if unit else number(progress[field])}"
        for label, field in (("best", "objective"), ("at least", "bound"))
        if progress[field] is not None
    ]
    words += [] if progress["gap"] is None else [f"gap {progress['gap']:.1e}"]
    return ", ".join(words)


class Bar:
    """A bar on a terminal that shows how far a plan has come, gone when it is left."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[reached]}", markup=False),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("sent", total=None, reached="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tell(self, plan: Json) -> None:
        """Move to where a plan is."""
        progress = plan.get("progress")
        if plan["status"] != "running" or progress is None:
            self._progress.update(self._task, description=plan["status"], total=None)
            return
        self._progress.update(
            self._task,
            description=progress["stage"],
            total=1.0,
            completed=progress["fraction"],
            reached=_reached(plan["kind"], progress),
        )
        self._progress.refresh()
