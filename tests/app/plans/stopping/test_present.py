"""What a stopping plan says, against physics by hand, the solver asked directly, and a device that
plays its table.
"""

import json
import math
from typing import Any

import httpx
import numpy as np
import pytest

from client.edge import StoppingTable
from solvers.registry import answer
from solvers.stopping.fading import Rayleigh
from solvers.stopping.problem import Problem, Waiting, Workloads
from tests.support.builders import Body, a_device, a_model, a_server, a_timing
from tests.support.stopping.requests import (
    CHAIN,
    EVERY_FADING,
    NOISE_W_PER_HZ,
    a_fleet,
    a_radio,
    a_robot,
    first,
    solved,
)

# Numbers are the same on every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

BANDWIDTH_HZ = 1e7
STEADY = {"kind": "none"}
# The robot at 1 GHz (1 W): cycles = flop / flop_per_cycle, and the overheads.
DEVICE_S = np.array([0.0, 0.015 + 0.001, 0.045 + 0.002, 0.2 / 3.8 + 0.002])
SERVER_S = np.array([0.003, 0.0022, 0.0008, 0.0])
CROSSING_BIT = 8.0 * np.array([150_528.0, 96_000.0, 24_000.0, 0.0])
PARAMETER_BIT = 8.0 * np.array([0.0, 40_000.0, 900_000.0, 12_000_000.0])


def test_everything_at_the_edge_by_hand(client: httpx.Client) -> None:
    channel = a_radio(fading=STEADY, rtt_mean_s=0.004)
    user = first(client, a_fleet(channel=channel, options={"placement": 0}))
    sent_s = CROSSING_BIT[0] / (BANDWIDTH_HZ * math.log2(1.0 + 10.0**1.5))
    edge_s = 0.003 + 0.004
    assert user["expected"]["time_s"] == pytest.approx(sent_s + edge_s)
    assert user["expected"]["energy_j"] == pytest.approx(0.2 * sent_s + 0.05 * edge_s)
    assert user["expected"]["cost"] == pytest.approx(
        user["expected"]["time_s"] + 0.5 * user["expected"]["energy_j"]
    )
    assert user["expected"]["placement_cost"] == user["placement_byte"] == 0.0


@pytest.mark.parametrize("clock_hz", [None, 5e8])
def test_everything_on_the_device_by_hand(client: httpx.Client, clock_hz: float | None) -> None:
    user = first(
        client,
        a_fleet(
            a_robot(frequency_hz=clock_hz), options={"placement": 3}, channel=a_radio(fading=STEADY)
        ),
    )
    device_only = user["baselines"]["device_only"]
    clock = clock_hz or 1e9
    device_s = 2e8 / 3.8 / clock + 0.002
    assert user["frequency_hz"] == clock
    assert device_only["cost"] == pytest.approx(device_s + 0.5 * 1e-27 * clock**3 * device_s)
    placed_s = PARAMETER_BIT[3] / 2e7 / 1000
    assert device_only["placement_cost"] == pytest.approx(placed_s * (1.0 + 0.5 * 0.3))
    assert user["placement_byte"] == 12_000_000


def test_levels_are_used_as_they_were_measured(client: httpx.Client) -> None:
    device = a_device(frequency_levels_hz=[5e8, 8e8])
    timing = a_timing()
    timing["cuts"][3]["levels"] = [{"frequency_hz": 8e8, "mean_s": 0.09, "variance_s2": 0.0}]
    fields: dict[str, Any] = {"options": {"placement": 3}, "channel": a_radio(fading=STEADY)}

    def at(clock_hz: float | None) -> dict[str, Any]:
        return first(
            client,
            a_fleet(a_robot(device=device, device_timing=timing, frequency_hz=clock_hz), **fields),
        )

    highest, low = at(None), at(5e8)
    assert highest["frequency_hz"] == 8e8
    assert highest["baselines"]["device_only"]["cost"] == pytest.approx(0.09 * (1.0 + 0.5 * 0.512))
    assert low["baselines"]["device_only"]["cost"] == pytest.approx(
        (2e8 / 3.8 / 5e8 + 0.002) * (1.0 + 0.5 * 0.125)
    )


def test_without_a_timing_the_server_takes_its_capacity(client: httpx.Client) -> None:
    server = a_server(capacity_flop_per_s=1e10)
    robot = a_robot(server_timing=None)
    user = first(
        client,
        a_fleet(robot, server=server, channel=a_radio(fading=STEADY), options={"placement": 0}),
    )
    sent_s = CROSSING_BIT[0] / (BANDWIDTH_HZ * math.log2(1.0 + 10.0**1.5))
    assert user["expected"]["time_s"] == pytest.approx(sent_s + 0.02)


