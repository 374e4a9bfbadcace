"""`splitplan doctor` on real installations that are broken in each way: an operator reads it."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app import migration
from app.doctor import kernel
from app.doctor.findings import ok
from tests.support.doctor import change, told
from tests.support.operator import splitplan

PAGE = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
PASSWORD = "planted-password-1234"


@pytest.fixture(scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("installed") / "splitplan.db"
    made = splitplan("migrate", "--load-catalogue", SPLITPLAN_DATABASE_URL=f"sqlite:///{file}")
    assert made.returncode == 0, made
    return file


@pytest.fixture
def file(tmp_path: Path, _installed: Path) -> Path:
    """A database with the catalogue."""
    return Path(shutil.copy(_installed, tmp_path / "splitplan.db"))


@pytest.fixture
def here(file: Path) -> dict[str, str]:
    """The settings of an installation that nothing is wrong with, and that does not run."""
    return {"SPLITPLAN_DATABASE_URL": f"sqlite:///{file}", "SPLITPLAN_PORT": "0"}


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not solved each time: that has a test of its own."""
    monkeypatch.setattr(kernel, "look", lambda _: iter([ok("kernel", "not looked at")]))


@pytest.mark.slow
def test_a_sound_installation_is_told_so_and_left_as_it_was(
    here: dict[str, str], file: Path
) -> None:
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    ran = splitplan("doctor", **here)
    assert ran.returncode == 0, ran.stdout
    assert "\n0 wrong, " in ran.stdout, ran.stdout
    assert "no worker was heard of" in ran.stdout
    assert "numpy finds the same plan" in ran.stdout or "numpy plans a small cell" in ran.stdout
    assert f"version {migration.newest()}, the newest" in ran.stdout
    assert before == {path.name: path.read_bytes() for path in file.parent.iterdir()}
    found = set(re.findall(r"^(?:ok|warning|wrong) +(\w+):", ran.stdout, re.MULTILINE))
    of_a_server = {"clock", "connections", "rights", "service"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) >= found | of_a_server


def test_what_is_kept_of_a_service_that_runs_is_looked_at(
    here: dict[str, str], file: Path, no_kernel: None
) -> None:
    """What is in the log alone, too."""
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute(
            "INSERT INTO api_key (id, digest, name, project, scope, created_at)"
            " VALUES ('0123456789ab', 'x', 'old', 'default', 'read', '2020-01-01')"
        )
        writer.commit()
        assert Path(f"{file}-wal").stat().st_size > 0
        found = told(0, **here)
    assert "never used in 30 days: 0123456789ab (old)" in found["keys"]["says"]
    assert "database" in found
    assert found["database"]["state"] == "ok"


def broken() -> Iterator[tuple[str, dict[str, str], str, str, str]]:
    """Settings, and what they are told: check, state, words."""
    yield "unknown", {"SPLITPLAN_PROT": "1"}, "settings", "wrong", "is it SPLITPLAN_PORT?"
    yield "not a number", {"SPLITPLAN_MAX_USERS": "x"}, "settings", "wrong", "SPLITPLAN_MAX_USERS: "
    yield "half of two", {"SPLITPLAN_TLS_CERT": "/x"}, "settings", "wrong", "set both or neither"
    yield (
        "no audience", {"SPLITPLAN_OIDC_ISSUER": "https://id.example.org"},
        "settings", "wrong", "without an audience",
    )  # fmt: skip
    yield "no file", {"SPLITPLAN_ENV_FILE": "/none"}, "settings", "wrong", "which is not a file"
    yield (
        "workers",
        {"SPLITPLAN_WORKERS": "3"},
        "settings",
        "wrong",
        "SQLite database has one worker",
    )
    yield "slots", {"SPLITPLAN_SLOTS": "200"}, "settings", "warning", "each takes one"
    yield "no secret", {"SPLITPLAN_WEBHOOK_PRIVATE": "1"}, "settings", "warning", "no webhooks"
    yield (
        "bodies", {"SPLITPLAN_MAX_BODIES_BYTE": "2048"}, "settings", "warning", "together fewer"
    )  # fmt: skip
    yield (
        "ports", {"SPLITPLAN_PORT": "8123", "SPLITPLAN_METRICS_PORT": "8123"},
        "settings", "wrong", "both to listen on port 8123",
    )  # fmt: skip
    yield (
        "origin", {"SPLITPLAN_CORS_ORIGINS": "https://a.example:443"},
        "settings", "warning", "no browser says the origin",
    )  # fmt: skip
    yield "open", {"SPLITPLAN_HOST": "0.0.0.0"}, "keys", "wrong", "it does not start"
    yield (
        "guarded", {"SPLITPLAN_HOST": "0.0.0.0", "SPLITPLAN_ALLOW_UNAUTHENTICATED": "1"},
        "keys", "warning", "whoever reaches it may change everything",
    )  # fmt: skip
    yield "clear", {"SPLITPLAN_HOST": "0.0.0.0"}, "tls", "warning", "in the clear"
    yield "any host", {"SPLITPLAN_HOST": "0.0.0.0"}, "network", "warning", "DNS rebinding"
    yield (
        "any proxy", {"SPLITPLAN_TRUSTED_PROXIES": "0.0.0.0/0"},
        "network", "warning", "anybody may say where a request comes from",
    )  # fmt: skip
    yield (
        "far proxy", {"SPLITPLAN_TRUSTED_PROXIES": "10.1.2.3"},
        "network", "warning", "cannot reach 127.0.0.1",
    )  # fmt: skip
    yield (
        "metrics", {"SPLITPLAN_METRICS_PORT": "9100", "SPLITPLAN_METRICS_HOST": "0.0.0.0"},
        "network", "warning", "reads the metrics",
    )  # fmt: skip
    yield (
        "files", {"SPLITPLAN_MAX_CONNECTIONS": "100000"},
        "network", "warning", "files may be open at a time",
    )  # fmt: skip
    yield (
        "no database URL", {"SPLITPLAN_DATABASE_URL": f"mysql://me:{PASSWORD}@h/x"},
        "database", "wrong", "SPLITPLAN_DATABASE_URL cannot be read",
    )  # fmt: skip
    yield (
        "no folder", {"SPLITPLAN_DATABASE_URL": "sqlite:////none/x.db"},
        "database", "wrong", "there is no folder /none",
    )  # fmt: skip
    yield (
        "no server", {"SPLITPLAN_DATABASE_URL": f"postgresql://me:{PASSWORD}@127.0.0.1:1/x"},
        "database", "wrong", "postgresql://me:***@127.0.0.1:1/x cannot be asked",
    )  # fmt: skip
    yield (
        "no certificate", {"SPLITPLAN_TLS_CERT": "/none", "SPLITPLAN_TLS_KEY": "/none"},
        "tls", "wrong", "SPLITPLAN_TLS_CERT cannot be read: No such file",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "check", "state", "says"),
    [pytest.param(*rest, id=name) for name, *rest in broken()],
)
def test_settings_that_are_wrong_are_told_in_words(
    here: dict[str, str], no_kernel: None, given: dict[str, str], check: str, state: str, says: str
) -> None:
    ran = splitplan("doctor", "--json", **here | given)
    document = json.loads(ran.stdout)
    assert ran.returncode == (document["state"] == "wrong"), "the exit code says whether it works"
    met = [one for one in document["checks"] if one["check"] == check and says in one["says"]]
    assert [one["state"] for one in met] == [state], ran.stdout
    assert met[0]["mend"], "and what to do"
    assert PASSWORD not in ran.stdout


