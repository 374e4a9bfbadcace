"""The users of a robust request as columns: looked at all together, and one by one only where
something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from pydantic import ValidationError

from app.arrow import pa, pc
from app.columns import is_text
from app.errors import FieldError, InvalidRequest
from app.field_errors import field_errors, unknown_field
from app.plans.columnar import Bulk
from app.plans.robust.columns import Users
from app.plans.robust.schemas import MOST_SERVERS, RobustTerms, RobustUser, faults_of_rates
from app.quantities import ID_PATTERN, LARGEST_NUMBER, REFERENCE_PATTERN, SMALLEST_NUMBER
from solvers.arrays import Booleans, Floats, Integers

_LISTED = 100
# Each way to run a network is looked at on its own.
_MOST_NETWORKS = 10_000
_NETWORK = ("device", "model", "device_timing", "server_timing", "servers")
_TEXTS = ("id", "cell", *_NETWORK)
_REQUIRED = ("id", "device", "model", "deadline_s", "risk")
_LONGEST_ID = 128
_CHANNEL = ("gain_db", "distance_m", "snr_reference.snr_db")

# What is certainly allowed, ends included; rows outside are looked at again by the schema of a
# user.
_RANGES = {
    "gain_db": (-400.0, 100.0),
    "distance_m": (SMALLEST_NUMBER, LARGEST_NUMBER),
    "snr_reference.snr_db": (-200.0, 200.0),
    "snr_reference.bandwidth_hz": (SMALLEST_NUMBER, LARGEST_NUMBER),
    "tx_power_w": (SMALLEST_NUMBER, LARGEST_NUMBER),
    "deadline_s": (SMALLEST_NUMBER, LARGEST_NUMBER),
    "risk": (SMALLEST_NUMBER, float(np.nextafter(1.0, 0.0))),
    "correlation": (-1.0, 1.0),
    "rate_hz": (SMALLEST_NUMBER, LARGEST_NUMBER),
    "max_loss": (0.0, 1.0),
    "value": (0.0, LARGEST_NUMBER),
}
# Between the references of a list: no name has it.
_BETWEEN = ","


class Ids(Sequence[str]):
    """The ids of many users, of which few are ever looked at."""

    def __init__(self, array: pa.ChunkedArray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, n: int) -> str: ...
    @overload
    def __getitem__(self, n: slice) -> list[str]: ...
    def __getitem__(self, n: int | slice) -> str | list[str]:
        found: str | list[str] = (
            self.array[n].to_pylist() if isinstance(n, slice) else self.array[n].as_py()
        )
        return found


def terms_of(bulk: Bulk) -> RobustTerms:
    """Everything but the users. Raises InvalidRequest."""
    try:
        terms = RobustTerms.model_validate(bulk.terms)
    except ValidationError as invalid:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        raise InvalidRequest(field_errors(errors, bulk.terms, RobustTerms)) from None
    served = "servers" in bulk.users.column_names and bulk.users["servers"].null_count == 0
    if faults := list(terms.faults_of_cells(served=served)):
        raise InvalidRequest(faults)
    return terms


def users_of(bulk: Bulk, terms: RobustTerms) -> Users:
    """The users of a request. Raises InvalidRequest, with the first faults where there are many."""
    table = _flattened(bulk.users)
    if faults := list(_faults_of_columns(bulk.users, table)):
        raise InvalidRequest(faults)
    numbers = {name: _numbers(table, name) for name in _RANGES}
    network, ways = _distinct(table, _NETWORK)
    cell, places = _distinct(table, ("cell",))
    if len(ways) > _MOST_NETWORKS:
        detail = (
            f"has {len(ways)} ways to run a network (devices, models, timings), more than"
            f" {_MOST_NETWORKS}"
        )
        raise InvalidRequest([FieldError("/users", detail)])
    positions = terms.cell_positions
    odd_ways = [code for code, way in enumerate(ways) if not _well_named(way)]
    odd_places = [
        code for code, place in enumerate(places) if place["cell"] not in (positions or {None})
    ]
    odd = _odd_ids(table["id"]) | np.isin(network, odd_ways) | np.isin(cell, odd_places)
    odd |= np.sum([_given(table, name) for name in _CHANNEL], axis=0) != 1
    odd |= _given(table, _CHANNEL[-1]) != _given(table, "snr_reference.bandwidth_hz")
    for name, (least, most) in _RANGES.items():
        odd |= _given(table, name) & ~((numbers[name] >= least) & (numbers[name] <= most))
    for name in _REQUIRED:
        odd |= ~_given(table, name)
    if "gaussian" in (terms.options.margin, terms.options.fallback):
        odd |= numbers["risk"] > 0.5
    _refuse(bulk.users, np.nonzero(odd)[0], terms)
    if faults := list(faults_of_rates((~_given(table, "rate_hz")).tolist())):
        raise InvalidRequest(faults)
    of_cell = np.array([positions.get(place["cell"], 0) for place in places], np.int64)
    return Users(
        ids=Ids(table["id"]),
        networks=[RobustUser.model_construct(**_listed(way)) for way in ways],
        network=network,
        cell=of_cell[cell],
        gain_db=numbers["gain_db"],
        distance_m=numbers["distance_m"],
        snr_db=numbers["snr_reference.snr_db"],
        snr_bandwidth_hz=numbers["snr_reference.bandwidth_hz"],
        tx_power_w=numbers["tx_power_w"],
        deadline_s=numbers["deadline_s"],
        risk=numbers["risk"],
        correlation=np.nan_to_num(numbers["correlation"]),
        rate_hz=numbers["rate_hz"],
        max_loss=numbers["max_loss"],
        value=numbers["value"],
    )


def _flattened(table: pa.Table) -> pa.Table:
    """Structs as columns `outer.inner`, texts as plain strings, a list of servers as one text."""
    if any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    for n, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name == "servers" and _is_list(kind):
            joined = pc.binary_join(pc.cast(table[n], pa.list_(pa.string())), _BETWEEN)
            # A list with a null in it has no text; it is no reference, and is found as such.
            joined = pc.if_else(table[n].is_valid(), pc.fill_null(joined, ""), joined)
            table = table.set_column(n, field.name, joined)
        elif field.name in _TEXTS and (is_text(kind) or pa.types.is_null(kind)):
            table = table.set_column(n, field.name, table[n].cast(pa.string()))
    return table


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) and (
        is_text(kind.value_type) or pa.types.is_null(kind.value_type)
    )


def _listed(way: dict[str, Any]) -> dict[str, Any]:
    """A way to run a network with its servers one by one."""
    servers = way.get("servers")
    return way if servers is None else way | {"servers": tuple(servers.split(_BETWEEN))}


def _faults_of_columns(given: pa.Table, table: pa.Table) -> Iterator[FieldError]:
    if "servers" in given.column_names:
        kind = given.schema.field("servers").type
        if not (_is_list(kind) or pa.types.is_null(kind)):
            yield FieldError("/users", f"column servers must hold lists of text, not {kind}")
            return
    if table.num_rows == 0:
        yield FieldError("/users", "must have at least 1 row")
    for field in table.schema:
        if field.name in _TEXTS:
            if not is_text(field.type):
                mend = (
                    "inline profiles are for JSON, store them first"
                    if field.name in _NETWORK
                    else "send text"
                )
                yield FieldError(
                    "/users", f"column {field.name} must hold text, not {field.type}: {mend}"
                )
        elif field.name not in _RANGES:
            told = unknown_field(field.name, [*_TEXTS, *_RANGES])
            yield FieldError("/users", f"column {field.name[:100]} {told}")
        elif not (
            pa.types.is_floating(field.type)
            or pa.types.is_integer(field.type)
            or pa.types.is_null(field.type)
        ):
            yield FieldError("/users", f"column {field.name} must hold numbers, not {field.type}")
    for name in _REQUIRED:
        if name not in table.column_names:
            yield FieldError("/users", f"column {name} is required")


def _numbers(table: pa.Table, name: str) -> Floats:
    """A column as numbers; NaN where nothing is given."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table[name].cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(column, np.nan).to_numpy())


