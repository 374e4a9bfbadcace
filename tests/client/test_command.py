"""`splitplan-client` as it is typed: real service, real worker, and once a real terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from client import present
from client.command import main
from client.planning import Json, PlanningClient
from tests.support.builders import a_channel, a_device, a_server
from tests.support.client import a_long_request, a_request
from tests.support.onnx.graphs import a_chain
from tests.support.power import LOGS, a_power_file
from tests.support.servers import Service
from tests.support.sheets import a_file

Run = Callable[..., Result]


# What a client does is the same whatever stores the plans. A parameter and not a fixture of that
# name, whose service would stay on for all later tests, also for those that ask for Postgres.
pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]


@pytest.fixture
def run(service: Service, stocked: PlanningClient, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against a stocked service."""
    monkeypatch.setenv("SPLITPLAN_URL", service.url)
    return lambda *words, **how: CliRunner().invoke(main, [str(word) for word in words], **how)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Json], Path]:
    """Writes a document to a file."""

    def write(document: Json) -> Path:
        path = tmp_path / "document.json"
        path.write_text(json.dumps(document))
        return path

    return write


def test_a_request_and_a_bundle_are_written(
    run: Run, stocked: PlanningClient, tmp_path: Path
) -> None:
    asked = a_request()
    plan = stocked.submit("robust", asked)
    assert json.loads(run("request", plan["id"]).stdout) == json.loads(json.dumps(asked))
    path = tmp_path / "plan.json"
    assert run("bundle", plan["id"], "-o", path).exit_code == 0
    content = b"".join(stocked.bundle(plan["id"]))
    assert path.read_bytes() == content == run("bundle", plan["id"], "-o", "-").stdout_bytes
    assert json.loads(content)["plan"]["id"] == plan["id"]
    refused = run("bundle", "0" * 32, "-o", tmp_path / "none.json")
    assert (refused.exit_code, "There is no plan" in refused.output) == (1, True)
    assert not (tmp_path / "none.json").exists()


def test_plans_are_compared_and_a_user_is_explained(run: Run, stocked: PlanningClient) -> None:
    before = stocked.submit("robust", a_request())
    user = "camera 0?#"
    after = stocked.replan(before["id"], {"users": {user: {"deadline_s": 0.31}}})
    both = before["id"], after["id"]
    told = stocked.compare(*both)
    (changed,) = told["users"]
    assert run("compare", *both).stdout.splitlines() == told["summary"]
    assert run("compare", *both, "--users").stdout.splitlines() == [
        *told["summary"],
        changed["sentence"],
    ]
    assert json.loads(run("compare", *both, "--users", "--json").stdout) == changed
    why = stocked.explain(before["id"], user)
    others = [f"  {cut['sentence']}" for cut in why["cuts"] if not cut["chosen"]]
    assert run("explain", before["id"], user).stdout.splitlines() == [*why["summary"], *others]
    assert json.loads(run("explain", before["id"], user, "--json").stdout) == why


