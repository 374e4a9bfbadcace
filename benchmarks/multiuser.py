"""Figures of the multi-user family: `python -m benchmarks.multiuser [data]`.

`data` is a folder with uplink traces in uplink/*.csv
(default: $SPLITPLAN_DATA, else ../shared/data); where it is absent the replay is
skipped and says so. No round trip is counted, since the catalogue names none.
"""

import csv
import dataclasses
import json
import os
import resource
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.edge import RateTable
from solvers.arrays import Floats
from solvers.multiuser.check import check
from solvers.multiuser.problem import Method, Problem, Workloads
from solvers.multiuser.replay import Played, Replay, replay
from solvers.multiuser.solve import baselines, build_table, solve
from solvers.multiuser.table import DecisionTable, TableProblem
from solvers.outcome import Options

DEVICE, SERVER = "snapdragon-835-cpu", "nvidia-t4"
NETWORKS = ("alexnet", "vgg16", "resnet50", "mobilenet-v2")
FLOAT_BITS, PICTURE_BITS = 32, 8
SAMPLE_S = 1.0


def catalogue(kind: str) -> dict[str, Any]:
    """Shipped profiles of a kind, by name."""
    return {
        profile["name"]: profile
        for profile in json.loads((files("app.catalogue") / f"{kind}.json").read_text())
    }


def options_of(network: str, *, picture: bool = True) -> dict[str, NDArray[Any]]:
    """Options of a network on the phone: full precision, and the input as the 8-bit picture it was
    made from.
    """
    model, timing = catalogue("models")[network], catalogue("timings")[f"{DEVICE}.{network}"]
    clock, capacity = (
        catalogue("devices")[DEVICE]["frequency_max_hz"],
        catalogue("servers")[SERVER]["capacity_flop_per_s"],
    )
    flop = np.array([cut["flop"] for cut in model["cuts"]], dtype=np.float64)
    element = np.array([cut["feature_byte"] / 4 for cut in model["cuts"]])
    per_cycle = np.array([cut["flop_per_cycle"] for cut in timing["cuts"]])
    overhead = np.array([cut["overhead_s"] for cut in timing["cuts"]])
    bits = np.full(len(flop), FLOAT_BITS)
    bits[0] = PICTURE_BITS if picture else FLOAT_BITS
    return {
        "cut": np.arange(len(flop)),
        "bits": bits,
        "device_s": flop / per_cycle / clock + overhead,
        "crossing_bit": element * bits,
        "server_s": (flop[-1] - flop) / capacity,
        "loss": np.zeros(len(flop)),
    }


def table_problem(network: str, *, picture: bool = True) -> TableProblem:
    """RAP for a network on the phone, alone on the server."""
    options = options_of(network, picture=picture)
    return TableProblem(latency_weight_per_s=1.0, loss_weight=0.0, **options)


def fleet(users: int, seed: int = 0, *, deadlines: bool = True) -> Problem:
    """Phones that run the four networks in one cell: 1 MHz each, and a server for every hundred."""
    rng = np.random.default_rng(seed)
    tables = [options_of(network) for network in NETWORKS]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    servers = max(users / 100.0, 1.0)
    columns["server_s"] = columns["server_s"] / servers
    work = Workloads(
        first=np.concatenate([[0], np.cumsum([len(table["cut"]) for table in tables])]), **columns
    )
    kind = rng.integers(0, len(NETWORKS), users)
    alone = work.device_s[work.first[kind + 1] - 1]
    efficiency = rng.uniform(0.5, 6.0, users)
    # Half must be about as fast as alone on the phone; heavy networks with a good channel, faster.
    pressed = (efficiency > 3.0) & (alone > 0.1)
    factor = np.where(pressed, rng.uniform(0.6, 1.0, users), rng.uniform(1.0, 1.2, users))
    late = np.where(rng.random(users) < 0.5, alone * factor, np.inf)
    return Problem(
        bandwidth_hz=1e6 * users,
        server_flop_per_s=catalogue("servers")[SERVER]["capacity_flop_per_s"] * servers,
        latency_weight_per_s=1.0,
        loss_weight=0.0,
        workloads=work,
        workload=kind,
        spectral_efficiency=efficiency,
        weight=rng.uniform(0.5, 2.0, users),
        deadline_s=late if deadlines else np.full(users, np.inf),
        max_loss=np.ones(users),
    )


def look_ups() -> None:
    """Tables: building, asking in bulk, asking on a device."""
    problem = table_problem("vgg16")
    began = time.perf_counter()
    for _ in range(200):
        table = build_table(problem)
    built = (time.perf_counter() - began) / 200
    rate = np.exp(np.random.default_rng(0).normal(np.log(5e6), 1.0, 2_000_000))
    began = time.perf_counter()
    table.look_up(rate)
    bulk = len(rate) / (time.perf_counter() - began)
    device = RateTable(table.rows(problem), hysteresis=0.05)
    rates = rate[:200_000].tolist()
    began = time.perf_counter()
    for at in rates:
        device.decide(at)
    single = (time.perf_counter() - began) / len(rates)
    print(
        f"table of vgg16, {len(problem.cut)} options: {len(table.option)} rows, built in"
        f" {built * 1e6:.0f} us"
    )
    print(
        f"look-ups: {bulk / 1e6:.1f} million/s vectorised, {single * 1e6:.2f} us each in"
        " client/edge.py with hysteresis"
    )


