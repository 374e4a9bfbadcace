"""JSON that is written once."""

import json
import math
from datetime import UTC, datetime

import orjson
import pytest

from app.written import Written, json_byte, part, written

NAN = float("nan")


@pytest.mark.parametrize(
    "value",
    [
        [None, NAN],
        {"a": None, "b": {"c": (1.0, -math.inf)}},
        [[None], {"deep": [{"x": [0.5, math.inf]}]}],
    ],
)
def test_nan_is_refused_where_there_are_nulls_too(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        written(value)


@pytest.mark.parametrize(
    "value",
    [
        [None, 0.5, -3, True, "null", 1e300],
        {"gains": [(-97.25, None)], "tensors": ("a", "b")},
        {"long": 2**70, "none": None},
        [],
    ],
)
def test_what_is_written_reads_as_it_was(value: object) -> None:
    told = written(value)
    assert json.loads(told) == json.loads(json.dumps(value))
    assert " " not in told
    assert json_byte(value) == len(told.encode())


def test_what_was_written_is_stored_as_it_is_and_is_part_of_other_values() -> None:
    users = Written.of([{"id": "né", "gain": None}])
    whole = {"at": datetime(2026, 1, 1, tzinfo=UTC), "users": users}
    assert written(users) == '[{"id":"né","gain":null}]'
    assert orjson.loads(orjson.dumps(whole, part))["users"] == [{"id": "né", "gain": None}]
    assert written([users, None]) == f"[{written(users)},null]"
    assert json_byte(users) == len(users.content)


def test_other_objects_are_no_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable: object"):
        orjson.dumps({"what": object()}, part)