@pytest.mark.slow
def test_a_plan_is_made_shown_listed_and_its_users_too(
    run: Run, written: Callable[[Json], Path]
) -> None:
    made = run("plan", "robust", written(a_request(users=25)), "--name", "lobby")
    assert made.exit_code == 0, made.output
    assert re.match(r"plan [0-9a-f]{32} \(lobby\): robust, 25 users, solved in ", made.stdout)
    assert made.stdout.count("│ camera ") == 20
    assert re.search(r"^users +and 5 more: splitplan-client users ", made.stdout, re.MULTILINE)
    assert re.search(
        r"^total +[\d.]+ m?J per inference of all; no plan needs less than ",
        made.stdout,
        re.MULTILINE,
    )

    plan = json.loads(run("list", "--name", "lobby", "--json").stdout)
    assert plan["users"] == 25
    assert plan["id"] in run("list").stdout
    assert run("show", plan["id"]).stdout == made.stdout
    assert (
        json.loads(run("show", plan["id"], "--json").stdout)["result"]["certificate"]["holds"]
        is True
    )
    lines = run("users", plan["id"], "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"camera {n}?#" for n in range(25)]
    assert run("users", plan["id"]).stdout.count("│ camera ") == 25
    assert run("list", "--limit", "1", "--status", "failed").stdout.count("│") == 0


def test_what_is_ordered_is_watched(run: Run, worker: str, written: Callable[[Json], Path]) -> None:
    ordered = run("plan", "robust", "-", "--async", input=json.dumps(a_request()))
    assert re.fullmatch(r"[0-9a-f]{32}\n", ordered.stdout)
    plan_id = ordered.stdout.strip()
    watched = run("watch", plan_id, "--json")
    assert json.loads(watched.stdout)["status"] == "solved"
    assert (watched.exit_code, watched.stderr) == (0, "")

    patched = run("replan", plan_id, written({"users": {"camera 0?#": None}}), "--async", "--wait")
    assert patched.exit_code == 0, patched.output
    assert f"changed    from plan {plan_id}; removed: camera 0?#" in patched.stdout


def test_a_plan_that_nobody_wants_any_more_is_cancelled(
    run: Run, worker: str, written: Callable[[Json], Path]
) -> None:
    plan_id = run("plan", "multi-user", written(a_long_request()), "--async").stdout.strip()
    cancelled = run("cancel", plan_id)
    assert cancelled.exit_code == 0, cancelled.output
    assert ": multi-user, 4000 users, cancelled" in cancelled.stdout
    assert run("watch", plan_id).exit_code == 4


def test_an_infeasible_cell_is_explained(run: Run, written: Callable[[Json], Path]) -> None:
    request = a_request()
    request["users"][0]["deadline_s"] = 0.001
    answer = run("plan", "robust", written(request))
    assert answer.exit_code == 3
    deadline = re.search(r"│ camera 0\?# +│ ([a-z, ]+?) +│ +([\d.]+) ms +│", answer.stdout)
    assert deadline is not None, answer.stdout
    plan = json.loads(run("list", "--json").stdout)
    assert "│ camera 0?#" in run("users", plan["id"]).stdout
    request["users"][0]["deadline_s"] = float(deadline[2]) * 1e-3
    assert run("plan", "robust", written(request)).exit_code == 0, (
        "what is shown as enough is enough"
    )


def test_repairs_are_told_and_one_is_taken(run: Run, stocked: PlanningClient) -> None:
    request = a_request()
    request["users"][0]["deadline_s"] = 0.001
    plan_id = stocked.solve("robust", request)["id"]
    answer = run("repairs", plan_id, "--deadline-per-s", "10", "--drop", "1")
    assert answer.exit_code == 0
    for words in ("deadline of camera 0?# 1 ms to", "without camera 0?#", "take one"):
        assert words in answer.stdout
    keep = [word for user in request["users"] for word in ("--keep", user["id"])]
    answer = run("repairs", plan_id, "--drop", "1", *keep)
    assert (answer.exit_code, "no change of this kind" in answer.stdout) == (3, True)
    request["options"] = {"admission": "most_valuable"}
    admitted = stocked.solve("robust", request)
    assert "; without camera 0?#" in run("show", admitted["id"]).stdout
    found = stocked.repairs(plan_id, {"deadline_per_s": 10.0}, time_limit_s=9.0)
    assert stocked.replan(plan_id, found["repairs"][0]["patch"])["status"] == "solved"


def test_streams_and_what_differs_between_users_are_shown(
    run: Run, written: Callable[[Json], Path]
) -> None:
    near = a_server(name="near", capacity_flop_per_s=2e9, parallel=1)
    request = a_request()
    for n, user in enumerate(request["users"]):
        user |= {"rate_hz": 2.0, "servers": ["edge-gpu", near], "deadline_s": (0.1, 0.5)[n % 2]}
        user["gain_db"] = (-80.0, -200.0)[n % 2]
        user.pop("distance_m", None)
    made = run("plan", "robust", written(request))
    assert made.exit_code == 0, made.output
    assert re.search(
        r"^total +[\d.]+ m?W of all at their rates; no plan ", made.stdout, re.MULTILINE
    )
    assert re.search(r"┃ at +┃", made.stdout)
    assert "│ edge-gpu" in made.stdout
    assert "│ 2 Hz │" in made.stdout
    assert "sent as" not in made.stdout, "there is no choice"
    assert re.search(r"^server +inline:near: at work 0 of 0.7 s", made.stdout, re.MULTILINE)
    assert re.search(r"^instead +all on the device +[\d.]+ m?W", made.stdout, re.MULTILINE)


def test_every_family_is_shown(run: Run, written: Callable[[Json], Path]) -> None:
    user = {"id": "a[b]:smile:", "device": "camera-cpu", "model": "small-net"}
    profiles = {"channel": "cell", "server": "edge-gpu"}
    weights = {"latency_per_s": 1.0, "loss": 1.0}
    stopping = {
        "channel": a_channel(downlink_bps=1e7, min_snr_db=0.0, coherence_time_s=0.05),
        "server": "edge-gpu",
        "users": [user | {"mean_snr_db": 10.0}],
        "weights": {"time_per_s": 1.0, "energy_per_j": 1.0},
        "inferences_per_update": 1000,
    }
    multi_user = profiles | {"users": [user | {"snr_db": 10.0}], "weights": weights}
    for kind, request, word in (
        ("stopping", stopping, "seeing the future"),
        ("multi-user", multi_user, "given out"),
        (
            "adaptive",
            {"server": "edge-gpu", "users": [user], "weights": weights},
            "checked at both ends",
        ),
    ):
        answer = run("plan", kind, written(request))
        assert answer.exit_code == 0, answer.output
        assert word in answer.stdout
        assert "a[b]:smile:" in answer.stdout, "an id is no markup"
        assert "Traceback" not in answer.output


def test_an_estimate_stores_nothing(run: Run, written: Callable[[Json], Path]) -> None:
    answer = run("plan", "robust", written(a_request()), "--dry-run")
    assert answer.stdout.startswith("robust, 2 users: about ")
    assert run("list", "--json").stdout == ""


def test_a_device_and_its_timing_are_estimated(run: Run, stocked: PlanningClient) -> None:
    clock = ["--frequency-max-hz", "1.8e9", "--busy-power-w", "6.4", "--idle-power-w", "2.7"]
    device = ["--name", "my-board", "--processor", "cpu", *clock, "--tx-power-w", "0.1"]
    assert run("devices", "estimate", *device, "--dry-run").stdout.startswith("my-board would be")
    made = run("devices", "estimate", *device)
    assert made.stdout.startswith("stored my-board@1\nEstimated: 6.4 W"), made.output
    timing = ["--name", "guess", "--processor", "my-board", "--model", "small-net"]
    made = run("timings", "estimate", *timing, "--point", "0.1", "1.8e9", "--json")
    assert json.loads(made.stdout) == stocked.profile("timings", "guess")
    refused = run("timings", "estimate", *timing, "--time-s", "0.1")
    assert (refused.exit_code, "frequency_hz" in refused.stderr) == (1, True)


@pytest.mark.slow
def test_a_network_and_its_times_are_sent(
    run: Run, stocked: PlanningClient, written: Callable[[Json], Path], tmp_path: Path
) -> None:
    network = tmp_path / "chain.onnx"
    network.write_bytes(a_chain().SerializeToString())
    imported = run("models", "import", network, "--name", "net")
    assert imported.exit_code == 0, imported.output
    assert imported.stdout.startswith("stored net@1 with 6 cuts\n")
    assert (
        stocked.profile("models", "net")["source_sha256"]
        == sha256(network.read_bytes()).hexdigest()
    )
    taken = run("models", "import", network, "--name", "net")
    assert (taken.exit_code, "exists" in taken.stderr) == (1, True)
    bad = run("models", "import", network, "--name", "other", "--shape", "nothing:1,3")
    assert bad.exit_code == 1
    assert "nothing" in bad.stderr

    timing = "camera-cpu.small-net"
    sent = run("measurements", "send", written(a_file(count=12)), "--timing", timing)
    assert sent.exit_code == 0, sent.output
    assert sent.stdout.startswith(f"measurement 1: 360 samples made {timing}@2\n")
    plan = stocked.solve("robust", a_request())
    slow = {
        "plan": plan["id"],
        "observations": [{"user": "camera 0?#", "device_s": [9.0 + n / 100 for n in range(60)]}],
    }
    refuted = run("measurements", "send", written(slow), "--timing", timing)
    assert refuted.exit_code == 0, refuted.output
    assert f"measurement 2: 60 observed times, refutes {timing}@2" in refuted.stdout
    assert [entry["kind"] for entry in stocked.measurements(timing)] == ["samples", "observations"]

    table = tmp_path / "samples.csv"
    table.write_text(
        "cut,part,frequency_hz,time_s\n"
        + "".join(f"1,device,{4e8 + 1e8 * (n % 4)},{0.1 / (4 + n % 4)}\n" for n in range(80))
    )
    told = stocked.send_measurements(timing, table, model="small-net", processor="camera-cpu")
    assert (told["revision"], told["samples"]) == (3, 80)
    wrong = run("measurements", "send", network, "--timing", timing)
    assert (wrong.exit_code, "must end in one of" in wrong.stderr) == (2, True)


def test_a_replay_is_shown(run: Run, stocked: PlanningClient) -> None:
    plan_id = stocked.solve("robust", a_request())["id"]
    answer = run("validate", plan_id, "--trials", "200", "--distribution", "two_point")
    assert answer.exit_code == 0
    assert f"validation 1 of plan {plan_id}: 200 trials, seed 0, holds" in answer.stdout

    risky = a_request(options={"margin": "mean"})
    for user in risky["users"]:
        user |= {"deadline_s": 0.06, "gain_db": -170.0, "risk": 0.001}  # all on the device
    plan = stocked.solve("robust", risky)
    assert plan["status"] == "solved"
    refuted = run("validate", plan["id"], "--json")
    assert json.loads(refuted.stdout)["holds"] is False
    assert refuted.exit_code == 1


def test_faults_are_told_with_pointer_and_mend(run: Run, written: Callable[[Json], Path]) -> None:
    request = a_request()
    request["users"][1] |= {"risk": 2.0, "deadlin_s": 0.1}
    refused = run("plan", "robust", written(request))
    assert refused.exit_code == 1
    assert refused.stdout == ""
    first, *faults = refused.stderr.splitlines()
    assert first == "Error: The request does not hold together (422)"
    assert sorted(faults) == [
        "  /users/1/deadlin_s  is not a field here: remove it, or check its spelling; is it"
        " 'deadline_s'?",
        "  /users/1/risk       must be below 1",
    ]
    missing = run("show", "0" * 32)
    said = f"Error: There is no plan '{'0' * 32}'. GET /v1/plans lists those that exist.\n"
    assert (missing.exit_code, missing.stderr) == (1, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON: "),
        ('{"users": NaN}', "NaN is not a JSON number"),
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ("[]", "is not a JSON object"),
        ("\ufeff[]", "is not a JSON object"),
    ],
)
def test_a_file_that_is_no_request_is_wrong_usage(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(text.encode())
    answer = CliRunner().invoke(main, ["plan", "robust", str(path)])
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_a_service_that_is_not_there_is_told_in_a_line() -> None:
    answer = CliRunner().invoke(main, ["--url", "http://127.0.0.1:1", "--patience", "0", "list"])
    assert answer.exit_code == 1
    assert (
        answer.stderr
        == "Error: http://127.0.0.1:1 does not answer: Connection refused; is the service there? "
        "--url or SPLITPLAN_URL says where\n"
    )
    again = CliRunner().invoke(main, ["--url", "http://127.0.0.1:1", "--patience", "0.4", "list"])
    assert "trying again in 0." in again.stderr
    assert CliRunner().invoke(main, ["--url", "127.0.0.1:1", "list"]).exit_code == 2
    assert CliRunner().invoke(main, ["--url", "http://a:port", "list"]).exit_code == 2


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.02751, "J", "27.51 mJ"),
        (999.96e3, "Hz", "1 MHz"),
        (192e6, "Hz", "192 MHz"),
        (0.0, "s", "0 s"),
        (-0.25, "s", "-250 ms"),
        (None, "s", "-"),
        (3e-12, "J", "0.003 nJ"),
        (5e15, "FLOP", "5000 TFLOP"),
    ],
)
def test_units_are_readable(value: float | None, unit: str, shown: str) -> None:
    assert present.si(value, unit) == shown


