"""One cell of a request as its problem, with what its rows and numbers mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from app.plans import units
from app.plans.resolve import Deployment
from app.plans.robust.columns import Users
from app.plans.robust.kinds import Kinds
from app.plans.robust.sites import Site
from app.plans.robust.workload import KEPT_ROWS, Meanings, Terms, Workload, table
from app.profiles.schemas.model import Model
from app.profiles.schemas.server import DEFAULT_UTILISATION, Server
from solvers.arrays import Floats, Integers
from solvers.margin import Margin
from solvers.robust.problem import Method, Problem


@dataclass(frozen=True, slots=True)
class CellServer:
    """A server that users of a cell may use."""

    ref: str
    at: str  # its first pointer in the request
    budget_s: float | None  # of every second; None: endless, or nobody says how often it is used
    utilisation: float  # part of `parallel` that may be used


@dataclass(frozen=True, slots=True)
class Cell:
    """The problem of one cell, with what its rows and numbers mean."""

    id: str | None  # None: the request is one cell without a name
    users: Integers  # positions in the request, rising
    problem: Problem
    runs: Sequence[Deployment]  # of each workload
    meanings: Meanings  # of each row
    servers: tuple[CellServer, ...]
    load_s: Floats  # (rows, servers) seconds of each, also of those that are endless
    evidence: "CellEvidence | None" = None  # what its margin rests on, where that is samples

    @property
    def models(self) -> list[Model]:
        """Of each workload."""
        return [run.model.body for run in self.runs]

    @property
    def budgeted(self) -> list[CellServer]:
        """The servers that have a budget, as the problem counts them."""
        return [server for server in self.servers if server.budget_s is not None]


@dataclass(frozen=True, slots=True)
class CellEvidence:
    """What the bounds of a cell rest on."""

    margin: str
    confidence: float | None
    compared: int  # the most options that anybody's doubt was shared out among
    measured_at: str | None


@dataclass(frozen=True, slots=True)
class Radio:
    """What the device's radio does, of each user of a request."""

    tx_power_w: Floats
    active_power_w: Floats  # NaN where nobody knows
    gain: Floats


def servers_of(kinds: Kinds, used: Integers) -> dict[Server, str]:
    """The servers that some workloads may use, each with its name in answers."""
    sources = (source for k in used.tolist() for source in kinds.made[k].servers)
    found: dict[Server, str] = {}
    for source in sources:
        found.setdefault(source.body, source.ref)
    return found


def cell_of(
    users: Users,
    site: Site,
    who: Integers,
    used: Integers,
    kinds: Kinds,
    radio: Radio,
    terms: Terms,
    method: Method,
) -> Cell:
    """One cell's rows, with a table of the workloads only that its users run."""
    assert site.channel is not None
    channel = site.channel.body
    local = np.searchsorted(used, kinds.workload[kinds.of[who]])
    workloads = tuple(kinds.workloads[k] for k in used.tolist())
    made = [kinds.made[k] for k in used.tolist()]
    bodies = servers_of(kinds, used)
    servers = _servers(bodies, kinds, streams=terms.streams)
    load, meanings = _rows(workloads, made, list(bodies))
    budgets = [server.budget_s for server in servers]
    options = table(workloads, load[:, [budget is not None for budget in budgets]])
    active, max_loss = radio.active_power_w[who], users.max_loss[who]
    problem = Problem(
        bandwidth_hz=site.bandwidth_hz or channel.bandwidth_hz,
        noise_w_per_hz=units.watts_per_hz(channel.noise_psd_dbm_per_hz),
        margin=terms.margin,
        method=method,
        network_mean_s=channel.rtt_mean_s or 0.0,
        network_variance_s2=channel.rtt_variance_s2 or 0.0,
        rate_law=units.rate_law(channel),
        downlink_bps=channel.downlink_bps or float("inf"),
        server_capacity=tuple(budget for budget in budgets if budget is not None),
        workloads=options,
        workload=local,
        tx_power_w=radio.tx_power_w[who],
        radio_power_w=None
        if np.all(np.isnan(active))
        else np.where(np.isnan(active), radio.tx_power_w[who], active),
        rate_hz=users.rate_hz[who] if terms.streams else None,
        # Who says nothing accepts no loss.
        max_loss=np.nan_to_num(max_loss) if np.any(options.loss > 0.0) else None,
        gain=radio.gain[who],
        deadline_s=users.deadline_s[who],
        risk=users.risk[who],
        correlation=users.correlation[who],
    )
    evidence = _evidence(workloads, terms)
    return Cell(site.id, who, problem, made, meanings, servers, load, evidence)


def _evidence(workloads: Sequence[Workload], terms: Terms) -> CellEvidence | None:
    if terms.evidence is None and terms.margin is not Margin.UNIMODAL:
        return None
    grounds = [some.evidence for some in workloads if some.evidence is not None]
    return CellEvidence(
        margin=(terms.evidence.evidence if terms.evidence else terms.margin).value,
        confidence=1.0 - terms.evidence.delta if terms.evidence else None,
        compared=max((some.compared for some in grounds), default=0),
        measured_at=min((one.measured_at for one in grounds if one.measured_at), default=None),
    )


def _servers(
    bodies: Mapping[Server, str], kinds: Kinds, *, streams: bool
) -> tuple[CellServer, ...]:
    return tuple(
        CellServer(
            ref,
            kinds.server_at[body],
            body.budget if streams else None,
            body.max_utilisation or DEFAULT_UTILISATION,
        )
        for body, ref in bodies.items()
    )


def _rows(
    workloads: tuple[Workload, ...], made: Sequence[Deployment], servers: Sequence[Server]
) -> tuple[Floats, Meanings]:
    """What the rows of several workloads ask of each server of a cell [s], and what they mean."""
    places = tuple(tuple(servers.index(source.body) for source in run.servers) for run in made)
    small = sum(len(some.load_s) for some in workloads) <= KEPT_ROWS
    return (_kept_rows if small else _made_rows)(workloads, places, len(servers))


def _made_rows(
    workloads: Sequence[Workload], places: Sequence[Sequence[int]], servers: int
) -> tuple[Floats, Meanings]:
    """`places` are those of each workload's servers in the cell."""
    loads = []
    for some, mine in zip(workloads, places, strict=True):
        load = np.zeros((len(some.load_s), servers))
        for column, place in enumerate(mine):
            load[:, place] += some.load_s[:, column]
        loads.append(load)
    load = np.concatenate(loads)
    load.flags.writeable = False  # others may have the same
    return load, _meanings(workloads, places)


# The same workloads come again and again, each the same object.
_kept_rows = lru_cache(maxsize=128)(_made_rows)


def _meanings(workloads: Sequence[Workload], places: Sequence[Sequence[int]]) -> Meanings:
    """What the rows of several workloads mean, with one list of codecs and servers for all."""
    codecs: dict[str, int] = {}
    columns: dict[str, list[Integers]] = {field.name: [] for field in fields(Meanings)}
    del columns["codecs"]
    for some, hosts in zip(workloads, places, strict=True):
        mine = some.meanings
        names = [codecs.setdefault(name, len(codecs)) for name in mine.codecs]
        for name, codes in (("codec", names), ("host", hosts), ("tier", hosts)):
            # The last entry is for -1.
            columns[name].append(np.array([*codes, -1])[getattr(mine, name)])
        for name in ("energy_source", "tier_cut", "samples", "effective_samples"):
            columns[name].append(getattr(mine, name))
    return Meanings(
        **{name: np.concatenate(parts) for name, parts in columns.items()}, codecs=tuple(codecs)
    )