def large_cells() -> None:
    """Time, gap and memory of the exact method."""
    print("users      deadlines  time [s]  gap      peak memory [MB]")
    for users in (1_000, 10_000, 100_000, 1_000_000):
        for deadlines in (False, True):
            problem = fleet(users, deadlines=deadlines)
            began = time.perf_counter()
            answer = solve(problem, Options())
            spent = time.perf_counter() - began
            if (
                answer.decision is None
                or answer.gap is None
                or not check(problem, answer.decision).holds
            ):
                raise RuntimeError(f"no checked plan for {users} users: {answer.status}")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(f"{users:<10,} {deadlines!s:<10} {spent:<9.2f} {answer.gap:<8.1e} {peak:.0f}")


def small_cells(cells: int = 200) -> None:
    """How often, and by how much, the exact method beats the alternating one."""
    print(
        "users  deadlines  time median / largest [ms]  optimal  alternating worse  mean, largest"
        " excess  found none"
    )
    for users in (5, 10, 30):
        for deadlines in (False, True):
            spent, excess, none, proven, both = [], [], 0, 0, 0
            for seed in range(cells):
                problem = fleet(users, seed, deadlines=deadlines)
                began = time.perf_counter()
                answer = solve(problem, Options())
                spent.append(time.perf_counter() - began)
                if answer.objective is None:
                    continue
                proven += answer.status.value == "optimal"
                both += 1
                other = solve(dataclasses.replace(problem, method=Method.ALTERNATING), Options())
                if other.objective is None:
                    none += 1
                else:
                    excess.append(other.objective / answer.objective - 1.0)
            worse = 100 * np.array(excess)
            often = 100 * np.mean(worse > 1e-4)
            print(
                f"{users:<6} {deadlines!s:<10} {1e3 * np.median(spent):5.1f} /"
                f" {1e3 * np.max(spent):<18.1f} {proven}/{both}  {often:10.0f} % "
                f" {worse.mean():11.1f} %, {worse.max():.1f} % {none:11}"
            )


def rules() -> None:
    """What every rule makes of one cell of 30."""
    problem = fleet(30, 1, deadlines=False)
    exact = solve(problem, Options())
    print(f"30 users: exact {exact.objective:.4f}", end="")
    for method, baseline in baselines(problem, Options()).items():
        print(f", {method} {baseline.objective:.4f}", end="")
    print()


def traces(folder: Path) -> dict[str, Floats]:
    """Rates per second [bit/s] of the uplink traces in a folder."""
    scale = {"bits/sec": 1.0, "Kbits/sec": 1e3, "Mbits/sec": 1e6}
    found = {}
    for path in sorted((folder / "uplink").glob("*.csv")):
        with path.open(newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 2]
        if rows[0] == ["second", "uplink_mbps"]:
            found[path.stem] = np.array([float(rate) * 1e6 for _, rate in rows[1:]])
        else:
            found[path.stem] = np.array([float(rate) * scale[unit] for rate, unit in rows])
    return found


def replays(folder: Path) -> None:
    """Tables on LTE traces against the rules they replace."""
    found = traces(folder)
    if not found:
        print(f"replay skipped: no traces in {folder / 'uplink'}")
        return
    print(
        "per sample: latency of the rule over latency of the table, median / largest where both"
        " run; (stalled samples)"
    )
    for name, rate in found.items():
        silent_share = 100 * np.mean(rate == 0)
        print(
            f"{name}: {len(rate)} s, median {np.median(rate) / 1e6:.2f} Mbit/s, {silent_share:.1f}"
            " % at rate 0"
        )
        for network in NETWORKS:
            for picture in (True, False):
                title = f"{network} {'8-bit' if picture else 'float'} input"
                _print_replay(title, table_problem(network, picture=picture), rate)


def _print_replay(name: str, problem: TableProblem, rate: Floats) -> None:
    table = build_table(problem)
    fresh, steady = (_played(problem, table, rate, hysteresis) for hysteresis in (0.0, 0.1))
    stale = _played(problem, table, rate, 0.1, np.concatenate([rate[:1], rate[:-1]]))
    rivals = {"device": fresh.device_only, "cloud": fresh.cloud_only, "fixed": fresh.best_fixed}
    text = ", ".join(
        f"{rival} {_speed_up(fresh.table, played)}"
        for rival, played in rivals.items()
        if played is not None
    )
    print(
        f"  {name:24} {1e3 * fresh.table.mean_latency_s:6.1f} ms; {text}; switches/h"
        f" {fresh.table.switches_per_hour:.0f} -> {steady.table.switches_per_hour:.0f} at h = 0.1,"
        f" regret {1e3 * steady.regret:.2f} ms,"
        f" a second late {1e3 * stale.regret:.2f} ms (stalled {100 * stale.table.stalled:.1f} %)"
    )


def _played(
    problem: TableProblem,
    table: DecisionTable,
    rate: Floats,
    hysteresis: float,
    seen: Floats | None = None,
) -> Replay:
    return replay(problem, table, table, rate, SAMPLE_S, hysteresis, seen)


def _speed_up(table: Played, rival: Played) -> str:
    both = np.isfinite(table.latency_s) & np.isfinite(rival.latency_s)
    ratio = rival.latency_s[both] / table.latency_s[both]
    return f"{np.median(ratio):.2f} / {ratio.max():.1f} ({100 * rival.stalled:.1f} %)"


def main() -> None:
    """Print all figures."""
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SPLITPLAN_DATA", "../shared/data")
    look_ups()
    large_cells()
    small_cells()
    rules()
    replays(Path(given))


if __name__ == "__main__":
    main()
