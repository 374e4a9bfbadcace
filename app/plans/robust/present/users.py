"""What a plan says of its users: SI arrays go in, the contract's JSON or columns come out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrow import pa
from app.plans.dictionaries import listed
from app.plans.robust.assemble import Assembled
from app.plans.robust.bulk import Ids
from app.plans.robust.cells import Cell
from app.plans.robust.clocks import ENERGY_SOURCES
from app.plans.robust.present.believed import INTERVAL, device_interval, estimated
from app.plans.robust.present.numbers import number
from app.plans.robust.present.plan import CellPlan
from solvers.arrays import Integers
from solvers.robust.alternatives import why_not
from solvers.robust.details import describe

Columns = dict[str, NDArray[Any]]

_LATENCY = ("mean_s", "std_s", "bound_s", "device_s", "uplink_s", "network_s", "server_s")
_DECIDED = ("frequency_hz", "bandwidth_hz", "bandwidth_share", "rate_bps", "sent_byte")
_SPENT = ("energy_j", "compute_energy_j", "radio_energy_j")
_OF_CUT = ("cut_name", "partition_id", "tensors", "codec", "server")
_HELD = ("deadline_s", "slack_s", "violation_bound")


@dataclass(frozen=True, slots=True)
class _Coded:
    """A column of few texts, or lists of them: the position of each; -1 for null."""

    codes: Integers
    texts: Sequence[Any]

    @classmethod
    def of(cls, codes: Integers, texts: Sequence[Any]) -> _Coded:
        """Of texts of which some are null."""
        known = np.array([text is not None for text in texts])
        places = np.where(known, np.cumsum(known) - 1, -1)
        return cls(places[codes], [text for text in texts if text is not None])

    @property
    def told(self) -> list[Any]:
        """The texts themselves."""
        texts = [*self.texts, None]
        return [texts[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is said of every user of a plan because it may differ between them."""

    energy: tuple[str, ...]
    codec: bool
    server: bool
    tier: bool
    rate: bool
    latency: tuple[str, ...]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> _Shown:
        """What the users of some cells may differ in."""
        whole = any(np.any(cell.problem.workloads.standby_power_w > 0.0) for cell in cells)
        return cls(
            energy=(
                "compute_j",
                "static_j",
                "radio_j",
                *(("wait_j", "standby_j") if whole else ()),
            ),
            codec=any(cell.meanings.codecs for cell in cells),
            server=any(_several(cell.meanings.host) for cell in cells),
            tier=any(np.any(cell.meanings.tier >= 0) for cell in cells),
            rate=any(cell.problem.rate_hz is not None for cell in cells),
            latency=(*_LATENCY, *(INTERVAL if any(estimated(cell) for cell in cells) else ())),
        )


def _several(hosts: Integers) -> bool:
    """Whether users are at more than one server; -1 is none."""
    somewhere = hosts[hosts >= 0]
    return bool(len(somewhere) and somewhere.min() < somewhere.max())


def user_columns(plan: CellPlan) -> Columns:
    """What a plan says of the users of its cell, by the contract's names; -1 and NaN where that is
    null.
    """
    problem, decision = plan.cell.problem, plan.decision
    details, row = describe(problem, decision), plan.row
    with np.errstate(divide="ignore"):
        least_gain_db = 10.0 * np.log10(details.least_gain)
    return {
        "cut": details.cut,
        "frequency_hz": decision.frequency_hz,
        "bandwidth_hz": decision.bandwidth_hz,
        # A hertz more than the uplink has is rounding, of the tolerance's size at most.
        "bandwidth_share": np.clip(decision.bandwidth_hz / problem.bandwidth_hz, 0.0, 1.0),
        "rate_bps": details.rate_bps,
        "sent_byte": problem.workloads.crossing_bit[row] / 8.0,
        "energy_j": details.energy_j,
        "compute_energy_j": details.compute_energy_j,
        "radio_energy_j": details.radio_energy_j,
        "compute_j": details.compute_energy_j,
        "static_j": details.static_energy_j,
        "radio_j": details.radio_energy_j,
        "wait_j": details.waiting_energy_j,
        "standby_j": details.standby_energy_j,
        **{name: getattr(details, name) for name in _LATENCY},
        **dict(
            zip(INTERVAL, device_interval(plan.cell, details.cut, details.device_s), strict=True)
        ),
        "deadline_s": problem.deadline_s,
        "slack_s": details.slack_s,
        "violation_bound": details.violation_bound,
        "valid_gain_db": least_gain_db,
        "fallback_cut": details.fallback_cut,
        "tier_cut": plan.cell.meanings.tier_cut[row],
        **({} if problem.rate_hz is None else {"rate_hz": problem.rate_hz}),
    }


