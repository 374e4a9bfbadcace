"""What the fields of a body are called, wherever in it one is not known."""

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

# What the ends of names stand for, and what people write there instead.
_UNITS = {
    "s": ("seconds", {"ms", "us", "ns", "min", "h", "sec", "secs", "second", "seconds", "msec"}),
    "hz": ("hertz", {"khz", "mhz", "ghz", "rpm"}),
    "m": ("metres", {"km", "cm", "mm", "ft", "meter", "meters", "metre", "metres"}),
    "w": ("watts", {"mw", "uw", "kw", "dbm", "dbw", "watt", "watts"}),
    "j": ("joules", {"mj", "uj", "kj", "wh", "mwh", "joule", "joules"}),
    "db": ("decibels", {"dbm", "linear", "ratio"}),
    "bps": ("bits per second", {"kbps", "mbps", "gbps", "kbit", "mbit"}),
    "byte": ("bytes", {"bytes", "kb", "mb", "gb", "kib", "mib", "bit", "bits"}),
    "bit": ("bits", {"bits", "byte", "bytes", "kbit", "mbit"}),
    "flop": ("floating-point operations", {"gflop", "mflop", "tflop", "gflops", "mac", "macs"}),
}


def known_fields(schema: Any, path: Iterable[str | int]) -> set[str]:
    """The fields that an object at pydantic's path into a body may have; steps that only name the
    branch of a union are passed over.
    """
    kinds = list(branches(schema))
    for step in path:
        kinds = list(_below(kinds, step)) or kinds
    return {name for kind in kinds if _is_model(kind) for name in kind.model_fields}


def _below(kinds: Iterable[Any], step: str | int) -> Iterator[Any]:
    for kind in kinds:
        origin, of = get_origin(kind), [one for one in get_args(kind) if one is not Ellipsis]
        if _is_model(kind) and step in kind.model_fields:
            yield from branches(kind.model_fields[step].annotation)
        elif isinstance(step, int) and origin in (tuple, list):
            yield from (item for one in of for item in branches(one))
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(of) == 2:
            yield from branches(of[1])


def branches(annotation: Any) -> Iterator[Any]:
    """What an annotation may stand for, without what is said of it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from branches(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from branches(one)
    else:
        yield annotation


def in_another_unit(name: str, known: Iterable[str]) -> str | None:
    """What to do about a name that would be a field in another unit, or with one; None where it is
    neither.
    """
    stem, _, unit = name.casefold().rpartition("_")
    for field in known:
        quantity, _, right = field.rpartition("_")
        if right not in _UNITS or not quantity:
            continue
        words, others = _UNITS[right]
        if name.casefold() == quantity or (stem == quantity and unit in others):
            return f"is not a field here: call it {field}, and say it in {words}"
    return None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
