"""How profiles are named: `name` (its latest revision) or `name@revision`."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class ProfileRef:
    """A stored profile, at one revision or at its latest (None)."""

    name: str
    revision: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What a text of `quantities.REFERENCE_PATTERN` names."""
        name, _, revision = text.partition("@")
        return cls(name, int(revision) if revision else None)

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"