def _texts(plan: CellPlan, shown: _Shown) -> dict[str, _Coded]:
    """The columns of few texts of a cell."""
    cell, row = plan.cell, plan.row
    meanings, refs = cell.meanings, [server.ref for server in cell.servers]
    # Every cut of every workload.
    names = [cut.name for model in cell.models for cut in model.cuts]
    first = np.cumsum([0, *(len(model.cuts) for model in cell.models)])[cell.problem.workload]
    ids, tensors = _partitions(cell, cell.problem.workloads.cut[row])
    found = {
        "model": _Coded(cell.problem.workload, [run.model.ref for run in cell.runs]),
        "device": _Coded(cell.problem.workload, [run.device.ref for run in cell.runs]),
        "cut_name": _Coded(first + cell.problem.workloads.cut[row], names),
        "partition_id": ids,
        "tensors": tensors,
        "energy_source": _Coded(meanings.energy_source[row], ENERGY_SOURCES),
    }
    if shown.codec:
        found["codec"] = _Coded(meanings.codec[row], meanings.codecs)
    if shown.server:
        found["server"] = _Coded(meanings.host[row], refs)
    if shown.tier:
        second = meanings.tier_cut[row]
        ids, tensors = _partitions(cell, second)
        found |= {
            "tier.server": _Coded(meanings.tier[row], refs),
            "tier.cut_name": _Coded(np.where(second >= 0, first + second, -1), names),
            "tier.partition_id": ids,
            "tier.tensors": tensors,
        }
    return found


