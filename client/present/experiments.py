"""Experiments for people."""

from functools import partial

from rich.console import Console

from client.present.quantities import Json, number, share
from client.present.tables import Columns, say, table

_SHOWN = 20

EXPERIMENTS: Columns = (
    ("id", lambda each: str(each["id"])),
    ("kind", lambda each: str(each["kind"])),
    ("status", lambda each: str(each["status"])),
    ("name", lambda each: each["name"] or ""),
    ("points", lambda each: str(each["points_count"])),
    ("done", lambda each: share(each["progress"]["fraction"])),
    ("created", lambda each: str(each["created_at"])[:19]),
)


def experiment(console: Console, document: Json) -> None:
    """How far it has come, and the points worth having."""
    done = document["progress"]["points_done"]
    say(console, "experiment", f"{document['id']} ({document['kind']})")
    say(console, "status", f"{document['status']}, {done} of {document['points_count']} points")
    ended = ", ".join(f"{count} {status}" for status, count in document["statuses"].items())
    say(console, "points", ended or "none yet")
    if "failure" in document:
        say(console, "failure", document["failure"]["detail"])
    front = document["pareto"]
    if not front["points"]:
        return
    say(console, "front", f"{front['points_count']} points, of {', '.join(front['measures'])}")
    axes = [axis["name"] for axis in document["axes"]]
    names = [measure.removeprefix("-") for measure in front["measures"]]
    parts = [("parameters", name) for name in axes]
    parts += [("measures", name) for name in names if name not in axes]
    shown = [(name, partial(_told, part=part, name=name)) for part, name in parts]
    console.print(table(front["points"][:_SHOWN], shown))
    if front["points_count"] > _SHOWN:
        say(console, "", f"and {front['points_count'] - _SHOWN} more: --json shows them")


def _told(row: Json, part: str, name: str) -> str:
    value: float | str = row[part][name]
    return value if isinstance(value, str) else number(value)
