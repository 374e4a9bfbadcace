"""Digests of an answer and of a bundle: equal digits have equal digests, whoever computes them.

Users in JSON are digested as canonical JSON, users in columns as the bytes of their numbers and the
texts of their dictionaries, both block by block: neither ever is in memory as a whole twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from app.arrow import pa, pc
from app.plans.columnar import BLOCK_ROWS
from app.plans.family import Family, Outcome
from app.plans.orders import digest
from app.plans.stored import BLOCK

Json = dict[str, Any]
Block: TypeAlias = "pa.Table | list[Json]"

# These are given what is left of the time: they may say more on a faster machine.
_BY_TIME = ("baselines", "margins", "steadiness")
# Where users are told in pages, only a stored answer says where.
_PLACES = ("users", "users_url")
# What follows from the rest of an answer; earlier releases do not say it of a plan that is none.
_FOLLOWS = ("conflicts", "users_failing", "users_listed")
# Members of a bundle that are streamed: what is digested is the digest of each of their entries.
LISTS = ("profiles", "samples")


def of_answer(
    family: Family, status: str, result: Json | None, infeasible: Json | None, told: Iterable[Block]
) -> Json:
    """Digests of an answer, its users part by part."""
    decisions, users, columns = [], [], False
    for block in (part for whole in told for part in _parted(whole)):
        columns = isinstance(block, pa.Table)
        users.append(_of_block(block))
        if result is not None:
            decisions.append(_of_decisions(family, block))
    lasting = None if result is None else _without(result, (*_BY_TIME, *_PLACES))
    parts: Json = {
        "decisions": decisions,
        "users": users,
        "objective": digest((result or {}).get("objective")),
        "certificate": digest((result or {}).get("certificate")),
        "result": digest(lasting),
        "infeasible": digest(
            None if infeasible is None else _without(infeasible, (*_PLACES, *_FOLLOWS))
        ),
    }
    told_in = {"told_in": "columns", "block_rows": BLOCK_ROWS}
    if not columns:
        told_in = {"told_in": "entries", "block_rows": BLOCK}
    return told_in | parts | {"whole": digest({"status": status} | parts)}


def of_outcome(family: Family, outcome: Outcome) -> Json:
    """Digests of an answer that was computed just now."""
    told = outcome.users if outcome.table is None else outcome.table
    return of_answer(family, outcome.status, outcome.result, outcome.infeasible, [told])


def of_bundle(bundle: Mapping[str, Any], lists: Mapping[str, list[str]], columns: list[str]) -> str:
    """Digest of a bundle, from its short members, the digests of the entries of its lists, and the
    SHA-256 of its blocks of users.
    """
    members = {name: digest(value) for name, value in bundle.items()}
    if "columns" in bundle:
        members["columns"] = digest(dict(bundle["columns"]) | {"blocks": columns})
    return digest(members | {name: digest(entries) for name, entries in lists.items()})


def lasting(result: Json) -> Json:
    """What of a result does not depend on the time there was."""
    return _without(result, (*_BY_TIME, *_PLACES, *_FOLLOWS))


def _parted(told: Block) -> Iterator[Block]:
    """Users in blocks, however many of them come at once."""
    if isinstance(told, list):
        yield from (told[start : start + BLOCK] for start in range(0, len(told), BLOCK))
    else:
        yield from (told.slice(n, BLOCK_ROWS) for n in range(0, told.num_rows, BLOCK_ROWS))


def _without(value: Json, names: Iterable[str]) -> Json:
    return {name: member for name, member in value.items() if name not in names}


def _of_block(block: Block) -> str:
    return digest(block) if isinstance(block, list) else _of_table(block)


def _of_decisions(family: Family, block: Block) -> str:
    if isinstance(block, list):
        return digest([family.decision(entry) for entry in block])
    return _of_table(block.select([n for n in family.decided if n in block.column_names]))


def _of_table(table: pa.Table) -> str:
    """SHA-256 of some rows, whatever chunks and dictionaries they are kept in."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    whole = hashlib.sha256(f"{table.num_rows}".encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        whole.update(f"\0{name}\0".encode())
        for part in _parts(column.combine_chunks()):
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def _parts(array: pa.Array) -> Iterator[bytes]:
    """What a column says, as bytes: which rows are null, and the values of the others."""
    kind = array.type
    yield np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_fixed_size_list(kind):
        yield from _parts(array.flatten())
    elif pa.types.is_dictionary(kind):
        # Texts in the order of their first rows: the dictionary may have others, in another one.
        anew = array.dictionary_decode().dictionary_encode()
        yield digest(anew.dictionary.to_pylist()).encode()
        yield pc.fill_null(anew.indices, -1).to_numpy().astype("<i4").tobytes()
    elif pa.types.is_floating(kind):
        yield pc.fill_null(array, 0.0).to_numpy().astype("<f8").tobytes()
    elif pa.types.is_integer(kind):
        yield pc.fill_null(array, 0).to_numpy().astype("<i8").tobytes()
    else:
        yield digest(array.to_pylist()).encode()
