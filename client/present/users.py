"""What tables say of users, by kind of plan."""

from collections.abc import Iterable, Mapping
from typing import Any

from client.present.quantities import Json, enough, number, share, si
from client.present.tables import Columns


def _sent(row: Mapping[str, Any]) -> str:
    """The cut of a table's row, with its codec; a dash where nothing fits."""
    name = row["cut_name"] or "-"
    return f"{name} ({row['codec']})" if row.get("codec") else str(name)


USERS: Mapping[str, Columns] = {
    "robust": (
        (
            "user",
            lambda user: user["id"] if "cell" not in user else f"{user['id']} ({user['cell']})",
        ),
        ("cut after", lambda user: user["cut_name"]),
        ("sent as", lambda user: _coded(user)),
        ("at", lambda user: _hosted(user)),
        ("clock", lambda user: si(user["frequency_hz"], "Hz")),
        ("share", lambda user: share(user["bandwidth_share"]) if user["rate_bps"] else "none sent"),
        ("energy", lambda user: si(user["energy_j"], "J")),
        ("rate", lambda user: si(user["rate_hz"], "Hz", 3) if "rate_hz" in user else ""),
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
        ("radio", lambda user: si(user["expected"]["energy"]["radio_j"], "J")),
        ("running cost", lambda user: number(user["expected"]["cost"])),
        ("total cost", lambda user: number(user["total_cost"])),
    ),
    "multi-user": (
        ("user", lambda user: user["id"]),
        ("cut after", lambda user: user["cut_name"]),
        ("bits", lambda user: user.get("codec") or str(user["bits"])),
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
            lambda user: ", ".join(each_once(map(_sent, user["table"]["rows"]))),
        ),
    ),
}


# Adaptive: never infeasible.
INFEASIBLE_USERS: Mapping[str, Columns] = {
    "robust": (
        (
            "user",
            lambda user: user["id"] if "cell" not in user else f"{user['id']} ({user['cell']})",
        ),
        (
            "why",
            lambda user: ", ".join(each_once(reason["binding"] for reason in user["reasons"])),
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
}


def _coded(user: Json) -> str:
    """What crosses the cut is sent as, where there is a choice."""
    if "codec" not in user or not user["rate_bps"]:
        return ""
    return str(user["codec"] or "tensor")


def _hosted(user: Json) -> str:
    """The server of a user and the tier behind it, where there is a choice."""
    tier = user.get("tier")
    behind = f"{tier['server']} after {tier['cut_name']}" if tier else None
    return ", ".join(name for name in (user.get("server"), behind) if name)


def each_once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
