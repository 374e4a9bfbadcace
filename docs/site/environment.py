"""The settings of a service as Markdown, from the class that reads them."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from pydantic_core import PydanticUndefined

from app.docstrings import said_of
from app.settings import Settings


def settings() -> Iterator[str]:
    """A table of all settings, in the order in which they are declared."""
    yield "| environment | default | what it does |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        said = " ".join((said_of(Settings, name) or "").split()).replace("|", "\\|")
        yield f"| `SPLITPLAN_{name.upper()}` | {default(field.default)} | {said} |"


def default(value: Any) -> str:
    """A default as the environment would say it; some depend on the machine."""
    if value is PydanticUndefined:
        return "by the machine"
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"
