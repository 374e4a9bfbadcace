"""What the tables of a database hold, in few numbers, to tell whether something was lost."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import Connection, inspect, text

_MODULUS = 2**64


@dataclass(frozen=True, slots=True)
class Held:
    """Of a table: its rows; of a column: values that are there, and a sum over all of them that
    changes when one does.
    """

    count: int
    fingerprint: int = 0


Contents = Mapping[str, Mapping[str | None, Held]]
"""By table, then by column; None is the table itself."""


def contents(connection: Connection, but_for: frozenset[str]) -> Contents:
    """All that is stored, whichever order it comes in, but for some tables, or columns of them
    (`plan.stored_byte`); reads everything.
    """
    inspector = inspect(connection)
    return {
        table: {
            column: held
            for column, held in _of(
                connection, table, inspector.get_pk_constraint(table)["constrained_columns"]
            ).items()
            if f"{table}.{column}" not in but_for
        }
        for table in inspector.get_table_names()
        if table not in but_for
    }


def _of(connection: Connection, table: str, keys: list[str]) -> Mapping[str | None, Held]:
    name = connection.dialect.identifier_preparer.quote_identifier(table)
    stored = connection.execute(
        text(f"SELECT * FROM {name}"),  # noqa: S608 (the name of a table that is there)
        execution_options={"stream_results": True},
    )
    columns = list(stored.keys())
    counts: dict[str, int] = dict.fromkeys(columns, 0)
    sums: dict[str, int] = defaultdict(int)
    rows = 0
    for row in stored.mappings():
        rows += 1
        key = repr([row[name] for name in keys])
        for column in columns:
            if (value := row[column]) is not None:
                counts[column] += 1
                digest = blake2b(f"{key}{value!r}".encode(), digest_size=8).digest()
                sums[column] = (sums[column] + int.from_bytes(digest)) % _MODULUS
    held: dict[str | None, Held] = {
        column: Held(counts[column], sums[column]) for column in columns
    }
    return {None: Held(rows), **held}


def lost(before: Contents, after: Contents) -> list[str]:
    """What was there before and is not there any more, in words."""
    said = []
    for table, columns in before.items():
        left = after.get(table, {})
        rows = columns[None].count
        missing = rows - left.get(None, Held(0)).count
        if missing > 0:
            said.append(f"{missing} of {rows} rows of {table}")
            continue
        for column, held in columns.items():
            now = left.get(column, Held(0))
            if now != held and held.count > 0:
                gone = held.count - now.count
                what = f"{gone} of {held.count} values" if gone > 0 else "values"
                said.append(f"{what} of {table}.{column}")
    return said
