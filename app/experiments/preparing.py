"""Requests of points, ready to be planned: each profile is resolved once."""

from dataclasses import dataclass, field

from app.db import Database
from app.experiments.changes import Json
from app.field_errors import validated
from app.plans import wanted
from app.plans.family import Family, Prepared
from app.plans.library import StoredLibrary
from app.plans.pins import Pins
from app.plans.resolve import Resolver


@dataclass(slots=True)
class Preparing:
    """Prepares one request after the other on the same revisions; what none pinned before, the
    first one pins.
    """

    database: Database
    family: Family
    pins: Pins
    _resolver: Resolver | None = field(default=None)

    def __call__(self, body: Json) -> Prepared:
        """A request, prepared in a transaction of its own. Raises InvalidRequest."""
        request = validated(self.family.request, body)
        with self.database.reading() as session:
            library = StoredLibrary(session)
            if self._resolver is None:
                named = wanted.pinned(self.pins) if self.pins.kept else wanted.wanted(request)
                library.expect(named)
                self._resolver = Resolver(library, pins=self.pins)
            resolver = self._resolver
            resolver.library = library
            resolver.faults.clear()
            resolver.warnings.clear()
            return self.family.prepare(request, resolver)
