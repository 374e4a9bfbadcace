"""What the columns of users are called, and what is in them."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from app.field_names import branches

Kind = Literal["text", "number", "list"]


def fields_of(schema: type[BaseModel]) -> dict[str, Kind]:
    """The columns that a table of these may have, `outer.inner` of objects within."""
    found: dict[str, Kind] = {}
    for name, field in schema.model_fields.items():
        kinds = list(branches(field.annotation))
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if (kind := kind_of(kinds)) == "list" and inner:
            found |= {f"{name}.{below}": of for below, of in fields_of(inner[0]).items()}
        else:
            found[name] = kind
    return found


def kind_of(branches: Iterable[Any]) -> Kind:
    """What a text stands for whose field may be any of these."""
    kinds = list(branches)
    if any(kind is str or _is_word(kind) for kind in kinds):
        return "text"
    return "number" if {int, float} & {kind for kind in kinds if isinstance(kind, type)} else "list"


def _is_word(kind: Any) -> bool:
    return get_origin(kind) is Literal and all(isinstance(word, str) for word in get_args(kind))
