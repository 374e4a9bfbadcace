"""Profiles as stored and answered, and as sent back to be revised."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.profiles.schemas.channel import Channel
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, Profile
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.quantities import (
    Body,
    PositiveCount,
    absent,
)

SCHEMAS: tuple[type[Profile], ...] = (Device, Model, Channel, Server, Timing)


class Revision(Body):
    """What an answer adds to a profile."""

    revision: int
    """Counts the states of this profile from 1; a revision never changes."""
    created_at: datetime
    """When this revision was made."""
    warnings: tuple[FieldWarning, ...] | None = absent()
    """Allowed, but they smell of a mistake."""


class DeviceRevision(Revision, Device):
    """A device as stored."""


class ModelRevision(Revision, Model):
    """A model as stored."""


class ImportReport(Body):
    """What only the answer of an import says."""

    complete: bool
    """False where there are too many ways to cut the graph through several tensors, so that only
    those along two orders of its nodes were looked at, and where the cuts after some place are not
    known."""


class ImportedModel(ModelRevision):
    """A model as stored, with what reading its file found."""

    import_report: ImportReport | None = absent()
    """Where several tensors may cross a cut, and wherever cuts are not in the list."""


class ChannelRevision(Revision, Channel):
    """A channel as stored."""


class ServerRevision(Revision, Server):
    """A server as stored."""


class TimingStaleEvidence(Body):
    """What times observed in production say against a revision."""

    since: datetime
    """When they were received."""
    measurement: PositiveCount
    """The observations: `GET /v1/timings/{name}/measurements/{measurement}`."""
    plan: str
    """The plan under which they were observed."""
    detail: str
    """What was seen and what was planned, in a sentence."""


class TimingRevision(Revision, Timing):
    """A timing as stored."""

    stale: bool | None = absent()
    """True once times observed in production refuted this revision."""
    stale_evidence: TimingStaleEvidence | None = absent()
    """What refuted this revision; absent while nothing has."""


Ignored = Annotated[
    Any,
    Field(exclude=True, description="Ignored, so that an answer may be sent back as it came."),
]


class Echo(Body):
    """What a PUT may send back from an answer; ignored."""

    revision: Ignored = None
    created_at: Ignored = None
    warnings: Ignored = None


class DeviceEdit(Echo, Device):
    """A device to revise."""


class ModelEdit(Echo, Model):
    """A model to revise."""

    import_report: Ignored = None


class ChannelEdit(Echo, Channel):
    """A channel to revise."""


class ServerEdit(Echo, Server):
    """A server to revise."""


class TimingEdit(Echo, Timing):
    """A timing to revise."""

    stale: Ignored = None
    stale_evidence: Ignored = None
