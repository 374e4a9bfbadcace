"""The users of one plan as a few numbers each, worked out block by block as they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.arrow import pa
from app.comparisons.codes import Part, code, coded, numbers, texts, together
from app.comparisons.inputs import REASONS, Inputs
from app.plans import stored
from app.plans.families import FAMILIES
from app.plans.tables import PlanRow
from solvers.arrays import Integers

Json = dict[str, Any]

BLOCK = 4096
# Of more users the numbers are on disk: two plans of a million are 180 MB.
_IN_MEMORY = 65_536

USER = np.dtype(
    [
        ("id", np.uint64),
        ("decision", np.uint64),  # the cut and what goes with it
        ("amounts", np.uint64),  # all else that is carried out
        ("inputs", np.uint64, (len(REASONS),)),
        ("price", np.uint64),  # of what it shares with others
        ("energy_j", np.float64),
        ("latency_s", np.float64),
        ("cost", np.float64),
    ]
)
# Of the fields of a user's result: its energy of an inference, its mean time, its cost.
MEASURES: dict[str, dict[str, str]] = {
    "robust": {"energy_j": "energy_j", "latency_s": "latency.mean_s"},
    "stopping": {
        "energy_j": "expected.energy_j",
        "latency_s": "expected.time_s",
        "cost": "total_cost",
    },
    "multi-user": {"latency_s": "latency.mean_s", "cost": "cost"},
    "adaptive": {},
}
_PRICES = (
    "bandwidth_price_j_per_hz",
    "bandwidth_price_w_per_hz",
    "bandwidth_price",
    "server_price",
)


class Side:
    """One of two plans."""

    def __init__(self, session: Session, row: PlanRow) -> None:
        self.session, self.row, self.count = session, row, row.users
        self.inputs = Inputs(row)
        self.result: Json | None = stored.answer_of(row).result
        self._prices = _prices(self.result)
        self._known = np.zeros(-(-self.count // BLOCK), bool)
        self._users = self._room()
        self._by_id: tuple[Integers, NDArray[Any]] | None = None

    def _room(self) -> NDArray[Any]:
        if self.count <= _IN_MEMORY:
            return np.zeros(self.count, USER)
        with tempfile.TemporaryFile() as file:  # a mapped file outlives its handle
            file.truncate(self.count * USER.itemsize)
            return np.memmap(file, USER, "r+", shape=(self.count,))

    def users(self, start: int, stop: int) -> NDArray[Any]:
        """Users from one position up to another."""
        self._require(range(start // BLOCK, -(-stop // BLOCK)))
        return self._users[start:stop]

    def at(self, positions: Integers) -> NDArray[Any]:
        """Users at some positions."""
        self._require(np.unique(positions // BLOCK).tolist())
        found: NDArray[Any] = self._users[positions]
        return found

    def _require(self, blocks: Iterable[int]) -> None:
        for block in blocks:
            if not self._known[block]:
                self._work_out(block)

    def positions(self, ids: NDArray[np.uint64], start: int) -> Integers:
        """Where users with these ids are, -1 where they are not; they are looked for from `start`
        on first, since two plans of a fleet mostly have one order.
        """
        found = np.full(len(ids), -1)
        start = min(start, self.count)
        near = self.users(start, min(start + len(ids), self.count))
        same = np.flatnonzero(near["id"] == ids[: len(near)])
        found[same] = start + same
        left = np.flatnonzero(found < 0)
        if len(left):
            order, ordered = self._index()
            place = np.minimum(np.searchsorted(ordered, ids[left]), self.count - 1)
            found[left] = np.where(ordered[place] == ids[left], order[place], -1)
        return found

    def _index(self) -> tuple[Integers, NDArray[Any]]:
        if self._by_id is None:
            ids = np.array(self.users(0, self.count)["id"])
            order = np.argsort(ids, kind="stable")
            self._by_id = order, ids[order]
        return self._by_id

    def entries(self, positions: Sequence[int]) -> dict[int, tuple[Json, Json | None]]:
        """What some users were asked and told, by their positions: each block is read once."""
        found: dict[int, tuple[Json, Json | None]] = {}
        of_block: dict[int, list[int]] = {}
        for position in positions:
            of_block.setdefault(position // BLOCK, []).append(position % BLOCK)
        for block, here in of_block.items():
            start = block * BLOCK
            where = (self.session, self.row, start, BLOCK)
            asked = _rows(stored.users_asked(*where), here)
            none = [None] * len(here)
            told = none if self.result is None else _rows(stored.users_told(*where), here)
            for n, user, entry in zip(here, asked, told, strict=True):
                found[start + n] = user, entry
        return found

    def _work_out(self, block: int) -> None:
        start = block * BLOCK
        rows = self._users[start : start + BLOCK]
        asked = stored.users_asked(self.session, self.row, start, BLOCK)
        rows["id"] = [hash(user) % 2**64 for user in texts(asked, "id")]
        rows["inputs"] = self.inputs.codes(asked)
        for name in ("energy_j", "latency_s", "cost"):
            rows[name] = np.nan
        if self.result is not None:
            self._read_result(rows, stored.users_told(self.session, self.row, start, BLOCK))
            codes = {cell: code(price) for cell, price in self._prices.items()}
            rows["price"] = [codes.get(cell, 0) for cell in texts(asked, "cell")]
        self._known[block] = True

    def _read_result(self, rows: NDArray[Any], told: Part) -> None:
        family = FAMILIES[self.row.kind]
        for column, fields in (
            ("decision", family.decided),
            ("amounts", [field for field in family.carries if field not in family.decided]),
        ):
            rows[column] = together({field: coded(told, field) for field in fields}, len(rows))
        for name, field in MEASURES[self.row.kind].items():
            rows[name] = numbers(told, field)


def _rows(part: Part, rows: Sequence[int]) -> list[Json]:
    if isinstance(part, pa.Table):
        return stored.as_json(part.take(rows))
    return [dict(part[n]) for n in rows]


def _prices(result: Json | None) -> dict[str | None, Json]:
    """What those of a cell pay for what they share; of one cell without a name under None."""
    if result is None:
        return {}
    certificates = {cell["id"]: cell["certificate"] for cell in result.get("cells") or ()}
    return {
        cell: {name: certificate[name] for name in _PRICES if certificate.get(name) is not None}
        for cell, certificate in (certificates or {None: result["certificate"]}).items()
    }
