"""Pydantic's errors as faults of a request: where each is, and what to do about it."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.errors import FieldError, InvalidRequest, escaped
from app.field_names import in_another_unit, known_fields
from app.nearest import is_it, nearest
from app.quantities import rule

B = TypeVar("B", bound=BaseModel)

# More faults are not told.
_ADVISED = 100


def field_errors(errors: Iterable[Any], body: Any, schema: Any = None) -> list[FieldError]:
    """Pydantic's errors as faults with pointers into `body`, in words that say the remedy; with the
    `schema` of the body also which field an unknown one may be.
    """
    found: list[FieldError] = []
    for error in errors:
        advised = schema if len(found) < _ADVISED else None
        found += _faults(error, body, advised)
    return found


def validated(schema: type[B], body: Any) -> B:
    """A body as its schema reads it. Raises InvalidRequest with every fault."""
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        raise InvalidRequest(field_errors(found, body, schema)) from None


def _faults(error: dict[str, Any], body: Any, schema: Any) -> Iterator[FieldError]:
    where, *path = error["loc"]
    if where != "body":
        name = str(path[0]) if path else where  # after it comes the position in a list
        yield FieldError("", f"{where} parameter {name}: {_told(error)}", parameter=name)
        return
    pointer = json_pointer(path, body, missing=error["type"] == "missing")
    match error["type"]:
        case "semantics":
            for fault in error["ctx"]["faults"]:
                yield fault.below(pointer)
        case "union_tag_invalid" | "union_tag_not_found":
            yield FieldError(
                f"{pointer}/{error['ctx']['discriminator'].strip(chr(39))}", _told(error)
            )
        case "extra_forbidden":
            known = sorted(known_fields(schema, path[:-1]))
            yield FieldError(pointer, unknown_field(str(path[-1]), known))
        case "too_short" if len(error["input"]) >= error["ctx"]["min_length"]:
            pass  # pydantic counts only the good entries; the bad ones have faults of their own
        case _:
            yield FieldError(pointer, _told(error))


def unknown_field(name: str, known: Collection[str]) -> str:
    """That a name is no field, and what to do about it."""
    unit = in_another_unit(name, known)
    return unit or _WORDS["extra_forbidden"] + is_it(nearest(name, known))


def json_pointer(path: Iterable[str | int], body: Any, missing: bool = False) -> str:
    """The RFC 6901 pointer of pydantic's path, which also names union branches that the body does
    not have.

    The last step of a missing field's path is not in the body either, and is kept.
    """
    steps = list(path)
    pointer = ""
    for position, step in enumerate(steps):
        match body, step:
            case dict(), _ if step in body:
                body = body[step]
            case list(), int() if step < len(body):
                body = body[step]
            case _ if not (missing and position == len(steps) - 1):
                continue
        pointer += f"/{escaped(str(step))}"
    return pointer


# What to do about a fault, by the type that pydantic gives it.
REQUIRED = "is required"
_WORDS = {
    "missing": REQUIRED,
    "extra_forbidden": "is not a field here: remove it, or check its spelling",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "tuple_type": "must be an array",
    "list_type": "must be an array",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "is required",
    "none_required": "must be null",
}


def _told(error: dict[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":
        return rule(error["ctx"]["pattern"], error["input"])
    words = _WORDS.get(error["type"])
    return words.format_map(error.get("ctx", {})) if words else str(error["msg"])
