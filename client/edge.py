"""Decision tables on a device: load the rows of a plan, ask at every new rate; a number that says
when the plan no longer keeps its deadline; and the name of a split network.

Standard library only: copy it along::

    table = RateTable(plan_user["table"]["rows"], hysteresis=0.05)
    row = table.decide(rate_bps)        # row.cut, row.bits, row.codec; None: nothing fits
    if row.partition_id != loaded:      # of partition_id(model, cut), where the halves are kept
        ...                             # load the halves that are split there

    monitor = RiskMonitor(risk=0.02, fallback_cut=plan_user["fallback_cut"])
    if monitor.observe(late=took_s > plan_user["deadline_s"]):
        ...  # refuted: run monitor.fallback_cut until there is a new plan
"""

import hashlib
import json
import math
from bisect import bisect_right
from typing import Any, NamedTuple

SCHEMA_VERSION = 1


class BadTable(ValueError):
    """Rows that are no decision table; the message says where."""


class RateRow(NamedTuple):
    """Run `cut` with features at `bits`, or in `codec`, while the rate is in [rate_from_bps,
    rate_to_bps).
    """

    rate_from_bps: float
    rate_to_bps: float
    cut: int
    cut_name: str | None
    bits: int | None
    fixed_cost: float
    cost_per_inverse_rate: float
    late_below_bps: float
    codec: str | None = None
    partition_id: str | None = None


class RateTable:
    """The best cut at every rate of the uplink, kept until another is cheaper by the fraction
    `hysteresis`.
    """

    __slots__ = ("_from", "_rows", "_stay", "current")

    def __init__(self, rows: list[dict[str, Any]], hysteresis: float = 0.0) -> None:
        if not 0.0 <= hysteresis < 1.0:
            raise BadTable("hysteresis must be in [0, 1)")
        self._from, self._rows = _rate_rows(rows)
        self._stay = 1.0 - hysteresis
        self.current: RateRow | None = None

    @classmethod
    def load(cls, text: str | bytes, hysteresis: float = 0.0) -> "RateTable":
        """From the JSON of a table, `{"schema_version", "rows"}`."""
        return cls(_rows_of(text), hysteresis)

    def best(self, rate_bps: float) -> RateRow | None:
        """The row that holds at a rate [bit/s], whatever ran before; None where nothing fits."""
        return self._rows[bisect_right(self._from, rate_bps) - 1]

    def decide(self, rate_bps: float) -> RateRow | None:
        """The row to run now: the best, or the current one while it is in time and not dearer by
        the hysteresis.

        A rate that is no number or negative raises ValueError: the caller's estimate is broken, not
        the network.
        """
        if not rate_bps >= 0.0:
            raise ValueError("rate_bps must be a number that is not negative")
        best, now = self._rows[bisect_right(self._from, rate_bps) - 1], self.current
        if (
            best is not now
            and best is not None
            and now is not None
            and rate_bps > 0.0
            and rate_bps >= now.late_below_bps
            and best.fixed_cost + best.cost_per_inverse_rate / rate_bps
            >= self._stay * (now.fixed_cost + now.cost_per_inverse_rate / rate_bps)
        ):
            return now
        self.current = best
        return best


def _rate_rows(rows: list[dict[str, Any]]) -> tuple[list[float], list[RateRow | None]]:
    starts: list[float] = []
    parsed: list[RateRow | None] = []
    end: float = 0.0
    for number, row in enumerate(rows):
        try:
            start, to = float(row["rate_from_bps"]), row["rate_to_bps"]
            if start != end:
                raise BadTable(
                    f"row {number}: rate_from_bps must be the rate_to_bps before it, 0 in the"
                    " first row"
                )
            end = float("inf") if to is None else float(to)
            if not end > start:
                raise BadTable(f"row {number}: rate_to_bps must be above rate_from_bps")
            starts.append(start)
            parsed.append(None if row["cut"] is None else _rate_row(row, start, end))
        except (KeyError, TypeError) as error:
            raise BadTable(f"row {number}: {error}") from error
    if end != float("inf"):
        raise BadTable("the last row must have no end (rate_to_bps null)")
    return starts, parsed


