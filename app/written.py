"""JSON as it is stored and answered: NaN is refused, and what goes to several places is written
once.
"""

import json
from collections.abc import Iterable
from math import isfinite
from types import NoneType
from typing import Any, Self

import orjson


class Written:
    """A value as JSON, to be stored by itself and to be part of other values."""

    __slots__ = ("content",)  # of a data class orjson would write the fields

    def __init__(self, content: bytes) -> None:
        self.content = content

    @classmethod
    def of(cls, value: object) -> Self:
        """Write a value. Raises ValueError for NaN."""
        return cls(written(value).encode())


def part(value: object) -> orjson.Fragment:
    """What orjson is to write for a value that is none of JSON's (its `default`)."""
    if isinstance(value, Written):
        return orjson.Fragment(value.content)
    raise TypeError  # orjson says of which type


def written(value: object) -> str:
    """JSON. Raises ValueError for NaN."""
    if isinstance(value, Written):
        return value.content.decode()
    try:
        told = orjson.dumps(value, part)
    except TypeError:  # longer integers, other keys than strings
        pass
    else:
        # Null is how orjson writes NaN, too, without a word.
        if b"null" not in told or _are_finite((value,)):
            return told.decode()
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def json_byte(value: object) -> int:
    """How long a value is as JSON in a row [byte]."""
    try:
        return len(orjson.dumps(value, part))
    except TypeError:
        return len(written(value))


def _are_finite(values: Iterable[Any]) -> bool:
    """Whether all numbers of some values are."""
    for value in values:
        kind = type(value)
        if kind is float:
            if not isfinite(value):
                return False
        elif kind is dict:
            if not _are_finite(value.values()):
                return False
        elif kind is list or kind is tuple:
            if not _are_finite(value):
                return False
        elif kind not in _WITHOUT and orjson.loads(orjson.dumps(value, part)) != value:
            return False  # of other kinds that orjson writes some hold numbers
    return True


# What holds no number that could be NaN.
_WITHOUT = frozenset({str, int, bool, NoneType, Written})
