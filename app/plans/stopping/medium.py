"""The channel of a stopping request: what of it the users share, and the problem on it."""

import math

import numpy as np
from numpy.typing import NDArray

from app.plans import units
from app.plans.resolve import Resolver, Source
from app.plans.stopping import radio
from app.plans.stopping.schemas import STATES, StoppingRequest, StoppingUser
from app.profiles.plausibility import warnings_of_shared_bandwidth, warnings_of_snr
from app.profiles.schemas.channel import Channel
from solvers.stopping.channel import Law
from solvers.stopping.problem import (
    AbsorbingOutage,
    FreeWaiting,
    Problem,
    UnboundedCost,
    Waiting,
)

_SNR_DB = (-200.0, 200.0)
_GREAT_SNR_DB = 70.0
_SLOW_DOWNLINK_BPS = 1e3
_LEAST_WAIT = 1e-12


class Medium:
    """The channel of a request, and what of it the users share."""

    def __init__(
        self, request: StoppingRequest, resolver: Resolver, source: Source[Channel]
    ) -> None:
        self.request, self.resolver, self.source, self.channel = (
            request,
            resolver,
            source,
            source.body,
        )
        self.bandwidth_hz = request.bandwidth_hz or self.channel.bandwidth_hz
        self.downlink_bps = request.downlink_bps or self.channel.downlink_bps
        self.noise_w_per_hz = units.watts_per_hz(self.channel.noise_psd_dbm_per_hz)
        self.rate_law = units.rate_law(self.channel)
        self.in_rates = self.channel.in_rates
        for fault in radio.faults(self.channel, self.bandwidth_hz, self.downlink_bps):
            own = fault.pointer[1:]
            if own in ("bandwidth_hz", "downlink_bps") and getattr(request, own) is not None:
                resolver.fault(fault.pointer, fault.detail)
            else:
                self.fault(own, fault.detail)
        if (own_hz := request.bandwidth_hz) is not None:
            for warning in warnings_of_shared_bandwidth("/bandwidth_hz", own_hz, self.channel):
                resolver.warn(*warning)
        if request.downlink_bps is not None and request.downlink_bps < _SLOW_DOWNLINK_BPS:
            message = f"a downlink of {request.downlink_bps:g} bit/s: is it in Mbit/s?"
            resolver.warn("/downlink_bps", message)
        if self.in_rates:
            given = [
                (n, f)
                for n, user in enumerate(request.users)
                for f in STATES
                if getattr(user, f) is not None
            ]
            if given:
                first, field = given[0]
                more = f" ({len(given)} users)" if len(given) > 1 else ""
                message = f"is not used: this channel's rates are the same for every user{more}"
                resolver.warn(f"/users/{first}/{field}", message)
            if self.channel.rate_law is not None:
                self.warn(
                    "rate_law",
                    "is not applied: the fading of this channel is given in rates already; it only"
                    " says which rate min_snr_db stands for",
                )

    def fault(self, field: str, detail: str) -> None:
        """A fault of the channel: at its field where it is inline, else at the reference, naming
        the field.
        """
        self.resolver.fault(*self._told(field, detail))

    def warn(self, field: str, message: str) -> None:
        """A warning about the channel, told as a fault is."""
        self.resolver.warn(*self._told(field, message))

    def _told(self, field: str, detail: str) -> tuple[str, str]:
        if self.source.revision is None:
            return f"/channel/{field}", detail
        return "/channel", f"{field.replace('/', '.')} of {self.source.ref!r}: {detail}"

    def mean_snr(self, user: StoppingUser, where: str, tx_power_w: float) -> float:
        """Mean SNR of a user over the whole bandwidth; 1 with a fault where there is none."""
        if self.in_rates:
            return 1.0
        given = next((field for field in STATES if getattr(user, field) is not None), None)
        if given is None:
            self.resolver.fault(
                where, "say how good the channel is: mean_snr_db, gain_db or distance_m"
            )
            return 1.0
        if user.mean_snr_db is not None:
            snr_db = user.mean_snr_db
            for warning in warnings_of_snr(f"{where}/mean_snr_db", snr_db):
                self.resolver.warn(*warning)
        else:
            faults = len(self.resolver.faults)
            gain = units.gain(
                self.resolver,
                self.channel,
                where,
                gain_db=user.gain_db,
                distance_m=user.distance_m,
                tx_power_w=tx_power_w,
            )
            if len(self.resolver.faults) > faults:
                return 1.0
            noise_db = units.decibels(self.noise_w_per_hz) + units.decibels(self.bandwidth_hz)
            snr_db = units.decibels(gain) + units.decibels(tx_power_w) - noise_db
        if not _SNR_DB[0] <= snr_db <= _SNR_DB[1]:
            detail = (
                f"means a mean SNR of {snr_db:.0f} dB, outside"
                f" {_SNR_DB[0]:.0f}..{_SNR_DB[1]:.0f} dB"
            )
            self.resolver.fault(f"{where}/{given}", detail)
            return 1.0
        if user.mean_snr_db is None and snr_db > _GREAT_SNR_DB:
            self.resolver.warn(
                f"{where}/{given}",
                f"means a mean SNR of {snr_db:.0f} dB: is the gain or noise right?",
            )
        return units.ratio(snr_db)

    def require_downlink(self, something_to_place: bool, results: bool) -> None:
        """Placing layers needs a downlink: its rate is never invented; results do without, as
        though they came back at once.
        """
        if self.downlink_bps is not None:
            return
        if something_to_place:
            detail = (
                "is needed to place layers on the devices: give it here, or downlink_bps in the"
                " request"
            )
            self.fault("downlink_bps", detail)
        elif results:
            self.warn("downlink_bps", "is not told: results are taken to come back in no time")

    def problem(
        self, *, mean_snr: NDArray[np.float64] | None, waiting: Waiting, **parts: object
    ) -> Problem | None:
        """The problem of these users on this channel; None where `resolver.faults` says why
        there is none.
        """
        channel, request = self.channel, self.request
        min_snr = 0.0 if channel.min_snr_db is None else units.ratio(channel.min_snr_db)
        min_rate_bps = self._min_rate_bps(min_snr)
        law = self._law(min_snr, min_rate_bps, mean_snr, waiting)
        if law is None or self.resolver.faults:
            return None
        try:
            problem = Problem(
                time_per_s=request.weights.time_per_s,
                energy_per_j=request.weights.energy_per_j,
                inferences=request.inferences_per_update,
                law=law,
                bandwidth_hz=self.bandwidth_hz,
                noise_w_per_hz=self.noise_w_per_hz,
                rate_law=self.rate_law,
                min_snr=min_snr,
                least_rate_bps=channel.min_rate_bps,
                coherence_time_s=channel.coherence_time_s or 0.0,
                waiting=waiting,
                mean_snr=mean_snr,
                placement_s_per_bit=np.full(
                    len(request.users),
                    radio.placement_s_per_bit(self.downlink_bps) if self.downlink_bps else 0.0,
                ),
                **parts,  # type: ignore[arg-type]  # the fields of `Problem` left over
            )
            if waiting is Waiting.ALWAYS and _waits_next_to_free(problem):
                raise FreeWaiting(
                    "beside an inference a wait costs next to nothing, so the best one would be"
                    " waited for"
                )
            return problem
        except UnboundedCost as refusal:
            self.fault("min_snr_db", f"{refusal}; say below which SNR nobody transmits{self._or}")
        except AbsorbingOutage as refusal:
            self.fault(
                "fading", f"{refusal}: give every state in outage a way back to one that is up"
            )
        except FreeWaiting as refusal:
            detail = f"{refusal}: weigh time, or weigh energy and give the devices an idle_power_w"
            if request.options.energy == "marginal":
                detail = f"{refusal}: weigh time, or count idle power (options.energy)"
            self.resolver.fault("/options/waiting", detail)
        return None

    @property
    def _or(self) -> str:
        """The plainer way to say an outage where the channel is given in rates."""
        return " (or below which rate: min_rate_bps)" if self.in_rates else ""

    def _min_rate_bps(self, min_snr: float) -> float:
        """The least rate, as given or at the minimum SNR by the rate law."""
        if self.channel.min_rate_bps is not None:
            return self.channel.min_rate_bps
        law = self.rate_law
        shannon = (
            self.bandwidth_hz * law.efficiency * np.log1p(min_snr / law.snr_gap) / math.log(2.0)
        )
        return min(float(shannon), self.bandwidth_hz * law.max_bps_per_hz)

    def _law(
        self,
        min_snr: float,
        min_rate_bps: float,
        mean_snr: NDArray[np.float64] | None,
        waiting: Waiting,
    ) -> Law | None:
        """The law of the channel, with faults where it cannot be planned with."""
        channel = self.channel
        try:
            law = radio.law(channel, min_rate_bps)
        except ValueError:
            self.fault(
                "fading/transition",
                "the chain falls apart into classes that never meet: join or drop them",
            )
            return None
        if radio.outage_in_disguise(law, min_snr, min_rate_bps, mean_snr):
            self.fault(
                "min_snr_db",
                "is needed: some samples are so slow next to the others that they are outages"
                + self._or,
            )
        if channel.coherence_time_s is None:
            if waiting is Waiting.ALWAYS:
                self.fault("coherence_time_s", "is needed: it is how long a wait takes")
            elif radio.may_fail(law, min_snr, min_rate_bps, mean_snr):
                self.fault("coherence_time_s", "is needed: an outage is waited out by it")
        return law


def _waits_next_to_free(problem: Problem) -> bool:
    """Whether a wait costs somebody less than a share of an inference that arithmetic can tell from
    nothing.
    """
    work = problem.workloads
    last = work.first[problem.workload + 1] - 1
    inference = (
        problem.time_per_s * work.device_s[last] + problem.energy_per_j * work.device_j[last]
    )
    return bool(np.any(problem.waiting_cost < _LEAST_WAIT * inference))
