"""`splitplan timings estimate` and `devices estimate`, as an operator runs them."""

import json
from pathlib import Path

import pytest

from app import migration
from app.db import open_database
from app.profiles import service as profiles
from app.profiles.schemas.device import Device
from app.profiles.schemas.model import Model
from tests.support.builders import a_model
from tests.support.operator import splitplan

CLOCK = ["--frequency-max-hz", "1.8e9", "--busy-power-w", "6.4", "--idle-power-w", "2.7"]
DEVICE = ["--name", "my-board", "--processor", "cpu", "--tx-power-w", "0.1", *CLOCK]
TIMING = ["--name", "guess", "--processor", "my-board", "--model", "small-net"]


@pytest.mark.slow
def test_a_device_and_its_timing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plans.db"
    database = open_database(url).of("default")
    migration.migrate(database)
    with database.writing() as session:
        profiles.create(session, Model.model_validate(a_model()))
    there = {"SPLITPLAN_DATABASE_URL": url}
    made = splitplan("devices", "estimate", *DEVICE, **there)
    assert "stored my-board@1" in made.stderr, made.stderr
    point = ["--point", "0.1", "1.8e9", "--std-s", "0.001"]
    shown = splitplan("timings", "estimate", *TIMING, *point, "--dry-run", "--json", **there)
    assert json.loads(shown.stdout)["provenance"] == "analytic"
    assert "not stored" in shown.stderr
    wrong = splitplan("timings", "estimate", *TIMING, "--time-s", "0.1", **there)
    assert wrong.returncode != 0
    assert "/frequency_hz: is required" in wrong.stderr
    with database.reading() as session:
        assert profiles.get(session, Device, "my-board").revision == 1