def test_overrides_of_the_request(client: httpx.Client) -> None:
    quick = first(client, a_fleet(downlink_bps=4e7, options={"placement": 3}))
    slow = first(
        client,
        a_fleet(channel=a_radio(downlink_bps=None), downlink_bps=2e7, options={"placement": 3}),
    )
    assert slow["expected"]["placement_cost"] == pytest.approx(
        2.0 * quick["expected"]["placement_cost"]
    )
    narrow = first(
        client, a_fleet(bandwidth_hz=5e6, channel=a_radio(fading=STEADY), options={"placement": 0})
    )
    sent_s = CROSSING_BIT[0] / (5e6 * math.log2(1.0 + 10.0**1.5))
    assert narrow["expected"]["time_s"] == pytest.approx(sent_s + 0.003)


@pytest.mark.parametrize("waiting", list(Waiting))
def test_the_solver_says_the_same(client: httpx.Client, waiting: Waiting) -> None:
    problem = Problem(
        time_per_s=1.0,
        energy_per_j=0.5,
        inferences=1000.0,
        law=Rayleigh(),
        bandwidth_hz=BANDWIDTH_HZ,
        noise_w_per_hz=NOISE_W_PER_HZ,
        min_snr=0.1,
        coherence_time_s=0.02,
        waiting=waiting,
        workloads=Workloads(
            first=np.array([0, 4]),
            device_s=DEVICE_S,
            device_j=DEVICE_S,
            crossing_bit=CROSSING_BIT,
            server_s=SERVER_S,
            parameter_bit=PARAMETER_BIT,
        ),
        workload=np.zeros(1, dtype=np.int64),
        mean_snr=np.array([10.0**1.5]),
        tx_power_w=np.array([0.2]),
        idle_power_w=np.array([0.05]),
        rx_power_w=np.array([0.3]),
        memory_byte=np.array([np.inf]),
        placement_s_per_bit=np.array([1.0 / 2e7]),
    )
    solution, _ = answer(problem)
    decision = solution.decision
    assert decision is not None
    user = first(client, a_fleet(options={"waiting": waiting.value}))
    assert user["placement"] == decision.placement[0]
    assert [point["running_cost"] for point in user["curve"]] == pytest.approx(
        decision.running_curve[0].tolist()
    )
    assert user["expected"]["time_s"] == pytest.approx(decision.time_s[0])
    assert user["expected"]["energy_j"] == pytest.approx(decision.energy_j[0])
    for row, own in zip(user["table"]["rows"], decision.table(problem, 0), strict=True):
        assert (row["offload"], row["in_outage"]) == (
            own.offload,
            "wait" if own.wait else "continue",
        )
        if own.rate_bps is not None:
            assert row["rate_bps"] == pytest.approx(own.rate_bps)
            snr = 2.0 ** (own.rate_bps / BANDWIDTH_HZ) - 1.0
            assert row["snr_db"] == pytest.approx(10.0 * math.log10(snr))
            noise_w = NOISE_W_PER_HZ * BANDWIDTH_HZ
            assert row["gain_db"] == pytest.approx(10.0 * math.log10(snr * noise_w / 0.2))


def play(
    user: Body, looks: Any, trials: int, coherence_s: float, min_rate_bps: float
) -> np.ndarray:
    """Cost of inferences by a device that has nothing but the table, the edge module and its radio.

    `looks()` starts an inference: a function that answers (rate, state) at each look.
    """
    table = StoppingTable.load(json.dumps(user["table"]))
    costs = np.empty(trials)
    for trial in range(trials):
        look, cut, time_s, energy_j = looks(), 0, 0.0, 0.0
        while cut < 3:
            rate_bps, state = look()
            up = rate_bps > 0.0 and rate_bps >= min_rate_bps
            verdict = table.decide(cut, rate_bps if up else 0.0, state)
            if verdict == "offload":
                sent_s = CROSSING_BIT[cut] / rate_bps
                time_s += sent_s + SERVER_S[cut]
                energy_j += 0.2 * sent_s + 0.05 * SERVER_S[cut]
                break
            if verdict == "wait":
                time_s += coherence_s
                energy_j += 0.05 * coherence_s
            else:
                assert cut < user["placement"]
                layer_s = DEVICE_S[cut + 1] - DEVICE_S[cut]
                time_s, energy_j, cut = time_s + layer_s, energy_j + layer_s, cut + 1
        costs[trial] = time_s + 0.5 * energy_j
    return costs


def assert_mean(costs: np.ndarray, expected: float) -> None:
    assert abs(costs.mean() - expected) <= 4.0 * costs.std() / math.sqrt(costs.size)


