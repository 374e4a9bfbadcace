"""`splitplan keys`: made, listed, revoked."""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.support.operator import failed, splitplan


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/splitplan.db"
    assert splitplan("migrate", SPLITPLAN_DATABASE_URL=address).returncode == 0
    return address


def test_a_key_is_made_shown_once_listed_and_revoked(url: str, tmp_path: Path) -> None:
    def keys(*arguments: str) -> str:
        ran = splitplan("keys", *arguments, SPLITPLAN_DATABASE_URL=url)
        assert ran.returncode == 0, ran
        return str(ran.stdout)

    made = keys(
        "create", "--name", "hall 3", "--project", "hall", "--scope", "plan", "--expires", "90d"
    )
    key = made.strip()
    assert re.fullmatch(r"spk_[0-9a-f]{12}_[0-9a-f]{64}", key)
    keys("create", "--name", "ops", "--scope", "read", "--scope", "admin")
    _, key_id, secret = key.split("_")
    listed = [line.split("\t") for line in keys("list").splitlines()]
    assert [line[:4] for line in listed[1:]] == [
        [key_id, "hall", "plan", "in use"],
        [listed[2][0], "default", "admin", "in use"],
    ]
    assert secret not in keys("list")
    assert len(keys("list", "--project", "hall").splitlines()) == 2
    keys("revoke", key_id)
    assert keys("list", "--project", "hall").splitlines()[1].split("\t")[3] == "revoked"
    with sqlite3.connect(tmp_path / "splitplan.db") as database:
        stored = str(database.execute("SELECT * FROM api_key").fetchall())
    assert secret not in stored


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "--name", ""), "1 to 100 characters"),
        (("create", "--name", "x", "--project", "No"), "must match"),
        (("create", "--name", "x", "--scope", "root"), "'root' is not one of"),
        (("create", "--name", "x", "--expires", "soon"), "send days"),
        (("create", "--name", "x", "--expires", "2020-01-01"), "2020-01-01 is over"),
    ],
)
def test_what_is_wrong_is_told_and_makes_no_key(
    url: str, arguments: tuple[str, ...], told: str
) -> None:
    ran = splitplan("keys", *arguments, SPLITPLAN_DATABASE_URL=url)
    assert ran.returncode == 2
    assert told in ran.stderr
    assert len(splitplan("keys", "list", SPLITPLAN_DATABASE_URL=url).stdout.splitlines()) == 1


def test_an_unknown_key_cannot_be_revoked(url: str) -> None:
    ran = splitplan("keys", "revoke", "0" * 12, SPLITPLAN_DATABASE_URL=url)
    assert "there is no key '000000000000'" in failed(ran)


def test_beyond_loopback_with_a_key(url: str) -> None:
    """With a key or an issuer the service gets as far as the port, which cannot be had."""
    where = {"SPLITPLAN_DATABASE_URL": url, "SPLITPLAN_HOST": "192.0.2.1"}
    assert "splitplan keys create" in failed(splitplan("serve", **where))
    trusted = {"SPLITPLAN_OIDC_ISSUER": "https://id.example.org", "SPLITPLAN_OIDC_AUDIENCE": "plan"}
    assert "cannot listen on 192.0.2.1" in failed(splitplan("serve", **where, **trusted))
    assert splitplan("keys", "create", "--name", "x", SPLITPLAN_DATABASE_URL=url).returncode == 0
    assert "cannot listen on 192.0.2.1" in failed(splitplan("serve", **where))