@pytest.mark.parametrize("value", [0.0123449999, 1.0, 3.43702999e9, 0.1 + 0.2])
def test_what_is_enough_is_never_rounded_down(value: float) -> None:
    number, _, prefix = present.enough(value, "").partition(" ")
    factor = {"": 1.0, "m": 1e-3, "G": 1e9}[prefix]
    assert value <= float(number) * factor <= value * (1.0 + 2e-5)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, url: str, *words: str) -> None:
        self._master, slave = pty.openpty()
        environment = os.environ | {"SPLITPLAN_URL": url, "COLUMNS": "160", "TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "client.command", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def until(self, pattern: str) -> None:
        """Read what the terminal shows until it shows this."""
        end = time.monotonic() + 90.0
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, self.seen
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._master, 2**16).decode("utf-8", "replace")
                except OSError:  # the other end is closed
                    assert re.search(pattern, self.seen), self.seen

    def type(self, text: str) -> None:
        """Answer."""
        os.write(self._master, text.encode())

    def close(self) -> None:
        """End what is left of it."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(service: Service) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(Terminal(service.url, *words))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.mark.soak
def test_on_a_terminal_a_bar_moves_and_an_interrupt_is_asked_about(
    terminal: Callable[..., Terminal],
    stocked: PlanningClient,
    worker: str,
    written: Callable[[Json], Path],
) -> None:
    first = terminal("plan", "multi-user", str(written(a_long_request())), "--async", "--wait")
    first.until(r"branch and bound.* \d+%.*best [\d.]+, at least [\d.]+, gap ")
    first.process.send_signal(signal.SIGINT)
    first.until(r"plan [0-9a-f]{32} is not solved yet: .*\(cancel, leave, wait\) \[leave\]: ")
    first.type("leave\n")
    first.until(r"it goes on: splitplan-client watch [0-9a-f]{32}")
    assert first.process.wait(timeout=30) == 130
    (plan,) = stocked.plans()
    assert plan["status"] == "running"

    second = terminal("watch", plan["id"])
    second.until(r"branch and bound.* \d+%")
    second.process.send_signal(signal.SIGINT)
    second.until(r"\[leave\]: ")
    second.type("cancel\n")
    second.until(r"multi-user, 4000 users, cancelled in [\d.]+ m?s")
    second.until(r"total +cost [\d.]+: ")
    assert second.process.wait(timeout=30) == 0


@pytest.mark.slow
def test_measured_power_is_sent(
    run: Run, stocked: PlanningClient, written: Callable[[Json], Path], tmp_path: Path
) -> None:
    sent = run("measurements", "send-power", written(a_power_file()), "--device", "camera-cpu")
    assert sent.exit_code == 0, sent.output
    assert sent.stdout.startswith("measurement 1: 30 samples at 5 clocks made camera-cpu@2\n")
    assert "off at the median, a cube" in sent.stdout
    assert stocked.profile("devices", "camera-cpu")["provenance"] == "measured"
    board = {"processor": "gpu", "frequency_min_hz": 6e8, "frequency_max_hz": 1.02e9}
    stocked.create("devices", a_device(name="board") | board)
    logs = [LOGS / f"{name}.tegra" for name in ("15w_slm", "25w_slm", "maxn_slm")]
    idle = ["--idle", LOGS / "15w_idle.tegra", "--idle", LOGS / "maxn_idle.tegra"]
    how = ["--device", "board", "--format", "tegrastats", "--json"]
    answer = json.loads(run("measurements", "send-power", *logs, *idle, *how).stdout)
    assert (answer["clocks"], answer["runs"]) == (3, 5)
    assert [entry["number"] for entry in stocked.power_measurements("board")] == [1]
    table = tmp_path / "power.csv"
    table.write_text("clock_mhz,power_w\n600,3\n800,4\n1000,x\n")
    bad = run("measurements", "send-power", table, "--device", "camera-cpu")
    assert bad.exit_code == 1
    assert "line 4: power_w must be a number" in bad.stderr
    for files, words in (
        ([LOGS / "maxn_slm.tegra"], "does not say what it is: give form"),
        ([table, table], "only logs of powerstat or tegrastats may be several"),
    ):
        wrong = run("measurements", "send-power", *files, "--device", "camera-cpu")
        assert (wrong.exit_code, words in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_the_current_plan_is_shown_and_followed(
    run: Run, service: Service, stocked: PlanningClient
) -> None:
    first = stocked.solve("robust", a_request(name="lobby"))
    assert first["id"] in run("current", "lobby").stdout
    user = first["result"]["users"][0]
    assert json.loads(run("current", "lobby", "--user", user["id"]).stdout) == user
    for how, said in (((), f"lobby: plan {first['id']} (robust, 2 users)"), (("--json",), "{")):
        words = [sys.executable, "-m", "client.command", "--url", service.url, "follow", "lobby"]
        with subprocess.Popen([*words, *how], stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            assert following.stdout.readline().startswith(said)
            following.kill()
