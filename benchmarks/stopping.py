"""Figures of the stopping family: `python -m benchmarks.stopping [data]`.

`data` is a folder with uplink traces in uplink/*.csv
(default: $SPLITPLAN_DATA, else ../shared/data); where it is absent the replay is
skipped and says so.
"""

import json
import os
import resource
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe, seconds
from solvers.arrays import Floats
from solvers.outcome import Options
from solvers.rate_law import SHANNON, RateLaw
from solvers.stopping.channel import Markov, RateTrace, fit_markov
from solvers.stopping.check import check
from solvers.stopping.decision import Decision
from solvers.stopping.fading import Rayleigh
from solvers.stopping.problem import Problem, Rule, Waiting, Workloads
from solvers.stopping.replay import Look, play, replay
from solvers.stopping.solve import solve

SERVER = "nvidia-t4"
FLEET = 100_000
MEAN_SNR_DB = (0.0, 30.0)
SAMPLE_S = 1.0  # of the traces
LEAST_BPS = 5e4  # slower seconds are outages
STATES = 6
INFERENCES = 1e4
# At the highest clock, by the cubes that docs/families/stopping.md was measured with.
POWER_W = {
    "jetson-xavier-nx-gpu": 6.35e-27 * 1.10925e9**3,
    "snapdragon-835-cpu": 2.22e-28 * 2.4576e9**3,
}
TRIALS = 20_000
COLUMNS = ("table", "chain", "look-ahead", "best fixed", "device only", "edge only", "hindsight")


def catalogue(kind: str) -> dict[str, Any]:
    """Shipped profiles of a kind, by name."""
    return {
        profile["name"]: profile
        for profile in json.loads((files("app.catalogue") / f"{kind}.json").read_text())
    }


def workload(network: str, device: str) -> Workloads:
    """A shipped network on a shipped device at its highest clock, the rest of it on the server's
    sustained capacity.
    """
    cuts, processor = catalogue("models")[network]["cuts"], catalogue("devices")[device]
    timing = catalogue("timings")[f"{device}.{network}"]["cuts"]
    flop, clock = np.array([float(cut["flop"]) for cut in cuts]), processor["frequency_max_hz"]
    device_s = flop / np.array([cut["flop_per_cycle"] for cut in timing]) / clock
    device_s[1:] += np.array([cut["overhead_s"] for cut in timing[1:]])
    return Workloads(
        first=np.array([0, len(cuts)]),
        device_s=device_s,
        device_j=POWER_W[device] * device_s,
        crossing_bit=8.0 * np.array([float(cut["feature_byte"]) for cut in cuts]),
        server_s=(flop[-1] - flop) / catalogue("servers")[SERVER]["capacity_flop_per_s"],
        parameter_bit=8.0 * np.array([float(cut["parameter_byte"]) for cut in cuts]),
    )


def cell(users: int, *, clairvoyant: bool, waiting: Waiting = Waiting.IN_OUTAGE) -> Problem:
    """ResNet152 at its block boundaries on Jetson Xavier NX GPUs, spread over mean SNRs, on the
    shipped LTE channel.
    """
    channel, device = (
        catalogue("channels")["lte-10mhz"],
        catalogue("devices")["jetson-xavier-nx-gpu"],
    )
    mean_snr_db = np.random.default_rng(0).uniform(*MEAN_SNR_DB, users)
    return Problem(
        time_per_s=1.0,
        energy_per_j=1.0,
        inferences=INFERENCES,
        law=Rayleigh(),
        bandwidth_hz=channel["bandwidth_hz"],
        noise_w_per_hz=1e-3 * 10.0 ** (channel["noise_psd_dbm_per_hz"] / 10.0),
        min_snr=10.0 ** (channel["min_snr_db"] / 10.0),
        coherence_time_s=channel["coherence_time_s"],
        waiting=waiting,
        clairvoyant=clairvoyant,
        workloads=workload("resnet152", "jetson-xavier-nx-gpu"),
        workload=np.zeros(users, dtype=np.int64),
        mean_snr=10.0 ** (mean_snr_db / 10.0),
        tx_power_w=np.full(users, device["tx_power_w"]),
        idle_power_w=np.zeros(users),
        rx_power_w=np.zeros(users),
        memory_byte=np.full(users, float(device["memory_byte"])),
        placement_s_per_bit=np.full(users, 1.0 / channel["bandwidth_hz"]),
    )


