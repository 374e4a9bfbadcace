"""A bundle, read: what it carries takes the place of the database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from app.arrow import pa
from app.bundles import digests
from app.bundles.schemas import FORMAT, FORMAT_VERSION, BundledProfile, BundledSamples, PlanBundle
from app.errors import ProfileNotFound, RevisionNotFound, SplitplanError
from app.field_errors import field_errors
from app.http.bodies import parse_json
from app.plans import columnar
from app.plans.families import FAMILIES
from app.plans.orders import digest
from app.plans.pins import Pins
from app.plans.stored import Asked
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind, Profile
from app.profiles.schemas.revisions import SCHEMAS
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.samples.packing import unpack
from app.samples.series import Measured, SampleSource

P = TypeVar("P", bound=Profile)


class BadBundle(ValueError):
    """A file that is no bundle, or not the one that was written."""


@dataclass(frozen=True, slots=True)
class CarriedSamples:
    """The measurements of a bundle, by timing and cut."""

    of: dict[tuple[ProfileRef, int], Measured]

    def behind(self, ref: ProfileRef, timing: Timing, cut: int) -> Measured | None:  # noqa: ARG002 (as the database is asked)
        """As `SampleSource` says."""
        return self.of.get((ref, cut))


@dataclass(frozen=True, slots=True)
class CarriedLibrary:
    """The revisions of a bundle."""

    revisions: dict[tuple[str, ProfileRef], Stored[Any]]
    samples: SampleSource

    def profile(self, kind: type[P], ref: ProfileRef) -> Stored[P]:
        """As `Library` says; what is not pinned is not there."""
        found = self.revisions.get((kind.kind, ref))
        if found is None:
            raise ProfileNotFound(kind.kind, str(ref))
        return found

    def timing_for(
        self,
        processor: str,  # noqa: ARG002 (as the database is asked)
        kind: ProcessorKind,  # noqa: ARG002
        model: str,  # noqa: ARG002
    ) -> Stored[Timing] | None:
        """As `Library` says: every timing is pinned, so nobody asks."""
        return None

    def names(self, kind: str) -> list[str]:
        """As `Library` says: those that are pinned."""
        return sorted({ref.name for pinned, ref in self.revisions if pinned == kind})

    def told(self, nothing: ProfileNotFound | RevisionNotFound) -> str:
        """As `Library` says: a bundle has what it has."""
        return nothing.detail


@dataclass(frozen=True, slots=True)
class Carried:
    """What a bundle says, ready to be planned with."""

    bundle: PlanBundle
    asked: Asked
    pinned: Pins
    library: CarriedLibrary


def read(content: bytes) -> Carried:
    """A bundle that is whole. Raises BadBundle with what is wrong."""
    try:
        given = parse_json(content)
    except SplitplanError as malformed:
        raise BadBundle(f"it is not JSON: {malformed.detail}") from None
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise BadBundle(f'it is no bundle: its "format" is not "{FORMAT}"')
    if given.get("format_version") != FORMAT_VERSION:
        raise BadBundle(
            f"it is of format_version {json.dumps(given.get('format_version'))}, this program reads"
            f" {FORMAT_VERSION}: replay it with the release that wrote it, or a later one"
        )
    try:
        bundle = PlanBundle.model_validate(given)
    except ValidationError as invalid:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in invalid.errors()]
        first = field_errors(errors, given)[0]
        raise BadBundle(f"{first.pointer}: {first.detail}") from None
    blocks = _blocks(bundle)
    if _digest(given, blocks) != bundle.sha256:
        raise BadBundle(
            "it was changed since it was written: its content is not that of its sha256; ask for it"
            " again"
        )
    if bundle.plan.kind not in FAMILIES:
        raise BadBundle(f"this program knows no {bundle.plan.kind!r} plans")
    library = CarriedLibrary(_revisions(bundle.profiles), CarriedSamples(_samples(bundle.samples)))
    return Carried(bundle, Asked(bundle.request, _table(blocks)), Pins.of(bundle.pinned), library)


def _digest(given: dict[str, Any], blocks: list[bytes]) -> str:
    short = {name: value for name, value in given.items() if name not in (*digests.LISTS, "sha256")}
    lists = {name: [digest(entry) for entry in given[name]] for name in digests.LISTS}
    return digests.of_bundle(short, lists, [hashlib.sha256(block).hexdigest() for block in blocks])


def _blocks(bundle: PlanBundle) -> list[bytes]:
    columns = bundle.columns
    return [] if columns is None else [_decoded(text, "columns") for text in columns.blocks]


def _table(blocks: list[bytes]) -> pa.Table | None:
    """The users in columns; None where they are in the request."""
    try:
        tables = [columnar.unpacked(block) for block in blocks]
        return pa.concat_tables(tables) if tables else None
    except (pa.ArrowException, OSError, ValueError) as damaged:
        raise BadBundle(f"/columns: cannot be read: {damaged}") from None


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as damaged:
        raise BadBundle(f"/{where}: is not base64: {damaged}") from None


def _revisions(carried: Iterable[BundledProfile]) -> dict[tuple[str, ProfileRef], Stored[Any]]:
    kinds = {schema.kind: schema for schema in SCHEMAS}
    found: dict[tuple[str, ProfileRef], Stored[Any]] = {}
    for profile in carried:
        try:
            body = kinds[profile.kind].model_validate(profile.body)
        except ValidationError as invalid:
            raise BadBundle(f"/profiles: a {profile.kind} does not hold: {invalid}") from None
        ref = ProfileRef(body.name, profile.revision)
        at = datetime.min.replace(tzinfo=UTC)  # nobody asks
        found[profile.kind, ref] = Stored(body.name, profile.revision, at, body)
    return found


def _samples(carried: Iterable[BundledSamples]) -> dict[tuple[ProfileRef, int], Measured]:
    found: dict[tuple[ProfileRef, int], Measured] = {}
    for entry in carried:
        try:
            samples = unpack(_decoded(entry.npz, "samples"))
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as damaged:
            raise BadBundle(f"/samples: {entry.timing}: cannot be read: {damaged}") from None
        measured = Measured(samples, tuple(entry.started_at), entry.measured_at)
        found |= {(ProfileRef.parse(entry.timing), cut): measured for cut in entry.cuts}
    return found
