"""How values of the environment are written."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _apart(given: object) -> object:
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    return given


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_apart)]
"""Given with commas."""
