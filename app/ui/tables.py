"""Tables of what a plan says of one user: decisions by rate, other cuts, and what stops each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.ui.columns import Column, in_unit
from app.ui.told import Json
from app.ui.words import NOTHING, count, number, percent, si

BINDINGS = {
    "clock": "the device's clock",
    "rate": "the uplink",
    "margin": "times that vary too much",
    "memory": "the device's memory",
    "loss": "accuracy lost",
    "stage": "how often it infers",
    "server": "the server's budget",
    "time": "time, even with all of uplink and server",
    "outage": "a channel that is never up",
}
_OFFLOADS = {"always": "always send", "never": "compute on", "threshold": "by the rate"}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under headings."""

    title: str
    note: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    marked: Sequence[bool] = ()
    """Of each row, whether it is what the plan took."""


def table(
    title: str,
    note: str,
    columns: Sequence[Column],
    rows: Sequence[Json],
    marked: Sequence[bool] = (),
) -> Table:
    """What columns have to say of rows; those that say nothing of any row are left out."""
    texts = [[column.text(row) for column in columns] for row in rows]
    said = [n for n in range(len(columns)) if any(row[n] not in (NOTHING, "") for row in texts)]
    kept = [[row[n] for n in said] for row in texts]
    return Table(title, note, [columns[n] for n in said], kept, marked)


def words(named: dict[str, str]) -> Callable[[Any], str]:
    """Texts by what they stand for."""
    return lambda value: NOTHING if value is None else named.get(str(value), str(value))


def _decibel(value: float | None) -> str:
    return NOTHING if value is None else f"{number(value)} dB"


CUT = Column("Cut", "cut", count, is_number=False)
CUT_NAME = Column("Cut after", "cut_name", is_number=False)

_BY_RATE = (
    Column("From rate", "rate_from_bps", in_unit("bit/s"), is_number=False),
    Column("Below", "rate_to_bps", lambda rate: "no end" if rate is None else si(rate, "bit/s")),
    CUT,
    CUT_NAME,
    Column("Bits", "bits", count),
    Column("Codec", "codec", is_number=False),
    Column("Cost at first", "cost_from", number),
    Column("At the end", "cost_to", number),
    Column("Late below", "late_below_bps", in_unit("bit/s")),
)
_STOPPING = (
    CUT,
    CUT_NAME,
    Column("Send", "offload", words(_OFFLOADS), is_number=False),
    Column("From rate", "rate_bps", in_unit("bit/s")),
    Column("SNR", "snr_db", _decibel),
    Column("Gain", "gain_db", _decibel),
    Column("In outage", "in_outage", is_number=False),
    Column("Ends here", "stop_probability", percent),
)
_ALTERNATIVES = (
    CUT,
    CUT_NAME,
    Column("Cell takes at least", "cell_energy_at_least_j", in_unit("J")),
    Column("Cell takes at least", "cell_power_at_least_w", in_unit("W")),
    Column("Stopped by", "binding", words(BINDINGS), is_number=False),
    Column("Short by", "short_by_s", in_unit("s")),
    Column("Short by", "short_by_hz", in_unit("Hz")),
)
_CURVE = (
    Column("Layers placed", "placement", count, is_number=False),
    Column("Placement", "placement_cost", number),
    Column("Running", "running_cost", number),
    Column("Total cost", "total_cost", number),
    Column("Fits memory", "fits_memory", lambda fits: "yes" if fits else "no", is_number=False),
)
_REASONS = (
    CUT,
    Column("Stopped by", "binding", words(BINDINGS), is_number=False),
    Column("Short by", "short_by_s", in_unit("s")),
)


def decision_table(told: Json | None) -> Table | None:
    """What a device looks up, by the rate that it sees."""
    if told is None:
        return None
    rows = told["rows"]
    if rows and "offload" in rows[0]:
        note = "At each cut, in the order in which the device comes to them."
        return table("Decision table", note, _STOPPING, rows)
    pinned = [bool(row.get("pinned")) for row in rows]
    note = "By the rate of the uplink, whose share the device knows; the plan's own row is marked."
    if not any(pinned):
        note = "By the rate of the uplink."
    return table("Decision table", note, _BY_RATE, rows, marked=pinned)


def alternatives(told: Sequence[Json] | None, taken: int | None) -> Table | None:
    """Why not another cut than the one that is taken."""
    if told is None:
        return None
    note = "Proven for each cut of its network; the one that is taken is marked."
    marked = [each["cut"] == taken for each in told]
    return table("Why not another cut", note, _ALTERNATIVES, told, marked=marked)


def curve(told: Sequence[Json] | None) -> Table | None:
    """What every placement would cost."""
    if told is None:
        return None
    finite = [each["total_cost"] for each in told if each["total_cost"] is not None]
    best = min(finite, default=None)
    marked = [best is not None and each["total_cost"] == best for each in told]
    note = "Per inference; the cheapest that fits is taken."
    return table("Placements", note, _CURVE, told, marked=marked)


def reasons(told: Sequence[Json] | None) -> Table | None:
    """What stops each cut of a user who fails alone."""
    if told is None:
        return None
    note = "With the whole uplink and the largest clock, the option that comes closest."
    return table("What stops each cut", note, _REASONS, told)
