"""Where a request finds the profiles that it names, and the samples behind them."""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from app.errors import ProfileNotFound, RevisionNotFound
from app.profiles import lookups, missing
from app.profiles import service as profiles
from app.profiles.lookups import Found, Wanted
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.samples.series import SampleSource, StoredSamples

P = TypeVar("P", bound=Profile)


class Library(Protocol):
    """Immutable revisions, whoever keeps them."""

    def profile(self, kind: type[P], ref: ProfileRef) -> Stored[P]:
        """A revision, the latest where none is named. Raises ProfileNotFound, RevisionNotFound."""

    def timing_for(self, processor: str, kind: ProcessorKind, model: str) -> Stored[Timing] | None:
        """The timing of a processor with a model, where there is one. Raises AmbiguousTiming."""

    def names(self, kind: str) -> list[str]:
        """The names in use of a kind of profile."""

    def told(self, nothing: ProfileNotFound | RevisionNotFound) -> str:
        """What is missing, and what is there instead."""

    @property
    def samples(self) -> SampleSource:
        """The samples behind timings."""


@dataclass(slots=True)
class StoredLibrary:
    """The library that is the database."""

    session: Session
    _found: Found = field(default_factory=Found)

    def expect(self, wanted: Wanted) -> None:
        """Look at once for what will be asked for."""
        self._found = lookups.find(self.session, wanted)

    def profile(self, kind: type[P], ref: ProfileRef) -> Stored[P]:
        """As `Library` says."""
        found = self._found.profile(kind, ref)
        return found or profiles.get(self.session, kind, ref.name, ref.revision)

    def timing_for(self, processor: str, kind: ProcessorKind, model: str) -> Stored[Timing] | None:
        """As `Library` says."""
        found = self._found.timings.get((processor, kind, model))
        if found is None:
            return profiles.timing_for(self.session, processor, kind, model)
        return profiles.only_timing(processor, model, found)

    def names(self, kind: str) -> list[str]:
        """As `Library` says."""
        return missing.names(self.session, kind)

    def told(self, nothing: ProfileNotFound | RevisionNotFound) -> str:
        """As `Library` says."""
        return missing.told(self.session, nothing)

    @property
    def samples(self) -> SampleSource:
        """As `Library` says."""
        return StoredSamples(self.session)
