"""What the fields of a body are called, wherever in it one is not known."""

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def known_fields(schema: Any, path: Iterable[str | int]) -> set[str]:
    """The fields that an object at pydantic's path into a body may have; steps that only name the
    branch of a union are passed over.
    """
    kinds = list(_plain(schema))
    for step in path:
        kinds = list(_below(kinds, step)) or kinds
    return {name for kind in kinds if _is_model(kind) for name in kind.model_fields}


def _below(kinds: Iterable[Any], step: str | int) -> Iterator[Any]:
    for kind in kinds:
        origin, of = get_origin(kind), [one for one in get_args(kind) if one is not Ellipsis]
        if _is_model(kind) and step in kind.model_fields:
            yield from _plain(kind.model_fields[step].annotation)
        elif isinstance(step, int) and origin in (tuple, list):
            yield from (item for one in of for item in _plain(one))
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(of) == 2:
            yield from _plain(of[1])


def _plain(annotation: Any) -> Iterator[Any]:
    """What an annotation may stand for, without what is said of it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from _plain(one)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