def test_all_that_is_wrong_is_told_at_once(here: dict[str, str], no_kernel: None) -> None:
    """`serve` stops at the first; what can be looked at all the same is."""
    given = {"SPLITPLAN_PROT": "1", "SPLITPLAN_SLOTS": "0", "SPLITPLAN_LEASE_S": "x"}
    ran = splitplan("doctor", "--json", **here | given)
    settings = [
        one["says"] for one in json.loads(ran.stdout)["checks"]
        if (one["check"], one["state"]) == ("settings", "wrong")
    ]  # fmt: skip
    assert len(settings) == 3, settings
    assert '"version 00' in ran.stdout, "the schema is looked at"


def test_a_file_and_the_environment_that_say_two_things(
    here: dict[str, str], no_kernel: None, tmp_path: Path
) -> None:
    kept = tmp_path / "splitplan.env"
    kept.write_text("SPLITPLAN_PORT=9000\nSPLITPLAN_API_KEY=planted-key-5678\n")
    kept.chmod(0o644)
    ran = splitplan("doctor", SPLITPLAN_ENV_FILE=str(kept), **here)
    assert "SPLITPLAN_PORT is one thing in" in ran.stdout
    assert "everybody on this machine may read it" in ran.stdout
    assert "planted-key" not in ran.stdout


def test_a_database_of_another_release(here: dict[str, str], file: Path, no_kernel: None) -> None:
    def schema(exit_code: int, *statements: str) -> str:
        change(file, *statements)
        return str(told(exit_code, **here)["schema"]["says"])

    assert schema(0).startswith(f"version {migration.newest()}, the newest")
    assert "was not finished: _alembic_tmp_plan" in schema(0, "CREATE TABLE _alembic_tmp_plan (x)")
    assert "lacks the column worker.slots" in schema(1, "ALTER TABLE worker DROP COLUMN slots")
    assert "lacks the table worker" in schema(1, "DROP TABLE worker")
    assert "newer release" in schema(1, "UPDATE alembic_version SET version_num = '9999'")
    assert "is older than" in schema(1, "UPDATE alembic_version SET version_num = '0001'")
    assert "2 versions are kept" in schema(1, "INSERT INTO alembic_version VALUES ('0002')")
    assert "no version of a schema" in schema(1, "DROP TABLE alembic_version")


def test_profiles_that_are_not_stored(here: dict[str, str], file: Path, no_kernel: None) -> None:
    change(file, "UPDATE profile SET hidden = 1 WHERE name = 'alexnet'")
    assert "1 were deleted" in told(0, **here)["catalogue"]["says"]
    change(file, "PRAGMA foreign_keys = OFF", "DELETE FROM profile_revision", "DELETE FROM profile")
    found = told(0, **here)["catalogue"]
    assert "shipped profiles are not stored" in found["says"]
    assert found["mend"] == "`splitplan catalogue load`"


def test_a_look_that_fails_ends_no_other(
    here: dict[str, str], no_kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.doctor.keys.look", lambda *_: 1 / 0)
    found = told(0, **here)
    assert "could not be looked at: ZeroDivisionError" in found["keys"]["says"]
    assert found["catalogue"]["state"] == "ok"
