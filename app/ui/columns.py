"""The columns of a plan's table of users, by family: what each is called and how it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.plans.browsing import value_of
from app.ui.told import Json
from app.ui.words import NOTHING, count, number, percent, quantity


def _text(value: Any) -> str:
    return NOTHING if value is None else str(value)


def _profile(value: Any) -> str:
    """A profile by its reference; of one that came with the request its own name."""
    name = _text(value)
    return f"{name.removeprefix('inline:')} (inline)" if name.startswith("inline:") else name


def in_unit(unit: str) -> Callable[[Any], str]:
    """How values are written that have this unit; empty: none."""
    return lambda value: quantity(value, unit)


@dataclass(frozen=True, slots=True)
class Column:
    """A field of what a plan says of a user."""

    title: str
    field: str
    """Its place, steps apart by dots."""
    shown: Callable[[Any], str] = _text
    is_number: bool = True

    def text(self, user: Json) -> str:
        """What it is of one user, as it is read."""
        return self.shown(value_of(user, self.field))


_CUT = Column("Cut", "cut_name", is_number=False)
_MODEL = Column("Network", "model", _profile, is_number=False)
_DEVICE = Column("Device", "device", _profile, is_number=False)

_RESULT: dict[str, Sequence[Column]] = {
    "robust": (
        _CUT,
        _MODEL,
        Column("Energy", "energy_j", in_unit("J")),
        Column("Latency bound", "latency.bound_s", in_unit("s")),
        Column("Deadline", "deadline_s", in_unit("s")),
        Column("Slack", "slack_s", in_unit("s")),
        Column("May be late", "violation_bound", percent),
        Column("Uplink", "bandwidth_hz", in_unit("Hz")),
        Column("Clock", "frequency_hz", in_unit("Hz")),
    ),
    "stopping": (
        Column("Placed up to", "cut_name", is_number=False),
        _MODEL,
        Column("To place", "placement_byte", in_unit("B")),
        Column("Expected time", "expected.time_s", in_unit("s")),
        Column("Expected energy", "expected.energy_j", in_unit("J")),
        Column("Total cost", "total_cost", number),
        Column("Mean SNR", "mean_snr_db", lambda value: f"{number(value)} dB"),
    ),
    "multi-user": (
        _CUT,
        _MODEL,
        Column("Bits", "bits", _text),
        Column("Latency", "latency.mean_s", in_unit("s")),
        Column("Deadline", "deadline_s", in_unit("s")),
        Column("Slack", "slack_s", in_unit("s")),
        Column("Uplink", "bandwidth_hz", in_unit("Hz")),
        Column("Server share", "server_share", percent),
        Column("Accuracy lost", "loss", percent),
        Column("Cost", "cost", number),
    ),
    "adaptive": (
        _MODEL,
        _DEVICE,
        Column("Served from", "least_rate_bps", in_unit("bit/s")),
        Column("Clock", "frequency_hz", in_unit("Hz")),
    ),
}
_REASONS: dict[str, Sequence[Column]] = {
    "robust": (
        Column("Least deadline", "least_deadline_s", in_unit("s")),
        Column("Least risk", "least_risk", percent),
        Column("Least uplink", "least_bandwidth_hz", in_unit("Hz")),
    ),
    "stopping": (
        Column("What stops it", "reason", is_number=False),
        Column("Placement needed", "placement", count),
        Column("Memory missing", "short_by_byte", in_unit("B")),
    ),
    "multi-user": (Column("Least deadline", "least_deadline_s", in_unit("s")),),
}


def of(kind: str, *, has_result: bool) -> Sequence[Column]:
    """The columns beside the user's id, of a plan or of the reasons why there is none."""
    return (_RESULT if has_result else _REASONS).get(kind, ())
