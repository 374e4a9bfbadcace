"""What a plan is asked for a user: every input, by why it would change what is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from app.comparisons.codes import Codes, Part, code, coded, texts, together
from app.errors import escaped
from app.plans import stored
from app.plans.browsing import value_of
from app.plans.orders import digest
from app.plans.pins import Pins
from app.plans.tables import PlanRow
from app.profiles.references import ProfileRef
from app.profiles.schemas.profile import ProcessorKind

Json = dict[str, Any]

CHANNEL, DEADLINE, RISK, PROFILE, OPTIONS = REASONS = (
    "channel",
    "deadline",
    "risk",
    "profile",
    "options",
)

OF_USERS: Mapping[str, tuple[str, ...]] = {
    CHANNEL: (
        "cell",
        "gain_db",
        "distance_m",
        "snr_reference.snr_db",
        "snr_reference.bandwidth_hz",
        "snr_db",
        "mean_snr_db",
        "spectral_efficiency_bps_per_hz",
        "tx_power_w",
    ),
    DEADLINE: ("deadline_s",),
    RISK: ("risk", "correlation"),
    OPTIONS: ("max_loss", "rate_hz", "frequency_hz", "weight"),
}
_DEFAULTS = {"correlation": 0.0, "weight": 1.0}
_REFERENCES = ("device", "model", "device_timing", "server_timing", "servers")

# What every user of a plan is asked alike. How hard the solver tries is no term of anybody's.
_TRIES = frozenset(
    {
        "method",
        "gap",
        "time_limit_s",
        "seed",
        "nodes",
        "clairvoyant",
        "baselines",
        "explain",
        "strict",
    }
)
_TERMS = ("weights", "inferences_per_update", "downlink_bps")
_NOT_TERMS = frozenset({"users", "name", "supersedes", "webhook_url", "priority", "options"})
_LISTED = 100


class Inputs:
    """The inputs of one plan."""

    def __init__(self, row: PlanRow) -> None:
        self.body, self.options = stored.terms_of(row), stored.answer_of(row).options
        self.pins = stored.pins_of(row) or Pins()
        self.kind = row.kind
        self._known: dict[Any, int] = {}
        self._stood_for: dict[Any, tuple[str, ...]] = {}
        self._cells = {cell["id"]: cell for cell in self.body.get("cells") or ()}
        self._of_places: dict[Any, dict[str, int]] = {}

    def codes(self, part: Part) -> Codes:
        """Of each user (users, reasons)."""
        rows, places = len(part), texts(part, "cell")
        found = np.zeros((rows, len(REASONS)), np.uint64)
        for n, reason in enumerate(REASONS):
            columns = {field: _filled(part, field) for field in OF_USERS.get(reason, ())}
            if reason == PROFILE:
                columns["references"] = self._references(part, places)
            of_place = [self._place(place)[reason] for place in places]
            columns["whole"] = np.array(of_place, np.uint64)
            found[:, n] = together(columns, rows)
        return found

    def differing(self, other: Inputs, mine: Json, theirs: Json) -> Iterator[tuple[str, Any, Any]]:
        """A user's own inputs that differ, with what each plan was told."""
        for field in (path for paths in OF_USERS.values() for path in paths):
            before, after = _one(mine, field), _one(theirs, field)
            if before != after:
                yield field, before, after
        for field, before, after in zip(
            _REFERENCES,
            self.references(mine),
            other.references(theirs),
            strict=True,
        ):
            if before != after:
                yield field, before, after

    def revisions(self) -> dict[tuple[str, str], set[int]]:
        """What it rests on, by kind and name."""
        found: dict[tuple[str, str], set[int]] = {}
        for kind, ref in self.pins.revisions:
            if ref.revision is not None:
                found.setdefault((kind, ref.name), set()).add(ref.revision)
        return found

    def references(self, user: Mapping[str, Any]) -> tuple[str | None, ...]:
        """What the references of a user stood for, in the order of `_REFERENCES`."""
        cell = self._cells.get(user.get("cell"), {})
        device, model = user.get("device"), user.get("model")
        servers = user.get("servers") or [cell.get("server") or self.body.get("server")]
        if isinstance(servers, str):
            servers = servers.split(",")
        return (
            self._named("device", device),
            self._named("model", model),
            self._timing("device", user.get("device_timing"), [device], model),
            self._timing("server", user.get("server_timing"), servers, model),
            ", ".join(filter(None, (self._named("server", server) for server in servers))) or None,
        )

    def _references(self, part: Part, places: list[Any]) -> Codes:
        columns = [texts(part, name) for name in _REFERENCES]
        codes = []
        for values in zip(places, *columns, strict=True):
            key = repr(values)
            if key not in self._known:
                user = dict(zip(("cell", *_REFERENCES), values, strict=True))
                self._known[key] = code(self.references(user))
            codes.append(self._known[key])
        return np.array(codes, np.uint64)

    def _place(self, place: Any) -> dict[str, int]:
        """The codes of what is asked of everybody in a cell, by the reason it would be."""
        if place not in self._of_places:
            cell = self._cells.get(place, {})
            channel = cell.get("channel") or self.body.get("channel")
            behind = cell.get("tiers") or self.body.get("tiers") or ()
            tiers = [tier | {"server": None} for tier in behind]
            # An uplink that nobody shares is a user's own channel.
            own = self.body.get("bandwidth_hz") if self.kind == "stopping" else None
            named = [self._named("channel", channel)]
            named += [self._named("server", tier["server"]) for tier in behind]
            asked = {name: self.body.get(name) for name in _TERMS}
            asked |= {name: v for name, v in self.options.items() if name not in _TRIES}
            self._of_places[place] = {
                CHANNEL: code([_name(channel), own]),
                DEADLINE: 0,
                RISK: 0,
                PROFILE: code(named),
                OPTIONS: code([asked, tiers]),
            }
        return self._of_places[place]

    def _named(self, kind: str, given: Any) -> str | None:
        if given is None:
            return None
        if not isinstance(given, str):
            return f"inline:{given.get('name')} ({digest(given)[:12]})"
        pinned = self.pins.stored(kind, given)
        return given if pinned is None else str(pinned)

    def _timing(
        self, kind: ProcessorKind, given: Any, processors: list[Any], model: Any
    ) -> str | None:
        if given is not None:
            return self._named("timing", given)
        found = (self.pins.timing(kind, _name(one), _name(model)) for one in processors)
        return ", ".join(str(ref) for ref in found if ref is not None) or None