def speed() -> None:
    """Wall time to plan, check and replay, at Shannon's rate and under the channel's own law."""
    print(
        "ResNet152 (54 layers), Rayleigh fading over LTE, mean SNR 0 to 30 dB, every placement by"
        " backward induction\n"
    )
    print(
        "| users | waiting | clairvoyant bound | rate law | least | median | largest"
        " |\n|---|---|---|---|---|---|---|"
    )
    told = catalogue("channels")["lte-10mhz"]["rate_law"]
    law = RateLaw(efficiency=told["efficiency"], max_bps_per_hz=told["max_bps_per_hz"])
    laws = {"Shannon": SHANNON, "of the channel": law}
    for (users, runs), waiting, bound in product(((1, 200), (1000, 5)), Waiting, (False, True)):
        problem = cell(users, clairvoyant=bound, waiting=waiting)
        for name, rate_law in laws.items():
            one = replace(problem, rate_law=rate_law)
            times = seconds(partial(solve, one, Options()), runs)
            figures = " | ".join(f"{1e3 * value:.2f} ms" for value in times)
            print(f"| {users} | {waiting} | {'yes' if bound else 'no'} | {name} | {figures} |")
    problem = cell(FLEET, clairvoyant=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    solution = solve(problem, Options())
    took = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024.0
    decision = solution.decision
    assert decision is not None
    print(
        f"\n{FLEET} users: {took:.2f} s on one core, {grown:.0f} MiB more at the peak, answer"
        " included"
    )
    start = time.perf_counter()
    certificate = check(problem, decision)
    verdict = "holds" if certificate.holds else f"{len(certificate.violations)} violations"
    print(f"checked in {time.perf_counter() - start:.2f} s: {verdict}")
    saved = 1.0 - decision.baselines.optimum.total_cost / decision.baselines.best_fixed.total_cost
    rule = decision.baselines.look_ahead.total_cost / decision.baselines.optimum.total_cost - 1.0
    print(
        f"against each user's best fixed cut: {100 * saved.mean():.1f} % cheaper on average,"
        f" {100 * saved.max():.1f} % at most; look-ahead dearer than the optimum by"
        f" {100 * rule.mean():.1f} % on average, {100 * rule.max():.1f} % at most; placements used:"
        f" {np.unique(decision.placement).tolist()}"
    )
    start = time.perf_counter()
    replay(problem, decision, 0, 100_000, np.random.default_rng(0))
    print(f"replay of 100,000 inferences of one user: {time.perf_counter() - start:.2f} s\n")


def traces(folder: Path) -> dict[str, Floats]:
    """Recorded uplink rates [bit/s], one a second."""
    recorded, unit = {}, {"Mbits/sec": 1e6, "Kbits/sec": 1e3, "bits/sec": 1.0}
    for path in sorted((folder / "uplink").glob("*.csv")):
        lines = [line.split(",") for line in path.read_text().splitlines()]
        if path.name.startswith("mahimahi"):
            rates = [1e6 * float(line[1]) for line in lines[1:]]
        else:
            rates = [unit[line[1]] * float(line[0]) for line in lines]
        recorded[path.stem.removeprefix("mahimahi_").removesuffix("_uplink_1s")] = np.array(rates)
    return recorded


def on_trace(
    rates_bps: Floats, law: RateTrace | Markov, network: str, coherence_s: float, **more: Any
) -> Problem:
    """One phone with the network on a channel fitted to recorded rates; parameters come down at the
    same mean rate.
    """
    device = catalogue("devices")["snapdragon-835-cpu"]
    bandwidth_hz = 1e7
    return Problem(
        time_per_s=1.0,
        energy_per_j=1.0,
        inferences=INFERENCES,
        law=law,
        bandwidth_hz=bandwidth_hz,
        noise_w_per_hz=1e-19,
        min_snr=2.0 ** (LEAST_BPS / bandwidth_hz) - 1.0,
        coherence_time_s=coherence_s,
        workloads=workload(network, "snapdragon-835-cpu"),
        workload=np.zeros(1, dtype=np.int64),
        tx_power_w=np.full(1, device["tx_power_w"]),
        idle_power_w=np.zeros(1),
        rx_power_w=np.zeros(1),
        memory_byte=np.full(1, np.inf),
        placement_s_per_bit=np.full(1, 1.0 / rates_bps.mean()),
        **more,
    )


def in_order(rates_bps: Floats) -> Look:
    """The recorded seconds in real time, each trial starting at another one."""
    return lambda trial, elapsed_s: rates_bps[
        (trial + (elapsed_s / SAMPLE_S).astype(np.int64)) % rates_bps.size
    ]


def slowed(law: Markov, layer_s: float) -> Markov:
    """The chain of seconds as a chain of layers, which are shorter."""
    share = min(1.0, layer_s / SAMPLE_S)
    return Markov(
        law.rate_bps, (1.0 - share) * np.eye(law.rate_bps.size) + share * law.transition, law.start
    )


def by_rate(decision: Decision, law: Markov) -> Decision:
    """A chain's table by the rate itself: a rate counts as the nearest state, halfway on a
    logarithmic scale.
    """
    edges = np.append(0.0, np.sqrt(law.rate_bps[1:] * np.maximum(law.rate_bps[:-1], 1.0)))
    stop = decision.stop_states[0]
    rate = np.where(stop.any(axis=1), edges[stop.argmax(axis=1)], np.inf)
    if np.isnan(decision.threshold_bps).any():
        raise ValueError("a stop set is no interval of rates")
    last = np.arange(rate.size) == decision.placement[0]
    wait = decision.wait | (last & stop.any(axis=1))
    return replace(
        decision, threshold_bps=rate[None], wait=wait, stop_states=None, wait_states=None
    )


def fixed(decision: Decision, problem: Problem, cut: int) -> Decision:
    """The table that offloads after one cut, whatever the channel unless in outage."""
    cuts = np.arange(decision.threshold_bps.shape[1])
    home = cut == len(cuts) - 1 and problem.workloads.crossing_bit[-1] == 0.0
    return replace(
        decision,
        placement=np.array([cut]),
        placement_cost=problem.placement_cost(slice(None), 0)[:, cut],
        threshold_bps=np.where((cuts == cut) & (not home), 0.0, np.inf)[None],
        wait=(cuts == cut)[None] & (not home),
    )


def on_recorded(folder: Path) -> None:
    """Tables fitted to the first half of each trace, played on the second."""
    print(
        "Snapdragon 835 CPU, NVIDIA T4; cost per inference = seconds + joules, placement over"
        " 10,000 inferences.\nTables fitted to the first half of an LTE trace, played on the"
        " second; in outage below 50 kbit/s.\n`independent`: looks drawn afresh from the second"
        " half, as the table assumes. `in order`: the second half\nin real time, where the channel"
        " hardly moves within an inference; `chain` is the table of a Markov channel\nof six states"
        " slowed down to one transition per mean layer time. `hindsight`: the clairvoyant bound,"
        " and in\norder each inference at its own best fixed cut, under the placement of `table`.\n"
    )
    heads = ("trace", "network", "play", "N*", *COLUMNS)
    print(f"| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, rates in traces(folder).items():
        first, second = np.split(rates, [rates.size // 2])
        for network in ("alexnet", "resnet18", "mobilenet-v2"):
            problem = on_trace(first, RateTrace(first), network, SAMPLE_S)
            decision = solve(problem, Options()).decision
            assert decision is not None
            offers = decision.baselines
            rule = solve(replace(problem, rule=Rule.ONE_STAGE_LOOK_AHEAD), Options()).decision
            candidates = {
                "table": decision,
                "look-ahead": rule,
                "best fixed": fixed(decision, problem, int(offers.best_fixed.placement[0])),
                "device only": fixed(decision, problem, problem.workloads.crossing_bit.size - 1),
                "edge only": fixed(decision, problem, 0),
            }
            label = f"| {name} | {network} |"
            played = replace(problem, law=RateTrace(second))
            paid = {}
            for rival, table in candidates.items():
                paths = replay(played, table, 0, TRIALS, np.random.default_rng(1))
                paid[rival] = paths.cost.mean() + table.placement_cost[0]
            bound = solve(replace(played, placement=decision.placement), Options()).decision
            paid["hindsight"] = bound.baselines.clairvoyant[0] + decision.placement_cost[0]
            print(label, f"independent | {decision.placement[0]} |", row(paid))

            layer_s = problem.workloads.device_s[-1] / (problem.workloads.device_s.size - 1)
            chain = slowed(fit_markov(first, STATES, LEAST_BPS), layer_s)
            carried = solve(on_trace(first, chain, network, layer_s), Options()).decision
            candidates["chain"] = by_rate(carried, chain)
            look, starts, paid = in_order(second), second.size, {}
            for rival, table in candidates.items():
                paid[rival] = (
                    play(played, table, 0, starts, look).cost.mean() + table.placement_cost[0]
                )
            every = [
                play(played, fixed(decision, problem, cut), 0, starts, look).cost
                for cut in range(int(decision.placement[0]) + 1)
            ]
            paid["hindsight"] = np.min(every, axis=0).mean() + decision.placement_cost[0]
            print(label, f"in order | {decision.placement[0]}, {carried.placement[0]} |", row(paid))


def row(paid: dict[str, float]) -> str:
    """Costs in the order of the table's head."""
    return " | ".join(f"{paid[name]:.4f}" if name in paid else "" for name in COLUMNS) + " |"


def main() -> None:
    """Print every figure of docs/families/stopping.md."""
    print(f"{describe()}\n")
    speed()
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    folder = given or Path(os.environ.get("SPLITPLAN_DATA", "../shared/data"))
    if (folder / "uplink").is_dir():
        on_recorded(folder)
    else:
        print(f"replay on recorded traces skipped: there is no {folder / 'uplink'}")


if __name__ == "__main__":
    main()
