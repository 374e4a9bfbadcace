"""The command as a person runs it: a real network, a made-up board, a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.measurements.schemas.files import MeasurementFile
from profiler import bundle
from profiler.command import main
from tests.support.profiler import boards, nets


@pytest.fixture(autouse=True)
def _on_all_cores() -> Iterator[None]:
    """A run pins its process, which here is the test's."""
    cores, handler = os.sched_getaffinity(0), signal.getsignal(signal.SIGTERM)
    yield
    os.sched_setaffinity(0, cores)
    signal.signal(signal.SIGTERM, handler)


def arguments(folder: Path, *more: str) -> list[str]:
    """A short run of the classifier."""
    path = folder / "net.onnx"
    if not path.exists():
        nets.saved(nets.a_classifier(), folder)
    short = ["--repetitions", "3", "--gap-s", "0", "--warm-up", "1", "--sysfs", str(folder / "sys")]
    return [
        "run",
        str(path),
        "--processor",
        "box",
        "--out",
        str(folder / "out.json"),
        *short,
        *more,
    ]


def written(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "out.json").read_text())
    MeasurementFile.model_validate(content)
    return content


def samples(content: dict[str, Any], **wanted: object) -> list[dict[str, Any]]:
    return [
        sample
        for session in content["sessions"]
        for sample in session["samples"]
        if all(sample.get(name) == value for name, value in wanted.items())
    ]


@pytest.mark.slow
def test_a_run_measures_both_halves_of_every_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(tmp_path)) == 0
    content = written(tmp_path)
    assert (content["model"], content["processor"], len(content["sessions"])) == ("net", "box", 2)
    assert len(content["model_sha256"]) == 64
    told = capsys.readouterr()
    assert "frequency_hz stays null" in told.err
    assert "whether it was steady is not known" in told.err
    assert "48/48 visits" in told.err
    assert content["runtime"]["clock"].startswith("none")
    for session in content["sessions"]:
        parts = {(sample["cut"], sample["part"]) for sample in session["samples"]}
        assert parts == {(cut, part) for cut in range(8) for part in ("device", "server")} - {
            (0, "device"),
            (7, "server"),
        }
        pairs = {
            part: {
                n: s["order"] for s in session["samples"] if s["part"] == part for n in [s["cut"]]
            }
            for part in ("device", "server")
        }
        assert all(pairs["device"][cut] == pairs["server"][cut] for cut in range(1, 7))
        every = sorted(
            {n for orders in pairs["server"].values() for n in orders} | set(pairs["device"][7])
        )
        assert every == list(range(24))
    for sample in samples(content):
        assert sample["frequency_hz"] is None
        assert (
            len(sample["time_s"])
            == len(sample["cpu_time_s"])
            == len(sample["involuntary_switches"])
            == 3
        )
        assert all(time_s > 0 for time_s in sample["time_s"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "out.json"]
    lines = [line.split() for line in told.out.splitlines()]
    assert [line[-1] for line in lines[1:]] == [
        "input",
        "conv1",
        "relu1",
        "pool1",
        "conv2",
        "flat",
        "logits",
        "scores",
    ]


@pytest.mark.slow
def test_one_part_alone(tmp_path: Path) -> None:
    assert main(arguments(tmp_path, "--parts", "server", "--sessions", "1")) == 0
    found = samples(written(tmp_path))
    assert {(sample["cut"], sample["part"]) for sample in found} == {
        (cut, "server") for cut in range(7)
    }


@pytest.mark.slow
def test_clocks_are_set_and_given_back(tmp_path: Path) -> None:
    folder = boards.a_cpu(tmp_path / "sys")
    before = boards.limits(folder)
    assert main(arguments(tmp_path, "--clocks", "all", "--sessions", "1")) == 0
    assert boards.limits(folder) == before
    content = written(tmp_path)
    found = samples(content, cut=2, part="device")
    assert [(s["requested_hz"], s["frequency_hz"]) for s in found] == [
        (1e3 * khz, 1e3 * khz) for khz in boards.LEVELS_KHZ
    ]
    assert all(len(sample["time_s"]) == 3 for sample in found)
    assert content["runtime"]["clock"].endswith("scaling_cur_freq")


@pytest.mark.slow
def test_throttling_is_recorded_as_measured_and_fails_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boards.a_cpu(tmp_path / "sys", actual_khz=729_600)
    asked = arguments(
        tmp_path, "--clocks", "7.296e8,1.9072e9", "--sessions", "1", "--repetitions", "1"
    )
    assert main(asked) == 3
    assert "was not the requested one in 8" in capsys.readouterr().err
    for sample in samples(written(tmp_path)):
        assert sample["frequency_hz"] == 7.296e8
    assert len(samples(written(tmp_path), requested_hz=1.9072e9)) == 14
    assert main([*asked, "--accept-unsteady"]) == 0


@pytest.mark.slow
def test_a_declared_clock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            arguments(tmp_path, "--frequency-hz", "1.9e9", "--sessions", "1", "--repetitions", "1")
        )
        == 0
    )
    content = written(tmp_path)
    assert {sample["frequency_hz"] for sample in samples(content)} == {1.9e9}
    assert content["runtime"]["clock"] == "declared by the operator"
    assert main(arguments(tmp_path, "--frequency-hz", "1.9e9", "--clocks", "all")) == 1
    assert "cannot go with --clocks" in capsys.readouterr().err