def _name(given: Any) -> str:
    """The name in a reference, whatever its revision."""
    if isinstance(given, Mapping):
        return str(given.get("name"))
    return ProfileRef.parse(str(given)).name


def _filled(part: Part, field: str) -> Codes:
    """A field, with its default where it is not said."""
    codes = coded(part, field)
    if field not in _DEFAULTS:
        return codes
    return np.where(codes == 0, coded([{field: _DEFAULTS[field]}], field), codes)


def _one(user: Json, path: str) -> Any:
    value = value_of(user, path)
    return _DEFAULTS.get(path) if value is None else value


def terms(before: Inputs, after: Inputs) -> tuple[list[Json], int]:
    """What two plans were asked for differently, but for their users: the first of it, and how
    much that is in all.
    """
    both = [
        dict(_flat("", _asked(side))) | dict(_flat("/options", side.options))
        for side in (before, after)
    ]
    names = [*both[0], *(name for name in both[1] if name not in both[0])]
    found = [
        {"field": name, "before": both[0].get(name), "after": both[1].get(name)}
        for name in names
        if both[0].get(name) != both[1].get(name)
    ]
    return found[:_LISTED], len(found)


def _asked(side: Inputs) -> Json:
    return {name: value for name, value in side.body.items() if name not in _NOT_TERMS}


def _flat(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Members by their pointers; of lists by the ids of their entries, where these have any."""
    if isinstance(value, Mapping) and "provenance" not in value:  # an inline profile is one term
        for name, member in value.items():
            yield from _flat(f"{at}/{escaped(name)}", member)
    elif isinstance(value, list) and all(isinstance(m, Mapping) and "id" in m for m in value):
        for member in value:
            rest = {name: v for name, v in member.items() if name != "id"}
            yield from _flat(f"{at}/{escaped(member['id'])}", rest)
    elif value is not None:
        yield at, value


def profiles(before: Inputs, after: Inputs) -> list[Json]:
    """The profiles of which two plans rest on other revisions, by kind and name."""
    sides = [side.revisions() for side in (before, after)]
    return [
        {"kind": key[0], "name": key[1]}
        | {
            which: sorted(side.get(key, ()))
            for which, side in zip(("before", "after"), sides, strict=True)
        }
        for key in sorted({*sides[0], *sides[1]})
        if sides[0].get(key) != sides[1].get(key)
    ]
