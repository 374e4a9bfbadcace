"""Tables, lines and warnings on a terminal."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table

from client.present.quantities import Json

Columns = Sequence[tuple[str, Callable[[Json], str]]]


SHOWN_USERS = 20


_SHOWN_WARNINGS = 10


def warn(console: Console, document: Json) -> None:
    """What an answer warns of."""
    warnings = document.get("warnings") or []
    for warning in warnings[:_SHOWN_WARNINGS]:
        say(console, "warning", f"{warning['field']}: {warning['message']}")
    if len(warnings) > _SHOWN_WARNINGS:
        say(console, "", f"and {len(warnings) - _SHOWN_WARNINGS} more warnings: --json shows them")


def say(console: Console, label: str, words: str) -> None:
    console.print(f"{label:<11}{words}", soft_wrap=True)


def table(rows: Iterable[Json], columns: Columns) -> Table:
    """Rows as a table: names to the left, quantities to the right; what is said of some plans only
    has no column where it is said of nobody.
    """
    made, rows = Table(), list(rows)
    columns = [
        (heading, value)
        for heading, value in columns
        if heading not in _OPTIONAL or any(value(row) for row in rows)
    ]
    for heading, _ in columns:
        left = heading in _NAMES
        made.add_column(
            heading, justify="left" if left else "right", no_wrap=not left, overflow="fold"
        )
    for row in rows:
        made.add_row(*(value(row) for _, value in columns))
    return made


_OPTIONAL = {"sent as", "at", "rate"}
_NAMES = {
    "user", "cell", "cut after", "sent as", "at", "placed up to", "why",
    "id", "kind", "status", "name", "created", "repair",
    "cut", "law", "changes", "check", "finding", "part", "verdict",
}  # fmt: skip