def _rate_row(row: dict[str, Any], start: float, end: float) -> RateRow:
    return RateRow(
        rate_from_bps=start,
        rate_to_bps=end,
        cut=int(row["cut"]),
        cut_name=row.get("cut_name"),
        bits=row.get("bits"),
        fixed_cost=float(row["fixed_cost"]),
        cost_per_inverse_rate=float(row["cost_per_inverse_rate"]),
        late_below_bps=float(row.get("late_below_bps") or 0.0),
        codec=row.get("codec"),
        partition_id=row.get("partition_id"),
    )


class StoppingTable:
    """At every cut on the way: offload now, compute on, or wait for the channel."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows: dict[int, StoppingRow] = {}
        for number, row in enumerate(rows):
            try:
                parsed = _stopping_row(row)
            except (KeyError, TypeError) as error:
                raise BadTable(f"row {number}: {error}") from error
            if parsed.cut in self._rows:
                raise BadTable(f"row {number}: cut {parsed.cut} has a row already")
            self._rows[parsed.cut] = parsed

    @classmethod
    def load(cls, text: str | bytes) -> "StoppingTable":
        """From the JSON of a table, `{"schema_version", "rows"}`."""
        return cls(_rows_of(text))

    def decide(self, cut: int, rate_bps: float, state: int | None = None) -> str:
        """What to do at a cut: "offload", "continue" or "wait".

        `rate_bps` is 0 in outage. `state` is the channel's state, for tables that list the states
        to stop in; without it they go by the rate. Raises KeyError for a cut beyond the placement.
        """
        row = self._rows[cut]
        if not rate_bps >= 0.0:
            raise ValueError("rate_bps must be a number that is not negative")
        if rate_bps == 0.0:
            return row.in_outage
        if row.stop_states is not None and state is not None:
            if state in row.stop_states:
                return "offload"
            return "wait" if state in row.wait_states else "continue"
        if row.least_rate_bps is None:
            raise ValueError(
                f"cut {cut} is decided by the channel's state, not by its rate: say which"
            )
        return "offload" if rate_bps >= row.least_rate_bps else row.below


class StoppingRow(NamedTuple):
    """Offload at `cut` from a rate on (None: only states say when), or in some states of a Markov
    channel.
    """

    cut: int
    least_rate_bps: float | None
    below: str
    in_outage: str
    stop_states: frozenset[int] | None
    wait_states: frozenset[int]


def _stopping_row(row: dict[str, Any]) -> StoppingRow:
    offload, states = row["offload"], row.get("stop_states")
    waits = (row["in_outage"], row.get("below", "continue"))
    if offload not in ("always", "never", "threshold") or not {*waits} <= {"wait", "continue"}:
        raise BadTable(
            "offload is always, never or threshold; in_outage and below are wait or continue"
        )
    least = {"always": 0.0, "never": float("inf")}.get(offload, row.get("rate_bps"))
    if least is None and states is None:
        raise BadTable("a threshold needs rate_bps or stop_states")
    return StoppingRow(
        cut=int(row["cut"]),
        least_rate_bps=None if least is None else float(least),
        below=waits[1],
        in_outage=waits[0],
        stop_states=None if states is None else frozenset(states),
        wait_states=frozenset(row.get("wait_states") or ()),
    )


def _rows_of(text: str | bytes) -> list[dict[str, Any]]:
    table = json.loads(text)
    if not isinstance(table, dict) or table.get("schema_version") != SCHEMA_VERSION:
        raise BadTable(f"a table of schema_version {SCHEMA_VERSION} is needed")
    rows = table.get("rows")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BadTable("rows: a list of objects, at least one")
    return rows


def partition_id(model: dict[str, Any], cut: int) -> str:
    """The stable name of a network split at one of its cuts, as answers name it.

    `model` is the body of the model profile. The same network, split at the same tensors, has the
    same name under every name and revision of its profile.
    """
    cuts = model["cuts"]
    source = model.get("source_sha256")
    if source is None:
        fields = ("name", "flop", "feature_byte", "parameter_byte", "tensors")
        source = _sha256([[one.get(field) for field in fields] for one in cuts])
    tensors = cuts[cut].get("tensors")
    return _sha256([source, cuts[cut]["name"] if tensors is None else sorted(tensors)])[:32]


def _sha256(content: list[Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# True risks, as multiples of the promised one, at which one of the monitor's bets grows fastest.
_MULTIPLES = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_LARGEST_LOG = 700.0  # of a number that a float still holds


class RiskMonitor:
    """Evidence against a promised risk of being late, which may be looked at after every inference.

    While each inference is late with probability at most `risk`, whatever came before it, the
    promise is ever refuted with probability at most 1 - `confidence`. Misses come in bursts on real
    devices: a risk that is only kept on average over a long time may be refuted within a burst.
    Time and memory of a step do not grow; `state` and `load` carry the monitor over a restart.
    """

    __slots__ = (
        "_late",
        "_lost",
        "_pending",
        "_seen",
        "_sequence",
        "_told",
        "_won",
        "confidence",
        "fallback_cut",
        "refuted",
        "risk",
    )

    def __init__(
        self, risk: float, confidence: float = 0.95, fallback_cut: int | None = None
    ) -> None:
        if not 0.0 < risk < 1.0:
            raise ValueError("risk must be in (0, 1)")
        if not 0.0 < confidence < 1.0:
            raise ValueError("confidence must be in (0, 1)")
        self.risk, self.confidence = risk, confidence
        # What to run once refuted, until there is a new plan; None: nothing keeps the deadline.
        self.fallback_cut = fallback_cut
        # Once true it stays true: the evidence was there.
        self.refuted = False
        self._seen = self._late = 0
        self._sequence, self._told = 0, (0, 0)
        self._pending: tuple[int, int] | None = None
        self._won, self._lost = [], []
        for multiple in _MULTIPLES:
            true = min(multiple * risk, risk + 0.9 * (1.0 - risk))
            bet = (true - risk) / (risk * (1.0 - risk))
            self._won.append(math.log1p(bet * (1.0 - risk)))
            self._lost.append(math.log1p(-bet * risk))

    def observe(self, late: bool) -> bool:
        """Count one inference; whether the promise is refuted by now."""
        self._seen += 1
        self._late += bool(late)
        if late and self.e_value * (1.0 - self.confidence) >= 1.0:
            self.refuted = True
        return self.refuted

    @property
    def e_value(self) -> float:
        """What one coin would have become by betting against the promise, several bets mixed."""
        on_time = self._seen - self._late
        logs = [
            self._late * won + on_time * lost
            for won, lost in zip(self._won, self._lost, strict=True)
        ]
        top = max(logs)
        mean = sum(math.exp(one - top) for one in logs) / len(logs)
        return math.exp(min(top + math.log(mean), _LARGEST_LOG))

    def report(self) -> dict[str, int] | None:
        """What to send to `POST /v1/plans/{id}/observations`, without the user's id; None: nothing.

        The same report comes back until it is acknowledged, so that a lost answer loses no
        inference and counts none twice.
        """
        if self._pending is None:
            new = self._seen - self._told[0], self._late - self._told[1]
            if new[0] == 0:
                return None
            self._sequence, self._pending = self._sequence + 1, new
        return {
            "sequence": self._sequence,
            "inferences": self._pending[0],
            "misses": self._pending[1],
        }

    def acknowledge(self, sequence: int) -> None:
        """The report of that sequence number was answered; an older one changes nothing."""
        if self._pending is not None and sequence == self._sequence:
            self._told = self._told[0] + self._pending[0], self._told[1] + self._pending[1]
            self._pending = None

    def state(self) -> str:
        """The monitor as JSON, for `load`."""
        return json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "risk": self.risk,
                "confidence": self.confidence,
                "fallback_cut": self.fallback_cut,
                "refuted": self.refuted,
                "inferences": self._seen,
                "misses": self._late,
                "sequence": self._sequence,
                "told": self._told,
                "pending": self._pending,
            }
        )

    @classmethod
    def load(cls, text: str | bytes) -> "RiskMonitor":
        """A monitor as it was when `state` was called. BadTable for what is no such state."""
        kept = json.loads(text)
        try:
            if kept["schema_version"] != SCHEMA_VERSION:
                raise BadTable(f"a state of schema_version {SCHEMA_VERSION} is needed")
            monitor = cls(kept["risk"], kept["confidence"], kept["fallback_cut"])
            monitor.refuted = bool(kept["refuted"])
            monitor._seen, monitor._late = int(kept["inferences"]), int(kept["misses"])
            monitor._sequence = int(kept["sequence"])
            told, pending = kept["told"], kept["pending"]
            monitor._told = int(told[0]), int(told[1])
            monitor._pending = None if pending is None else (int(pending[0]), int(pending[1]))
        except (KeyError, TypeError, IndexError) as error:
            raise BadTable(f"no state of a monitor: {error}") from error
        return monitor
