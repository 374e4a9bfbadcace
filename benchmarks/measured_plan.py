"""A network imported, measured here, planned, and run again: does the plan keep its risk on fresh
samples?

`python -m benchmarks.measured_plan [network] [repetitions]`. Everything goes through HTTP and the
profiler's command. This machine is device and server at once, with a link of fixed rate between
them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import onnx
from scipy.stats import binom

from benchmarks import light_models, machine
from benchmarks.http import address
from solvers.arrays import Floats

RISKS = (0.01, 0.02, 0.05, 0.1, 0.2)
BANDWIDTH_HZ = 1e8
SIGNIFICANCE = 1e-3


def main() -> None:
    """Print for every risk what became of the plans at all cuts, on inferences measured after
    them.
    """
    name = sys.argv[1] if len(sys.argv) > 1 else "squeezenet"
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        onnx.save(light_models.weighted(name), path)
        log = Path(folder, "log")
        environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        command = [
            str(Path(sys.executable).with_name("splitplan")),
            "serve",
            "--migrate",
            "--port",
            "0",
        ]
        with log.open("wb") as output:
            service = subprocess.Popen(command, env=environment, stderr=output, stdout=output)
            try:
                with httpx.Client(base_url=address(log), timeout=120) as client:
                    compare(client, path, repetitions)
            finally:
                service.terminate()
                service.wait(30)


def compare(client: httpx.Client, path: Path, repetitions: int) -> None:
    """Import, measure, plan, measure again."""
    name = path.stem
    model = made(client, "/v1/models/import", content=path.read_bytes(), params={"name": name})
    told = {
        "provenance": "analytic",
        "reference": "one clock, whatever it is: this machine does not tell it",
    }
    radio = {"power_coefficient_w_per_hz3": 1e-27, "tx_power_w": 0.2}
    clock = {"frequency_min_hz": 1e9, "frequency_max_hz": 1e9}
    made(client, "/v1/devices", json={"name": "box", "processor": "cpu", **clock, **radio, **told})
    made(client, "/v1/servers", json={"name": "box-server", "capacity_flop_per_s": 1e11, **told})
    (path.parent / "model.json").write_text(json.dumps(model))

    samples = measured(path, repetitions)
    doubts: dict[str, list[Any]] = {}
    correlation = 0.0
    for processor, kind in (("box", "device"), ("box-server", "server")):
        sheet = samples | {"processor": processor}
        report = made(client, f"/v1/timings/{processor}.{name}/measurements", json=sheet)
        doubts[kind] = [
            finding for finding in report["quality"] if finding["severity"] == "warning"
        ]
        pairs = [cut["correlation"]["interval"][1] for cut in report["cuts"] if cut["correlation"]]
        correlation = max([correlation, *pairs])
    drifted = {
        (finding["part"], finding["cut"])
        for findings in doubts.values()
        for finding in findings
        if finding["check"] in ("drift", "sessions")
    }
    timings = {
        processor: client.get(f"/v1/timings/{processor}.{name}").raise_for_status().json()
        for processor in ("box", "box-server")
    }
    fresh = measured(path, repetitions, seed=1)
    tried = [
        tried_at(client, cut, risk, model, timings, correlation, totals(fresh, cut))
        for cut in range(len(model["cuts"]))
        for risk in RISKS
    ]
    print(
        f"{name} on {machine.describe()}, load {os.getloadavg()[0]:.1f}; {repetitions} pairs a"
        " session, two sessions.\n"
    )
    checks = sorted({finding["check"] for findings in doubts.values() for finding in findings})
    print(
        f"The service doubts: {', '.join(checks) or 'nothing'}; {len(drifted)} parts of cuts"
        " drifted.\n"
    )
    print(
        "| drift test | risk | plans | fresh pairs each | late, all plans | worst plan | refuted |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for moved in (False, True):
        for risk in RISKS:
            rows = [
                each
                for each in tried
                if each.risk == risk
                and moved
                == any(
                    (part, at) in drifted
                    for part in ("device", "server", None)
                    for at in (each.cut, None)
                )
            ]
            if rows:
                shares = [each.late / each.runs for each in rows]
                print(
                    f"| {'moved' if moved else 'passes'} | {risk} | {len(rows)} | {rows[0].runs} |"
                    f" {np.mean(shares):.4f} | {max(shares):.3f} |"
                    f" {sum(each.refuted for each in rows)} |"
                )


class Tried(NamedTuple):
    """A plan, and what came of it."""

    cut: int
    risk: float
    runs: int
    late: int

    @property
    def refuted(self) -> bool:
        """Whether a plan that keeps its risk would hardly ever be late so often."""
        return bool(binom.sf(self.late - 1, self.runs, self.risk) < SIGNIFICANCE)


def tried_at(
    client: httpx.Client,
    cut: int,
    risk: float,
    model: dict[str, Any],
    timings: dict[str, Any],
    correlation: float,
    times_s: Floats,
) -> Tried:
    """The tightest plan that has to cut here, held against times measured after it could be
    made.
    """
    user: dict[str, Any] = {
        "id": "box",
        "device": "box",
        "model": {"name": "here", "cuts": [model["cuts"][cut]] * 2, "provenance": "analytic"},
        "snr_reference": {"snr_db": 20.0, "bandwidth_hz": BANDWIDTH_HZ},
        "risk": risk,
        "correlation": correlation,
    }
    for role, processor in (("device", "box"), ("server", "box-server")):
        entries = [timings[processor]["cuts"][cut]] * 2
        here = {
            "name": f"{processor}.here",
            "processor": processor,
            "processor_kind": role,
            "model": "here",
        }
        user[f"{role}_timing"] = {**here, "cuts": entries, "provenance": "measured"}
    channel = {"name": "link", "bandwidth_hz": BANDWIDTH_HZ, "provenance": "analytic"}

    def planned(deadline_s: float) -> dict[str, Any]:
        users = [user | {"deadline_s": deadline_s}]
        return made(
            client,
            "/v1/plans/robust",
            json={"channel": channel, "server": "box-server", "users": users},
        )

    least_s = planned(1e-6)["infeasible"]["users"][0]["least_deadline_s"]
    plan = planned(least_s * 1.0001)
    assert plan["status"] == "solved", plan
    (told,) = plan["result"]["users"]
    late = int((times_s + told["latency"]["uplink_s"] > told["deadline_s"]).sum())
    return Tried(cut, risk, len(times_s), late)


def totals(sheet: dict[str, Any], cut: int) -> Floats:
    """Device and server time of the same inferences, added up."""
    sums: list[float] = []
    for session in sheet["sessions"]:
        parts: dict[int, float] = {}
        for sample in session["samples"]:
            if sample["cut"] == cut:
                for order, time_s in zip(sample["order"], sample["time_s"], strict=True):
                    parts[order] = parts.get(order, 0.0) + time_s
        sums += parts.values()
    return np.array(sums)


def measured(path: Path, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """What the profiler's command writes."""
    out = path.parent / f"samples-{seed}.json"
    options = [
        "--processor",
        "box",
        "--out",
        str(out),
        "--profile",
        str(path.parent / "model.json"),
    ]
    more = ["--repetitions", str(repetitions), "--gap-s", "10", "--seed", str(seed)]
    subprocess.run(
        [sys.executable, "-m", "profiler", "run", str(path), *options, *more],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    content: dict[str, Any] = json.loads(out.read_text())
    return content


def made(client: httpx.Client, address: str, **how: Any) -> dict[str, Any]:
    """What is answered, which must not be a refusal."""
    if "content" in how:
        how["headers"] = {"Content-Type": "application/octet-stream"}
    answer = client.post(address, **how)
    assert answer.is_success, answer.text
    content: dict[str, Any] = answer.json()
    return content


if __name__ == "__main__":
    main()
