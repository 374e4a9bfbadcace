"""`splitplan fit power`, as an operator runs it."""

import json
from pathlib import Path

import pytest

from app import migration
from app.db import Database, open_database
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from tests.support.builders import a_device
from tests.support.operator import failed, splitplan
from tests.support.power import LOGS, a_power_file

RUNS = [str(LOGS / f"{name}.tegra") for name in ("15w_slm", "25w_slm", "maxn_slm")]
IDLE = ["--idle", str(LOGS / "15w_idle.tegra"), "--idle", str(LOGS / "maxn_idle.tegra")]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database of the newest schema with a camera in it."""
    opened = open_database(f"sqlite:///{tmp_path}/plans.db").of("default")
    migration.migrate(opened)
    with opened.writing() as session:
        profiles.create(session, Device.model_validate(a_device()))
    return opened


def test_a_fit_is_told_with_its_intervals_and_doubts(tmp_path: Path) -> None:
    table = tmp_path / "power.csv"
    rows = [f"{mhz},{1.0 + 2e-6 * mhz**2}" for mhz in (400, 600, 800, 1000)]
    table.write_text("\n".join(["clock_mhz,power_w", *rows, *rows]))
    told = splitplan("fit", "power", str(table), "--above-idle")
    assert told.returncode == 0, told.stderr
    assert "power_exponent          2  (1." in told.stdout
    assert "static_power_w          1 W  (0.9" in told.stdout
    assert "energy_per_inference_j  0 J  (not told)" in told.stdout
    assert "error of a cube" in told.stdout
    assert "400 MHz        2" in told.stdout
    assert "no sample has its time" in told.stdout
    assert "warning" not in told.stdout


def test_logs_are_runs_and_json_is_for_programs() -> None:
    told = splitplan("fit", "power", *RUNS, *IDLE, "--format", "tegrastats", "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert [round(one["frequency_hz"], -7) for one in found["levels"]] == [6.1e8, 9e8, 1.01e9]
    assert found["idle_power_w"] == pytest.approx(5.26, abs=0.01)


@pytest.mark.slow
def test_a_revision_is_made_only_on_request(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "power.json"
    file.write_text(json.dumps(a_power_file()))
    how = ["fit", "power", str(file), "--device", "camera-cpu"]
    url = str(database.engine.url)

    def revision() -> int:
        with database.reading() as session:
            return profiles.get(session, Device, "camera-cpu").revision

    assert splitplan(*how, SPLITPLAN_DATABASE_URL=url).returncode == 0
    assert revision() == 1
    applied = splitplan(*how, "--apply", SPLITPLAN_DATABASE_URL=url)
    assert applied.returncode == 0, applied.stderr
    assert applied.stderr == "stored camera-cpu@2\n"
    assert revision() == 2
    missing = failed(
        splitplan("fit", "power", str(file), "--device", "nobody", SPLITPLAN_DATABASE_URL=url)
    )
    assert "nobody" in missing


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    table = tmp_path / "power.csv"
    table.write_text("clock_mhz,power_w\n600,3\n800\n")
    told = failed(splitplan("fit", "power", str(table)))
    assert "power.csv: line 3: has 1 cells under a heading of 2" in told
    table.write_text("clock_mhz,power_w,workload\n600,3,idle\n")
    assert "all samples are idle" in failed(splitplan("fit", "power", str(table)))
    wrong = tmp_path / "power.json"
    wrong.write_text("{")
    assert "is not JSON" in failed(splitplan("fit", "power", str(wrong)))
    wrong.write_text('{"sessions": []}')
    assert "/sessions: " in failed(splitplan("fit", "power", str(wrong)))
    for arguments, words in (
        ([RUNS[0]], "say --format"),
        ([str(table), str(table)], "csv is one file"),
        ([str(table), "--apply"], "say --device"),
    ):
        usage = splitplan("fit", "power", *arguments)
        assert usage.returncode == 2
        assert words in usage.stderr
