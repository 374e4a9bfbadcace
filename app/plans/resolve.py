"""From references and inline bodies to profiles, remembering what an answer rests on."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from app.errors import (
    AmbiguousTiming,
    FieldError,
    InvalidRequest,
    ProfileNotFound,
    RevisionNotFound,
)
from app.plans.library import Library
from app.plans.pins import Pins
from app.plans.schemas import UsedProfile
from app.profiles import missing
from app.profiles.plausibility import warnings_of
from app.profiles.references import ProfileRef
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from app.profiles.schemas.profile import FieldWarning, ProcessorKind, Profile, Provenance
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from app.profiles.stored import Stored
from app.profiles.timings import timing_faults

P = TypeVar("P", bound=Profile)
P_co = TypeVar("P_co", bound=Profile, covariant=True)

# Nobody reads more, and a million users could have as many each.
_REMEMBERED = 1000
# Of faults so many are told: names near the others are not looked for.
_ADVISED = 100

WEAKEST_FIRST: tuple[Provenance, ...] = ("analytic", "published", "measured")


@dataclass(frozen=True, slots=True, eq=False)
class Source(Generic[P_co]):
    """A profile in use; the same reference or an equal inline body is the same object."""

    body: P_co
    revision: int | None  # None: inline

    @property
    def ref(self) -> str:
        """How an answer names it."""
        stored = self.stored
        return f"inline:{self.body.name}" if stored is None else str(stored)

    @property
    def stored(self) -> ProfileRef | None:
        """The revision that it is, unless it came with the request."""
        return None if self.revision is None else ProfileRef(self.body.name, self.revision)


class RunsNetwork(Protocol):
    """A user of any family: a device that runs a network."""

    @property
    def device(self) -> str | Device: ...
    @property
    def model(self) -> str | Model: ...
    @property
    def device_timing(self) -> str | Timing | None: ...
    @property
    def server_timing(self) -> str | Timing | None: ...


@dataclass(frozen=True, slots=True)
class Host:
    """A server, and its timing of a network; without one its capacity says how long it takes."""

    server: Source[Server]
    timing: Source[Timing] | None


@dataclass(frozen=True, slots=True)
class Tier:
    """A server behind others, over a fixed line."""

    host: Host
    backhaul_bps: float
    backhaul_rtt_s: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """Device, network and servers with their timings: what makes a workload."""

    device: Source[Device]
    model: Source[Model]
    server: Source[Server]
    device_timing: Source[Timing]
    server_timing: Source[Timing] | None
    others: tuple[Host, ...] = ()
    """Servers that may take the place of `server`."""
    tiers: tuple[Tier, ...] = ()
    """Behind each of the servers."""

    @property
    def refs(self) -> dict[str, str]:
        """What a user runs, and on what, as answers name it."""
        return {"model": self.model.ref, "device": self.device.ref}

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All servers that the device may send to."""
        return (Host(self.server, self.server_timing), *self.others)

    @property
    def servers(self) -> tuple[Source[Server], ...]:
        """All servers, those of the tiers last."""
        return tuple(host.server for host in (*self.hosts, *(tier.host for tier in self.tiers)))

    @property
    def sources(self) -> list[Source[Profile]]:
        """What it rests on."""
        hosts = (*self.others, *(tier.host for tier in self.tiers))
        timings = (self.device_timing, self.server_timing, *(host.timing for host in hosts))
        known = (timing for timing in timings if timing is not None)
        return [self.device, self.model, *self.servers, *known]