@pytest.mark.parametrize("waiting", ["in_outage", "always"])
@pytest.mark.parametrize("placement", [1, 2, 3])
def test_a_device_that_plays_its_table_pays_what_was_expected(
    client: httpx.Client, waiting: str, placement: int
) -> None:
    channel = a_radio(min_snr_db=6.0, coherence_time_s=0.004)
    user = first(
        client, a_fleet(channel=channel, options={"waiting": waiting, "placement": placement})
    )
    rng = np.random.default_rng(1)
    gains = iter(rng.exponential(size=200_000).tolist())

    def look() -> tuple[float, None]:
        return BANDWIDTH_HZ * math.log2(1.0 + 10.0**1.5 * next(gains)), None

    costs = play(user, lambda: look, 20_000, 0.004, user["table"]["min_rate_bps"])
    assert_mean(costs, user["expected"]["cost"])


@pytest.mark.slow
@pytest.mark.parametrize("waiting", ["in_outage", "always"])
def test_a_device_that_sees_the_states_of_a_chain(client: httpx.Client, waiting: str) -> None:
    channel = a_radio(fading=CHAIN, min_snr_db=None, coherence_time_s=0.004)
    # The only outage has the rate 0, so the channel needs a least SNR, however small.
    channel["min_snr_db"] = -100.0
    options = {"waiting": waiting, "placement": 2}
    user = first(client, a_fleet(a_robot(mean_snr_db=None), channel=channel, options=options))
    rates: Any = CHAIN["rate_bps"]
    step = np.array(CHAIN["transition"]).cumsum(axis=1)
    # Stationary law of the chain, by the null space of its generator.
    values, vectors = np.linalg.eig(np.array(CHAIN["transition"]).T)
    law = np.real(vectors[:, np.argmax(np.real(values))])
    begin = (law / law.sum()).cumsum()
    drawn = iter(np.random.default_rng(2).random(200_000).tolist())

    def looks() -> Any:
        state = -1

        def look() -> tuple[float, int]:
            nonlocal state
            state = int(
                np.searchsorted(begin if state < 0 else step[state], next(drawn), side="right")
            )
            return rates[state], state

        return look

    assert_mean(play(user, looks, 20_000, 0.004, 0.0), user["expected"]["cost"])


@pytest.mark.parametrize("kind", EVERY_FADING)
def test_edge_reads_every_table(client: httpx.Client, kind: str) -> None:
    fading = EVERY_FADING[kind]
    by_rates = fading is not None and ("rate_bps" in fading or fading["kind"] == "markov")
    robot = a_robot(mean_snr_db=None if by_rates else 15.0, model=a_model())
    user = first(client, a_fleet(robot, channel=a_radio(fading=fading)))
    table = StoppingTable(user["table"]["rows"])
    for row in user["table"]["rows"]:
        assert table.decide(row["cut"], 0.0) == row["in_outage"]
        if row["offload"] == "threshold" and "rate_bps" in row:
            assert table.decide(row["cut"], row["rate_bps"]) == "offload"
            assert table.decide(row["cut"], 0.999 * row["rate_bps"]) != "offload"
        elif row["offload"] == "always":
            assert table.decide(row["cut"], 1e7) == "offload"
        for state in row.get("stop_states", []):
            assert table.decide(row["cut"], 1e7, state) == "offload"


@pytest.mark.parametrize("fading", ["rayleigh", "lognormal", "trace of rates", "chain"])
def test_rounding_leaves_no_number_beyond_its_range(client: httpx.Client, fading: str) -> None:
    """Probabilities are that, and nothing is cheaper than the optimum, however many users are
    planned.
    """
    in_rates = fading in ("trace of rates", "chain")
    snrs = [None] if in_rates else [float(snr) for snr in range(-5, 31)]
    users = [a_robot(id=str(n), mean_snr_db=snr) for n, snr in enumerate(snrs)]
    result = solved(client, a_fleet(*users, channel=a_radio(fading=EVERY_FADING[fading])))
    for user in result["users"]:
        assert user["look_ahead"]["dearer_by"] >= 0.0, user["id"]
        ends = [row["stop_probability"] for row in user["table"]["rows"]]
        assert all(0.0 <= end <= 1.0 for end in ends), user["id"]


def test_a_device_that_sends_its_result_still_does_everything_itself(client: httpx.Client) -> None:
    cuts = a_model()["cuts"]
    sent = a_model(cuts=[*cuts[:-1], cuts[-1] | {"feature_byte": 4000}])
    (user,) = solved(client, a_fleet(a_robot(model=sent)))["users"]
    own = user["baselines"]["device_only"]
    assert own["feasible"]
    assert own["placement"] == len(cuts) - 1
    assert own["total_cost"] >= user["total_cost"]
