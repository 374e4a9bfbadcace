"""The environment, read once."""

import os
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import read_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SPLITPLAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_the_defaults(tmp_path: Path) -> None:
    settings = read_settings()
    assert settings.database_url == f"sqlite:///{tmp_path}/splitplan/splitplan.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.max_users >= 10_000


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "splitplan.env"
    file.write_text("SPLITPLAN_PORT=9000\nSPLITPLAN_HOST=::1\nOTHER=1\n")
    monkeypatch.setenv("SPLITPLAN_ENV_FILE", str(file))
    monkeypatch.setenv("SPLITPLAN_PORT", "9001")
    settings = read_settings()
    assert (settings.host, settings.port) == ("::1", 9001)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SPLITPLAN_PROT", "80", "SPLITPLAN_PROT is not a setting; is it SPLITPLAN_PORT?"),
        ("SPLITPLAN_PORT", "eighty", "SPLITPLAN_PORT: "),
        ("SPLITPLAN_PORT", "99999", "SPLITPLAN_PORT: "),
        ("SPLITPLAN_DATABASE_URL", "mysql://x/y", "must begin with sqlite:/// or postgresql://"),
        ("SPLITPLAN_DATABASE_URL", "nonsense", "is not a database URL"),
        ("SPLITPLAN_DATABASE_URL", "sqlite://", "must name a file"),
        ("SPLITPLAN_ENV_FILE", "/nowhere", "is not a file"),
    ],
)
def test_a_wrong_setting_is_told_clearly(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=told.replace("?", r"\?")):
        read_settings()


def test_a_wrong_name_in_the_file_is_told_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "splitplan.env"
    file.write_text("SPLITPLAN_HOTS=x\n")
    monkeypatch.setenv("SPLITPLAN_ENV_FILE", str(file))
    with pytest.raises(
        ConfigurationError, match="SPLITPLAN_HOTS is not a setting; is it SPLITPLAN_HOST"
    ):
        read_settings()


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITPLAN_DATABASE_URL", "postgresql://planner:secret@db/plans")
    shown = read_settings().shown()
    assert shown["SPLITPLAN_DATABASE_URL"] == "postgresql://planner:***@db/plans"
    assert "secret" not in str(shown)