@dataclass(slots=True)
class Resolver:
    """Resolves the profiles of one request, once each; collects faults, warnings and provenance."""

    library: Library
    pins: Pins = field(default_factory=Pins)
    """What each reference, and each omitted timing, stands for: entries given are kept, the others
    become the latest revisions. With the pins of a plan, its request means for ever what it meant
    when it was accepted."""
    faults: list[FieldError] = field(default_factory=list)
    warnings: list[FieldWarning] = field(default_factory=list)
    assumed: bool = False
    """Whether a server's time was derived from its capacity: an answer that rests on it is analytic
    at best.
    """
    figures: set[Provenance] = field(default_factory=set)
    """Provenances of figures that have one of their own within a profile, as codecs have."""
    strict: bool = False
    """Whether a timing of another file than the model's is refused; otherwise it is warned of."""
    _other_files: set[tuple[str, str, str]] = field(default_factory=set)
    _stored: dict[tuple[str, str], Source[Profile] | None] = field(default_factory=dict)
    _inline: dict[Profile, Source[Profile]] = field(default_factory=dict)
    _timings: dict[tuple[str, ProcessorKind, str], Source[Timing] | None] = field(
        default_factory=dict
    )
    _missing: dict[tuple[str, str], str] = field(default_factory=dict)
    _names: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, pointer: str, detail: str) -> None:
        """Remember what is wrong, to tell the caller all of it at once."""
        if len(self.faults) < _REMEMBERED:
            self.faults.append(FieldError(pointer, detail))

    def warn(self, pointer: str, message: str) -> None:
        """Remember what is allowed but looks like a mistake."""
        if len(self.warnings) < _REMEMBERED:
            self.warnings.append(FieldWarning(field=pointer, message=message))

    def refuse_faults(self) -> None:
        """Raise InvalidRequest if anything is wrong."""
        if self.faults:
            raise InvalidRequest(self.faults)

    def find(self, kind: type[P], given: str | P, pointer: str) -> Source[P] | None:
        """The profile meant; None (and a fault) where there is none."""
        if isinstance(given, Profile):
            found = self._inline.get(given)
            if found is None:
                found = self._inline[given] = Source(given, None)
                self.warnings += [warning.below(pointer) for warning in warnings_of(given)]
            return found  # type: ignore[return-value]  # an equal body has the same type
        key = (kind.kind, given)
        if key not in self._stored:
            try:
                ref = self.pins.stored(kind.kind, given) or ProfileRef.parse(given)
                stored = self.library.profile(kind, ref)
                self._stored[key] = Source(stored.body, stored.revision)
                self.pins.pin(kind.kind, given, ProfileRef(stored.body.name, stored.revision))
                self.warnings += [
                    warning.below(pointer) for warning in warnings_of(stored.body, stored.stale)
                ]
            except (ProfileNotFound, RevisionNotFound) as nothing:
                self._stored[key], self._missing[key] = None, self._told(nothing)
        if self._stored[key] is None:
            self.fault(pointer, self._missing[key])
        return self._stored[key]  # type: ignore[return-value]  # stored under its own kind

    def _told(self, nothing: ProfileNotFound | RevisionNotFound) -> str:
        """What is missing, and what is near."""
        if len(self.faults) >= _ADVISED:
            return nothing.detail
        if isinstance(nothing, RevisionNotFound):
            return self.library.told(nothing)
        if nothing.kind not in self._names:
            self._names[nothing.kind] = self.library.names(nothing.kind)
        known = self._names[nothing.kind]
        return nothing.detail.removesuffix(".") + missing.advice(nothing.kind, nothing.name, known)

    def deployment(
        self, user: RunsNetwork, server: Source[Server] | None, where: str
    ) -> Deployment | None:
        """What a user runs; None (and faults) where it cannot be told."""
        before = len(self.faults)
        device = self.find(Device, user.device, f"{where}/device")
        model = self.find(Model, user.model, f"{where}/model")
        if device is None or model is None or server is None:
            return None
        of_device = self._timing(user.device_timing, device, model, f"{where}/device_timing")
        of_server = self._timing(user.server_timing, server, model, f"{where}/server_timing")
        if len(self.faults) > before:
            return None
        if of_device is None:
            self.fault(
                f"{where}/device_timing",
                f"no timing of {device.body.name!r} with {model.body.name!r} is stored: give one, "
                "a device's speed is never invented. Measure it (POST"
                " /v1/timings/{name}/measurements), or have one estimated from the time of the"
                " whole network (POST /v1/timings/estimate, splitplan timings estimate)",
            )
            return None
        self.assumed |= of_server is None
        return Deployment(device, model, server, of_device, of_server)

    def host(self, server: Source[Server], model: Source[Model], pointer: str) -> Host:
        """A server with the stored timing of a network, if there is one."""
        found = Host(server, self._timing(None, server, model, pointer))
        self.assumed |= found.timing is None
        return found

    def _timing(
        self,
        given: str | Timing | None,
        processor: Source[Device] | Source[Server],
        model: Source[Model],
        pointer: str,
    ) -> Source[Timing] | None:
        """The timing given, or the stored one; None where there is none at all, or (with a fault)
        an unfit one.
        """
        kind: ProcessorKind = "device" if isinstance(processor.body, Device) else "server"
        name = processor.body.name
        if given is None:
            found = self._stored_timing(name, kind, model.body.name, pointer)
        else:
            found = self.find(Timing, given, pointer)
        if found is None:
            return None
        timing = found.body
        if timing.processor != name or timing.processor_kind not in (None, kind):
            whose = f"{timing.processor_kind or 'processor'} {timing.processor!r}"
            self.fault(
                pointer, f"timing {timing.name!r} is of the {whose}, not of the {kind} {name!r}"
            )
        elif timing.model != model.body.name:
            self.fault(
                pointer,
                f"timing {timing.name!r} is of the model {timing.model!r}, not of"
                f" {model.body.name!r}",
            )
        elif unfit := timing_faults(timing, kind, model.body):
            self.faults += [fault.below(pointer) for fault in unfit]
        elif self._same_file(timing, model.body, pointer):
            return found
        return None

    def _same_file(self, timing: Timing, model: Model, pointer: str) -> bool:
        """Whether a timing may be used with a model, by the file that was timed: with another one
        it is told once, and refused where that was asked for.
        """
        timed, meant = timing.source_sha256, model.source_sha256
        if timed is None or meant is None or timed == meant:
            return True
        detail = (
            f"timing {timing.name!r} was made with another file ({timed[:12]}…) than the model"
            f" {model.name!r} is of ({meant[:12]}…): measure again, or plan with the model that was"
            " timed"
        )
        if self.strict:
            self.fault(pointer, detail)
        elif (told := (timing.name, timed, meant)) not in self._other_files:
            self._other_files.add(told)
            self.warn(pointer, f"{detail}; options.strict refuses this")
        return not self.strict

    def _stored_timing(
        self, name: str, kind: ProcessorKind, model: str, pointer: str
    ) -> Source[Timing] | None:
        key = (name, kind, model)
        if key not in self._timings:
            who = (kind, name, model)
            try:
                pinned = self.pins.has_timing(*who)
                stored = self._pinned_timing(*who) if pinned else self.library.timing_for(*key)
            except AmbiguousTiming as several:
                self.fault(pointer, several.detail)
                return None
            self._timings[key] = source = Source(stored.body, stored.revision) if stored else None
            self.pins.pin_timing(*who, source.stored if source else None)
            if stored is not None:
                self.warnings += [
                    warning.below(pointer) for warning in warnings_of(stored.body, stored.stale)
                ]
        return self._timings[key]

    def _pinned_timing(self, kind: ProcessorKind, name: str, model: str) -> Stored[Timing] | None:
        ref = self.pins.timing(kind, name, model)
        return None if ref is None else self.library.profile(Timing, ref)


def used(
    sources: list[Source[Profile]], *, assumed: bool, figures: Collection[Provenance] = ()
) -> tuple[Provenance, list[UsedProfile]]:
    """The weakest provenance of what an answer rests on (`assumed`: also on something derived;
    `figures`: also on figures with provenances of their own), and the list of it.
    """
    # A device and a server may share a name, and so may two different bodies sent inline.
    distinct = {
        (source.body.kind, source.ref, source.body.provenance): source for source in sources
    }
    listed = [
        UsedProfile(
            ref=source.ref,
            kind=source.body.kind,
            revision=source.revision,
            provenance=source.body.provenance,
        )
        for source in distinct.values()
    ]
    provenances: list[Provenance] = [*(entry.provenance for entry in listed), *figures]
    if assumed:
        provenances.append("analytic")
    return min(provenances, key=WEAKEST_FIRST.index), listed
