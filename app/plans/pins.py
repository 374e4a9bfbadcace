"""What the references of a request stood for when it was accepted."""

from dataclasses import dataclass, field
from typing import Self

from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind

Kept = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Pins:
    """The revisions of a plan's profiles, and the timings of those who named none.

    `kept` is how a row has them: `kind/reference`, and `timing/kind/processor/model` where no
    timing was named, null where there was none to be found.
    """

    kept: Kept = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Kept | None) -> Self:
        """A copy, to be added to."""
        return cls(dict(kept or {}))

    def stored(self, kind: str, given: str) -> ProfileRef | None:
        """What a reference stands for, if it is pinned."""
        return _parsed(self.kept.get(f"{kind}/{given}"))

    def pin(self, kind: str, given: str, ref: ProfileRef) -> None:
        """Keep what a reference stands for."""
        self.kept[f"{kind}/{given}"] = str(ref)

    def has_timing(self, kind: ProcessorKind, processor: str, model: str) -> bool:
        """Whether the timing of those who named none is pinned, be it as none at all."""
        return _timing(kind, processor, model) in self.kept

    def timing(self, kind: ProcessorKind, processor: str, model: str) -> ProfileRef | None:
        """The timing of those who named none."""
        return _parsed(self.kept.get(_timing(kind, processor, model)))

    def pin_timing(
        self, kind: ProcessorKind, processor: str, model: str, ref: ProfileRef | None
    ) -> None:
        """Keep the timing of those who named none."""
        self.kept[_timing(kind, processor, model)] = None if ref is None else str(ref)

    @property
    def revisions(self) -> set[tuple[str, ProfileRef]]:
        """Every revision, with its kind."""
        pinned = ((pin.partition("/")[0], ref) for pin, ref in self.kept.items())
        return {(kind, ProfileRef.parse(ref)) for kind, ref in pinned if ref is not None}

    @property
    def timings(self) -> set[ProfileRef]:
        """Every timing, however it was named."""
        pinned = (ref for pin, ref in self.kept.items() if pin.startswith("timing/"))
        return {ProfileRef.parse(ref) for ref in pinned if ref is not None}


def _timing(kind: ProcessorKind, processor: str, model: str) -> str:
    return f"timing/{kind}/{processor}/{model}"


def _parsed(ref: str | None) -> ProfileRef | None:
    return None if ref is None else ProfileRef.parse(ref)