def _given(table: pa.Table, name: str) -> Booleans:
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(table[name].is_valid().to_numpy())


def _distinct(table: pa.Table, names: Sequence[str]) -> tuple[Integers, list[dict[str, Any]]]:
    """Which of the distinct rows of some columns each row has, and these in the order of their
    first rows.
    """
    codes = np.zeros(table.num_rows, np.int64)
    for name in names:
        if name in table.column_names:
            column = table[name].combine_chunks().dictionary_encode("encode")
            _, codes = np.unique(
                codes * (len(column.dictionary) + 1)
                + column.indices.to_numpy(zero_copy_only=False),
                return_inverse=True,
            )
    _, firsts, codes = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    present = table.select([name for name in names if name in table.column_names]).take(
        firsts[order]
    )
    rows = present.to_pylist() if present.num_columns else [{}]
    return rank[codes], [{name: row.get(name) for name in names} for row in rows]


def _well_named(way: dict[str, str | None]) -> bool:
    """Whether a way to run a network is made of references as JSON has them."""
    servers = _listed(way)["servers"] or ()
    references = [name for field, name in way.items() if field != "servers"]
    return (
        way["device"] is not None
        and way["model"] is not None
        and all(map(_is_reference, (*references, *servers)))
        and len(set(servers)) == len(servers) <= MOST_SERVERS
    )


def _is_reference(name: str | None) -> bool:
    return name is None or re.fullmatch(REFERENCE_PATTERN, name) is not None


def _odd_ids(ids: pa.ChunkedArray) -> Booleans:
    """Ids that are missing, malformed, or given again."""
    fine = pc.and_(
        pc.match_substring_regex(ids, ID_PATTERN), pc.less_equal(pc.utf8_length(ids), _LONGEST_ID)
    )
    odd = ~np.asarray(pc.fill_null(fine, False).to_numpy())
    if pc.count_distinct(ids).as_py() < len(ids):
        codes = (
            ids.combine_chunks().dictionary_encode("encode").indices.to_numpy(zero_copy_only=False)
        )
        again = np.ones(len(ids), np.bool_)
        again[np.unique(codes, return_index=True)[1]] = False
        odd |= again
    return odd


def _refuse(users: pa.Table, odd: Integers, terms: RobustTerms) -> None:
    """Say what is wrong with rows, in the words of JSON. Raises InvalidRequest."""
    faults: list[FieldError] = []
    for n in odd.tolist():
        row = {
            name: value
            for name, value in users.slice(n, 1).to_pylist()[0].items()
            if value is not None
        }
        where = f"/users/{n}"
        try:
            user = RobustUser.model_validate(row)
        except ValidationError as invalid:
            errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
            faults += [fault.below(where) for fault in field_errors(errors, row, RobustUser)]
        else:
            faults += terms.faults_of_user(where, user)
            first = pc.index(users["id"].cast(pa.string()), user.id).as_py()
            if first < n:
                faults.append(
                    FieldError(f"{where}/id", f"is the id of user {first} too: ids must differ")
                )
        if len(faults) >= _LISTED:
            break
    if faults:
        raise InvalidRequest(faults)