def halt(run: "subprocess.Popen[str]", board: Path) -> None:
    """Stop a run between two settings of its clock: a made-up file is empty for a moment, a
    kernel's never is.
    """
    while True:
        run.send_signal(signal.SIGSTOP)
        os.waitpid(run.pid, os.WUNTRACED)
        if all(boards.limits(board)):
            return
        run.send_signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_goes_on_where_it_stopped(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = boards.a_cpu(tmp_path / "sys")
    before = boards.limits(folder)
    asked = arguments(tmp_path, "--repetitions", "400", "--sessions", "2", "--clocks", "all")
    journal = tmp_path / "out.json.journal"
    started = subprocess.Popen(
        [sys.executable, "-m", "profiler", *asked],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (journal.exists() and journal.read_bytes().count(b'"visit"') >= 50):
            assert started.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        halt(started, folder)
    finally:
        started.send_signal(number)
        started.send_signal(signal.SIGCONT)
        _, said = started.communicate(timeout=60)
    kept = [
        json.loads(line)
        for line in journal.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    first = [line["visit"] for line in kept if "visit" in line]
    assert len(first) >= 50
    if number == signal.SIGTERM:
        assert "go on with --resume" in said
        assert boards.limits(folder) == before
    assert not (tmp_path / "out.json").exists()
    assert main(asked) == 1  # not without being told to
    rounds = max(visit[2] for visit in first) + 2  # at least one that the killed run did not begin
    shorter = [*asked, "--repetitions", str(rounds), "--resume"]
    assert main(shorter) == 0
    assert boards.limits(folder) == before
    content = written(tmp_path)
    assert len(content["sessions"]) == 3
    interrupted = content["sessions"][0]["samples"]
    times = {
        (s["cut"], order, s["part"]): t
        for s in interrupted
        for order, t in zip(s["order"], s["time_s"], strict=True)
    }
    for _, _, _, _, cut, order, *_, device, server in first:
        for part, reading in (("device", device), ("server", server)):
            assert (reading is None) == ((cut, order, part) not in times)
            assert reading is None or times[cut, order, part] == reading[0]
    for cut in range(1, 8):
        for khz in boards.LEVELS_KHZ:
            found = samples(content, cut=cut, part="device", requested_hz=1e3 * khz)
            assert sum(len(sample["time_s"]) for sample in found) == 2 * rounds
    assert not journal.exists()


@pytest.mark.slow
def test_a_profile_says_which_cuts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = [
        {
            "name": "input",
            "flop": 0,
            "feature_byte": 3072,
            "parameter_byte": 0,
            "tensors": ["image"],
        },
        {
            "name": "middle",
            "flop": 1,
            "feature_byte": 2048,
            "parameter_byte": 1,
            "tensors": ["pool1"],
        },
        {"name": "end", "flop": 2, "feature_byte": 0, "parameter_byte": 2},
    ]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"name": "my-net", "cuts": cuts}))
    assert main(arguments(tmp_path, "--profile", str(profile), "--sessions", "1")) == 0
    content = written(tmp_path)
    assert content["model"] == "my-net"
    assert {sample["cut"] for sample in samples(content)} == {0, 1, 2}
    profile.write_text(json.dumps({"name": "my-net", "cuts": cuts, "source_sha256": "0" * 64}))
    assert main(arguments(tmp_path, "--profile", str(profile))) == 1
    assert "was read from another file" in capsys.readouterr().err
    profile.write_text(
        json.dumps({"name": "my-net", "cuts": [cuts[0], cuts[1] | {"tensors": None}, cuts[2]]})
    )
    assert main(arguments(tmp_path, "--profile", str(profile))) == 1
    assert (
        "cut 1 of the profile 'my-net' does not say which tensors cross" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--clocks", "1e9"], "tells no clock of the cores"),
        (["--devfreq", "gpu"], "has no 'gpu'"),
        (["--threads", "4096"], "4096 threads need as many cores"),
        (["--shape", "image:1,2"], "image"),
        (["--shape", "image"], "is not of the form"),
        (["--name", "My Net"], "'My Net' is no name of a profile"),
        (["--provider", "NoSuchExecutionProvider"], "NoSuchExecutionProvider"),
        (["--profile", "/nowhere.json"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(arguments(tmp_path, *more)) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    assert said in told
    assert not (tmp_path / "out.json").exists()


def test_a_file_that_is_no_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\xff" * 100)
    assert main(arguments(tmp_path)) == 1
    assert "not an ONNX model" in capsys.readouterr().err


class _Door(BaseHTTPRequestHandler):
    """Knows every network and board, and takes measurements at one address."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.server.received = (
            self.path,
            self.headers,
            self.rfile.read(int(self.headers["Content-Length"])),
        )  # type: ignore[attr-defined]
        taken = self.path.endswith("/box.net/measurements")
        answer = {
            "revision": 4,
            "quality": [
                {"cut": 1, "part": None, "check": "drift", "severity": "warning", "detail": "moved"}
            ],
        }
        self.send_response(201 if taken else 422)
        self.end_headers()
        self.wfile.write(json.dumps(answer if taken else {"detail": "no such timing"}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.slow
def test_the_file_is_sent_where_it_is_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITPLAN_API_KEY", "secret")
    with HTTPServer(("127.0.0.1", 0), _Door) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert main(arguments(tmp_path, "--upload", url)) == 0
            path, headers, body = server.received  # type: ignore[attr-defined]
            assert path == "/v1/timings/box.net/measurements"
            assert headers["Authorization"] == "Bearer secret"
            assert json.loads(body) == written(tmp_path)
            told = capsys.readouterr().err
            assert "revision 4 of the timing box.net" in told
            assert "warning: cut 1 drift: moved" in told
            assert main(arguments(tmp_path, "--upload", url, "--timing", "other")) == 1
            assert "no such timing" in capsys.readouterr().err
            assert (tmp_path / "out.json").exists()
        finally:
            server.shutdown()


@pytest.mark.slow
def test_the_bundle_runs_from_one_file(tmp_path: Path) -> None:
    archive = tmp_path / "splitplan-profiler.pyz"
    bundle.bundle(archive)
    names = zipfile.ZipFile(archive).namelist()
    assert {name.split("/")[0] for name in names} == {"__main__.py", "profiler", "solvers"}
    assert {name.split("/")[1] for name in names if name.startswith("solvers/")} == {
        "",
        "__init__.py",
        "onnx_reader",
    }
    ran = subprocess.run(
        [
            sys.executable,
            "-I",
            archive,
            *arguments(tmp_path, "--sessions", "1", "--repetitions", "1"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert samples(written(tmp_path))
