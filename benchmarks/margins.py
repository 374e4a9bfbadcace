"""What margins from samples save, and whether they hold, on measured times.

`python -m benchmarks.margins [network] [repetitions]` prints the tables of docs/evidence.md. All of
it goes through the service: measurement file, timing, plan. Times of a Jetson Orin Nano need a
folder of them (SPLITPLAN_DATA, or ../shared/data); those of this machine are measured here.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from scipy.stats import binom

from benchmarks import machine
from benchmarks.http import address
from benchmarks.margin_cases import DEADLINES, Body, Case, here, orin
from solvers.arrays import Floats

RISKS = (0.05, 0.1)
MARGINS: dict[str, Body] = {
    "cantelli": {"margin": "cantelli"},
    "unimodal": {"margin": "unimodal"},
    "gaussian": {"margin": "gaussian"},
    "ambiguous": {"margin": "ambiguous"},
    "samples, union": {"margin": "samples", "selection": "union"},
    "samples, split": {"margin": "samples", "selection": "split"},
    "samples, union, drift accepted": {"margin": "samples", "accept_drift": True},
    "samples, split, drift accepted": {
        "margin": "samples",
        "selection": "split",
        "accept_drift": True,
    },
    "samples, union, else cantelli": {"margin": "samples", "fallback": "cantelli"},
}


def main() -> None:
    """Print every table."""
    print(f"Measured on {machine.describe()}.\n")
    with served() as client:
        timing = Path(os.environ.get("SPLITPLAN_DATA", "../shared/data")) / "timing"
        folder = timing / "orin_nano_cycles"
        if folder.is_dir():
            saved("Orin Nano, 300 inferences at each clock", client, orin(client, folder, "all"))
            kept("Orin Nano, first 150 of 300", client, orin(client, folder, "first"))
        else:
            print(f"The Orin Nano is left out: there is no {folder}.\n")
        alone = Path(sys.argv[0]).stem == "margins"  # else the arguments name benchmarks
        arguments = sys.argv[1:] if alone else []
        name = arguments[0] if arguments else "squeezenet"
        repetitions = int(arguments[1]) if arguments[1:] else 200
        whole, first = here(client, name, repetitions)
        saved(f"{name}, measured here in two sessions of {repetitions} pairs", client, [whole])
        kept(f"{name}, the first session plans", client, [first])


@contextmanager
def served() -> Iterator[httpx.Client]:
    """A client of a service of its own, with the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        environment = os.environ | {"SPLITPLAN_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        environment.pop("SPLITPLAN_DATA", None)  # ours: a service refuses what is no setting of it
        command = str(Path(sys.executable).with_name("splitplan"))
        options = ["serve", "--migrate", "--load-catalogue", "--port", "0"]
        with log.open("wb") as output:
            service = subprocess.Popen(
                [command, *options], env=environment, stderr=output, stdout=output
            )
            try:
                with httpx.Client(base_url=address(log), timeout=120) as client:
                    yield client
            finally:
                service.terminate()
                service.wait(30)


def planned(client: httpx.Client, case: Case, deadline_s: float, risk: float, how: Body) -> Body:
    """The plan of a case: solved, infeasible, or refused because no option is left."""
    user = case.request["users"][0] | {"deadline_s": deadline_s, "risk": risk}
    body = case.request | {"users": [user], "options": how | {"baselines": False}}
    answer = client.post("/v1/plans/robust", json=body)
    if answer.status_code == 422:
        assert "samples" in answer.text, answer.text
        return {"status": "refused", "warnings": []}
    assert answer.is_success, answer.text
    content: Body = answer.json()
    return content


def least_deadline_s(client: httpx.Client, case: Case, risk: float, how: Body) -> float:
    """As told by a plan without one, and held to: with it there is a plan, with less none; NaN
    where only an edge out of reach would do, after hours.
    """
    told = planned(client, case, 1e-6, risk, how)
    least_s = (told.get("infeasible") or {"users": [{}]})["users"][0].get("least_deadline_s")
    if least_s is None or least_s > 100.0 * case.deadlines_s[-1]:
        return float("nan")
    for factor, status in ((1.0 + 1e-6, "solved"), (1.0 - 1e-6, "infeasible")):
        assert planned(client, case, factor * least_s, risk, how)["status"] == status
    return float(least_s)


def saved(what: str, client: httpx.Client, cases: list[Case]) -> None:
    """Energy at equal deadlines and least deadlines, both over Cantelli's."""
    print(f"**What margins save: {what}** ({DEADLINES} deadlines each, confidence 95 %)\n")
    print(
        "| network | risk | margin | options without a bound | least deadline over Cantelli's |"
        " deadlines with a plan | energy over Cantelli's, same deadlines | mJ |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for group in dict.fromkeys(case.group for case in cases):
        mine = [case for case in cases if case.group == group]
        for risk in RISKS:
            least, spent = {}, {}
            for margin, how in MARGINS.items():
                least[margin] = np.array([least_deadline_s(client, c, risk, how) for c in mine])
                plans = [[planned(client, c, d, risk, how) for d in c.deadlines_s] for c in mine]
                spent[margin] = np.array([_energy_j(p) for some in plans for p in some])
                without = sum(_without(some[-1], c) for some, c in zip(plans, mine, strict=True))
                ratio = least[margin] / least["cantelli"]
                both = np.isfinite(spent[margin]) & np.isfinite(spent["cantelli"])
                energy = spent[margin][both].sum()
                against = energy / spent["cantelli"][both].sum() if both.any() else np.nan
                print(
                    f"| {group} | {risk:.0%} | {margin} |"
                    f" {without} of {sum(c.options for c in mine)} |"
                    f" {_mean(ratio)} ({np.isfinite(ratio).sum()} of {len(mine)}) |"
                    f" {np.isfinite(spent[margin]).sum()} of {len(both)} |"
                    f" {_number(against)} | {_number(1e3 * energy / max(both.sum(), 1), 2)} |"
                )
    print()


def _energy_j(plan: Body) -> float:
    return plan["result"]["objective"]["energy_j"] if plan["status"] == "solved" else float("nan")


_LEFT_OUT = re.compile(
    r"(?:the samples of )?(\d+) of \d+ options have (?:too few|more than one mode)"
)


def _without(plan: Body, case: Case) -> int:
    """Options that the margin says nothing of; all where the plan was refused."""
    if plan["status"] == "refused":
        return case.options
    told = [_LEFT_OUT.match(warning["message"]) for warning in plan["warnings"]]
    return sum(int(one[1]) for one in told if one)


def _mean(values: Floats) -> str:
    return _number(float(np.nanmean(values))) if np.isfinite(values).any() else "none"


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) and value else ""


def kept(what: str, client: httpx.Client, cases: list[Case]) -> None:
    """How often later inferences exceed what was promised of the chosen options."""
    print(f"**Whether margins hold: {what}, the rest plays**\n")
    print(
        "| risk | margin | plans | late at the deadline | options chosen | above the told bound |"
        " worst option | refuted |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for risk in RISKS:
        for margin, how in MARGINS.items():
            late, above = [], {}
            for n, case in enumerate(cases):
                least_s = (1.0 + 1e-6) * least_deadline_s(client, case, risk, how)
                for deadline_s in filter(np.isfinite, (least_s, *case.deadlines_s.tolist())):
                    plan = planned(client, case, deadline_s, risk, how)
                    if plan["status"] != "solved":
                        continue
                    (user,) = plan["result"]["users"]
                    times = case.later(user)
                    late.append(float(np.mean(times > deadline_s)))
                    over = times > user["latency"]["bound_s"] * (1.0 + 1e-9)
                    above[n, user["cut"], user["frequency_hz"]] = float(np.mean(over))
            shares = list(above.values())
            if shares:
                refuted = sum(share > limit_of(risk, len(times)) for share in shares)
                print(
                    f"| {risk:.0%} | {margin} | {len(late)} | {np.mean(late):.2%} | {len(shares)} |"
                    f" {np.mean(shares):.2%} | {max(shares):.1%} | {refuted} |"
                )
            else:
                print(f"| {risk:.0%} | {margin} | 0 | | | | | |")
    print()


def limit_of(risk: float, count: int) -> float:
    """Share of late inferences that a kept risk exceeds once in a thousand times."""
    return float(binom.ppf(1.0 - 1e-3, count, risk)) / count


if __name__ == "__main__":
    main()
