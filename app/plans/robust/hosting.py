"""Where the layers after a cut may run: at one of several servers, and behind it in a tier."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import le

import numpy as np

from app.plans.robust.clocks import excess_s
from app.plans.robust.sending import Sending
from app.profiles.schemas.model import Model
from app.profiles.schemas.server import Server
from app.profiles.schemas.timing import Timing
from solvers.arrays import Floats

_BITS = 8
NONE = -1


@dataclass(frozen=True, slots=True)
class TimedServer:
    """A server with its timing of a network, and the line to it where it is a tier."""

    server: Server
    timing: Timing | None
    backhaul_bps: float = float("inf")
    backhaul_rtt_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hosting:
    """Who does the layers after a cut, and how long that takes."""

    server_mean_s: float
    server_variance_s2: float
    server_excess_s: float
    host: int  # position among the hosts; NONE where nothing is sent
    tier: int  # position among the tiers; NONE without
    tier_cut: int  # where the tier begins
    loads_s: tuple[tuple[int, float], ...]  # (server, seconds), tiers counted after all hosts


@dataclass(frozen=True, slots=True)
class _Times:
    """What a server needs for the layers after each cut (cuts,)."""

    mean_s: Floats
    variance_s2: Floats
    excess_s: Floats


class Hostings:
    """Everybody who may do the layers after a cut of one network."""

    def __init__(
        self,
        model: Model,
        hosts: Sequence[TimedServer],
        tiers: Sequence[TimedServer],
        *,
        streams: bool,
    ) -> None:
        self._model = model
        self._hosts = [_times(model, site) for site in hosts]
        self._tiers = [_times(model, site) for site in tiers]
        self._lines = [
            [
                _BITS * cut.feature_byte / site.backhaul_bps + site.backhaul_rtt_s
                for cut in model.cuts
            ]
            for site in tiers
        ]
        # Seconds of endless servers are nobody's.
        self._counted = [streams and site.server.budget is not None for site in (*hosts, *tiers)]

    def after(self, m: int, sending: Sending) -> Iterator[Hosting]:
        """Each server alone, and each tier behind it from each later cut on."""
        if sending.crossing_bit == 0.0:
            yield self._alone(0, m, sending, host=NONE)
            return
        for k in range(len(self._hosts)):
            yield self._alone(k, m, sending, host=k)
            for t in range(len(self._tiers)):
                yield from self._best(list(self._behind(k, t, m, sending)))

    def _alone(self, k: int, m: int, sending: Sending, *, host: int) -> Hosting:
        times = self._hosts[k]
        mean = float(times.mean_s[m])
        if sending.server_s > 0.0:
            mean += sending.server_s
        return Hosting(
            mean,
            float(times.variance_s2[m]),
            float(times.excess_s[m]),
            host,
            NONE,
            NONE,
            ((k, mean),),
        )

    def _behind(self, k: int, t: int, m: int, sending: Sending) -> Iterator[Hosting]:
        """A server up to a second cut, a tier from there on.

        The first part is taken to vary as much as all the rest at that server would: more than it
        does unless its layers even each other out. At its worst it takes no longer than all the
        rest does.
        """
        edge, tier, line = self._hosts[k], self._tiers[t], self._lines[t]
        for second in range(m, len(self._model.cuts) - 1):
            if self._model.cuts[second].feature_byte == 0:
                continue
            part = max(float(edge.mean_s[m] - edge.mean_s[second]), 0.0) if second > m else 0.0
            variance, excess = 0.0, 0.0
            if second > m:
                variance = float(edge.variance_s2[m])
                excess = float(edge.excess_s[m] + edge.mean_s[m]) - part
            part += sending.server_s
            beyond = float(tier.mean_s[second])
            yield Hosting(
                part + line[second] + beyond,
                variance + float(tier.variance_s2[second]),
                excess + float(tier.excess_s[second]),
                k,
                t,
                second,
                ((k, part), (len(self._hosts) + t, beyond)),
            )

    def _best(self, some: list[Hosting]) -> Iterator[Hosting]:
        """Without those that another, which varies the same, is better than in every way."""
        alike: dict[tuple[float, float | None], list[Hosting]] = {}
        for one in some:
            excess = None if math.isnan(one.server_excess_s) else one.server_excess_s
            spread = one.server_variance_s2, excess
            alike.setdefault(spread, []).append(one)
        for group in alike.values():
            cost = [self._cost(one) for one in group]
            kept: list[int] = []
            # Whoever is better in every way comes before; of equals the first.
            for k in sorted(range(len(group)), key=cost.__getitem__):
                if not any(all(map(le, cost[j], cost[k])) for j in kept):
                    kept.append(k)
            yield from (group[k] for k in sorted(kept))

    def _cost(self, one: Hosting) -> list[float]:
        counted = [seconds for server, seconds in one.loads_s if self._counted[server]]
        return [one.server_mean_s, *counted]


def _times(model: Model, site: TimedServer) -> _Times:
    if site.timing is None:
        whole = model.cuts[-1].flop
        mean = [(whole - cut.flop) / site.server.capacity_flop_per_s for cut in model.cuts]
        return _Times(np.array(mean), np.zeros(len(mean)), np.zeros(len(mean)))
    entries = site.timing.cuts
    means = [entry.mean_s or 0.0 for entry in entries]
    variances = [entry.variance_s2 or 0.0 for entry in entries]
    excesses = [
        excess_s(entry.worst_s, mean, variance)
        for entry, mean, variance in zip(entries, means, variances, strict=True)
    ]
    return _Times(np.array(means), np.array(variances), np.array(excesses))