def _partitions(cell: Cell, cut: Integers) -> tuple[_Coded, _Coded]:
    """Names of cuts of each user's network, and what crosses there; -1 is no cut."""
    most = int(cut.max(initial=0)) + 2
    used, codes = np.unique(cell.problem.workload * most + cut + 1, return_inverse=True)
    models = [cell.models[key // most] for key in used.tolist()]
    found = [
        model.partitions[key % most - 1] if key % most else None
        for model, key in zip(models, used.tolist(), strict=True)
    ]
    ids, tensors = [one and one.id for one in found], [one and one.tensors for one in found]
    return _Coded.of(codes, ids), _Coded.of(codes, tensors)


def users(assembled: Assembled, plans: Sequence[CellPlan]) -> list[dict[str, Any]]:
    """One entry per user, in the order of the request."""
    entries: list[dict[str, Any]] = [{}] * assembled.users
    shown = _Shown.of([plan.cell for plan in plans])
    for plan in plans:
        cell = plan.cell
        position = cell.users.tolist()
        told: dict[str, Sequence[Any]] = {"id": [assembled.ids[n] for n in position]}
        if cell.id is not None:
            told["cell"] = [cell.id] * len(position)
        for n, entry in zip(position, _rows(told | _fields(plan, shown)), strict=True):
            entries[n] = entry
    return entries


def _fields(plan: CellPlan, shown: _Shown) -> dict[str, Sequence[Any]]:
    """What is said of the users of a cell, field by field."""
    found = {name: column.tolist() for name, column in user_columns(plan).items()}
    texts = {name: coded.told for name, coded in _texts(plan, shown).items()}
    told: dict[str, Sequence[Any]] = {name: texts[name] for name in ("model", "device")}
    told["cut"] = found["cut"]
    told |= {name: texts[name] for name in _OF_CUT if name in texts}
    if shown.tier:
        keys = ("server", "cut", "cut_name", "partition_id", "tensors")
        of_tier = texts | {"tier.cut": found["tier_cut"]}
        tiers = _rows({key: of_tier[f"tier.{key}"] for key in keys})
        told["tier"] = [None if tier["server"] is None else tier for tier in tiers]
    told |= {name: found[name] for name in (*_DECIDED, *_SPENT)}
    told["energy"] = _rows({name: found[name] for name in shown.energy})
    told["energy_source"] = texts["energy_source"]
    if shown.rate:
        told["rate_hz"] = found["rate_hz"]
    told["latency"] = _rows({name: found[name] for name in shown.latency})
    told |= {name: found[name] for name in _HELD}
    told["valid_gain_db"] = [[number(least), None] for least in found["valid_gain_db"]]
    told["fallback_cut"] = [cut if cut >= 0 else None for cut in found["fallback_cut"]]
    return told


def user_table(assembled: Assembled, plans: Sequence[CellPlan]) -> pa.Table:
    """The entries of `users` as one table, in the order of the request."""
    whole: Columns = {}
    known: dict[str, dict[str, int]] = {}
    shown = _Shown.of([plan.cell for plan in plans])
    for plan in plans:
        cell = plan.cell
        texts = _texts(plan, shown)
        if cell.id is not None:
            texts["cell"] = _Coded(np.zeros(len(cell.users), np.int64), [cell.id])
        found = user_columns(plan)
        for name, coded in texts.items():
            codes = known.setdefault(name, {})
            places = [codes.setdefault(text, len(codes)) for text in coded.texts]
            found[name] = np.array([*places, -1])[coded.codes]
        for name, values in found.items():
            whole.setdefault(name, np.empty(assembled.users, values.dtype))[cell.users] = values
    named = {
        name: (listed if name.endswith("tensors") else _named)(whole[name], list(codes))
        for name, codes in known.items()
    }
    least_db = whole["valid_gain_db"]
    # NaN is null: unbounded above, and below where nothing is sent.
    interval = np.full((assembled.users, 2), np.nan)
    interval[:, 0] = np.where(np.isfinite(least_db), least_db, np.nan)
    columns: dict[str, Any] = {
        "id": assembled.ids.array if isinstance(assembled.ids, Ids) else pa.array(assembled.ids)
    }
    columns |= {"cell": named["cell"]} if "cell" in named else {}
    columns |= {name: named[name] for name in ("model", "device")}
    columns["cut"] = whole["cut"]
    columns |= {name: named[name] for name in _OF_CUT if name in named}
    if shown.tier:
        columns["tier"] = _tier(named, whole["tier_cut"])
    columns |= {name: whole[name] for name in (*_DECIDED, *_SPENT)}
    columns["energy"] = _struct(whole, shown.energy)
    columns["energy_source"] = named["energy_source"]
    columns |= {"rate_hz": whole["rate_hz"]} if shown.rate else {}
    columns["latency"] = _struct(whole, shown.latency)
    columns |= {name: whole[name] for name in _HELD}
    columns |= {
        "valid_gain_db": pa.FixedSizeListArray.from_arrays(
            pa.array(interval.ravel(), from_pandas=True), 2
        ),
        "fallback_cut": pa.array(whole["fallback_cut"], mask=whole["fallback_cut"] < 0),
    }
    return pa.table(columns)


def _struct(columns: Columns, names: Sequence[str]) -> pa.StructArray:
    return pa.StructArray.from_arrays([pa.array(columns[name]) for name in names], list(names))


def _tier(named: dict[str, pa.Array], cut: Integers) -> pa.StructArray:
    """The second cuts; null where there is none."""
    none = cut < 0
    parts = {
        "server": named["tier.server"],
        "cut": pa.array(cut, mask=none),
        **{name: named[f"tier.{name}"] for name in ("cut_name", "partition_id", "tensors")},
    }
    return pa.StructArray.from_arrays(list(parts.values()), list(parts), mask=pa.array(none))


def _named(codes: NDArray[np.int64], names: Sequence[str | None]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(names, pa.string())
    )


def decided(entry: Mapping[str, Any]) -> Hashable:
    """What of a user's entry is its decision: what is sent, and who does the rest."""
    tier = entry.get("tier") or {}
    return (
        entry["cut"],
        entry.get("codec"),
        entry.get("server"),
        tier.get("server"),
        tier.get("cut"),
    )


def explain(plans: Sequence[CellPlan], users: list[dict[str, Any]]) -> None:
    """Add to each user why the other cuts were not taken."""
    for user in users:
        user["alternatives"] = []
    for plan in plans:
        cell = plan.cell
        least = "cell_power_at_least_w" if plan.streams else "cell_energy_at_least_j"
        unsaid = {"cell_energy_at_least_j": None} if plan.streams else {}
        found = why_not(cell.problem, plan.solution.prices)
        position, workload = cell.users.tolist(), cell.problem.workload.tolist()
        for n, cut, energy, binding, short, narrow in zip(
            found.user.tolist(),
            found.cut.tolist(),
            found.cell_energy_at_least_j.tolist(),
            found.binding,
            found.short_by_s.tolist(),
            found.short_by_hz.tolist(),
            strict=True,
        ):
            users[position[n]]["alternatives"].append(
                {
                    "cut": cut,
                    "cut_name": cell.models[workload[n]].cuts[cut].name,
                    **unsaid,
                    least: number(energy),
                    "binding": binding.value if binding is not None else None,
                    "short_by_s": number(short),
                    "short_by_hz": number(narrow),
                }
            )


def _rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns as one object per row."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
