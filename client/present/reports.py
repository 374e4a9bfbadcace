"""Models, replays and measurements for people."""

from rich.console import Console

from client.present.quantities import Json, si
from client.present.tables import SHOWN_USERS, Columns, say, table, warn


def estimated(console: Console, document: Json) -> None:
    """An estimated profile: what was made of it, and how far it can be believed."""
    stored = f"stored {document['name']}@{document['revision']}" if "revision" in document else None
    console.print(stored or f"{document['name']} would be stored")
    console.print(document["reference"])
    warn(console, document)


def sentences(console: Console, document: Json) -> None:
    """What an answer says in words."""
    for said in document["summary"]:
        console.print(said, soft_wrap=True, markup=False, highlight=False)


def explanation(console: Console, document: Json) -> None:
    """Why a user has its cut: the summary, then what there is to say of each other cut."""
    sentences(console, document)
    for cut in document["cuts"]:
        if not cut["chosen"]:
            console.print(f"  {cut['sentence']}", soft_wrap=True, markup=False, highlight=False)


def model(console: Console, document: Json) -> None:
    """An imported model."""
    cuts = document["cuts"]
    console.print(f"stored {document['name']}@{document['revision']} with {len(cuts)} cuts")
    console.print(table(cuts[:SHOWN_USERS], CUTS))
    if len(cuts) > SHOWN_USERS:
        say(console, "cuts", f"and {len(cuts) - SHOWN_USERS} more: --json shows them")
    warn(console, document)


CUTS: Columns = (
    ("cut", lambda cut: cut["name"]),
    ("on the device", lambda cut: si(cut["flop"], "FLOP")),
    ("sent", lambda cut: si(cut["feature_byte"], "B")),
    ("parameters", lambda cut: si(cut["parameter_byte"], "B")),
)


def validation(console: Console, document: Json) -> None:
    """What a replay found, or why it found nothing."""
    if "laws" not in document:
        why = document.get("failure", {}).get("detail", "")
        console.print(
            f"validation {document['number']} of plan {document['plan_id']}: {document['status']}"
        )
        if why:
            say(console, "failed", why)
        return
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
        say(console, "refuted", words)


LAWS: Columns = (
    ("law", lambda found: found["law"]),
    ("late", lambda found: str(found["misses_total"])),
    ("worst user", lambda found: f"{found['share_max']:.3%}"),
    ("risks refuted", lambda found: str(found["rejected_users"])),
)


def evidence(console: Console, document: Json) -> None:
    """How a plan stands against what its users saw."""
    late, seen = document["misses"], document["inferences"]
    console.print(
        f"plan {document['plan']}: {document['users_reporting']} of its users reported {seen}"
        f" inferences,"
        f" {late} late" + (f" ({late / seen:.2%})" if seen else "")
    )
    odds, doubt = document["e_value"], 1.0 / (1.0 - document["confidence"])
    verdict = (
        "beyond doubt: the plan does not keep what it promises"
        if odds >= doubt
        else f"no reason to distrust the plan below {doubt:.0f}"
    )
    say(console, "evidence", f"{odds:.3g} to 1 against the promised risks; {verdict}")
    if document["users_refuted"]:
        say(console, "users", f"{document['users_refuted']} are late too often, each for itself")
    if (revoked := document.get("revoked")) is not None:
        say(console, "revoked", f"{revoked['at']}: {revoked['detail']}")
        if "replanned_as" in revoked:
            say(console, "instead", f"plan {revoked['replanned_as']}")
        if "not_replanned" in revoked:
            say(console, "no plan", revoked["not_replanned"])
    if document.get("users"):
        console.print(table(document["users"][:SHOWN_USERS], EVIDENCE))


EVIDENCE: Columns = (
    ("user", lambda user: user["user"]),
    ("inferences", lambda user: str(user["inferences"])),
    ("late", lambda user: str(user["misses"])),
    ("accepted", lambda user: f"{user['risk']:.2%}"),
    ("evidence", lambda user: f"{user['e_value']:.3g} to 1"),
    ("verdict", lambda user: "late too often" if user["refuted"] else "fits"),
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
    console.print(table(document["tests"][:SHOWN_USERS], TESTS))
    if document["stale"]:
        say(console, "stale", f"{document['plans_count']} plans rest on it")


def power(console: Console, document: Json) -> None:
    """What was made of measured energies or powers."""
    console.print(
        f"measurement {document['number']}: {document['samples']} samples at"
        f" {document['clocks']} clocks made {document['device']}@{document['revision']}"
    )
    law, errors = document["law"], document["errors"]
    if law is not None and errors is not None:
        console.print(
            f"{law['static_power_w']:.3g} W + {law['power_coefficient']:.3g} f^"
            f"{law['power_exponent']:.2f} W: {errors['median']:.1%} off at the median, a cube"
            f" {document['cube']['errors']['median']:.1%}"
        )
    console.print(table(document["levels"], POWERS))
    if document["quality"]:
        console.print(table(document["quality"], NOTES))


POWERS: Columns = (
    ("clock", lambda level: si(level["frequency_hz"], "Hz")),
    ("samples", lambda level: str(level["samples"])),
    ("power", lambda level: si(level["power_w"], "W")),
    (
        "law",
        lambda level: "" if level["median_error"] is None else f"{level['median_error']:+.1%}",
    ),
)


NOTES: Columns = (
    ("check", lambda found: found["check"]),
    (
        "finding",
        lambda found: ("" if found["severity"] == "note" else "warning: ") + found["detail"],
    ),
    (
        "clock",
        lambda found: "" if found["frequency_hz"] is None else si(found["frequency_hz"], "Hz"),
    ),
)


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
