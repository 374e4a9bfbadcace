"""Requests from tables of users, files and options."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from client.command import local_url, main
from client.ordering import plan as command
from client.planning import Json, PlanningClient
from tests.support.client import a_request
from tests.support.servers import Service
from tests.support.spreadsheets import as_csv

Run = Callable[..., Result]

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session"),
]

TERMS = ("--channel", "cell", "--server", "edge-gpu")


@pytest.fixture
def run(service: Service, stocked: PlanningClient, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Plans with a stocked service, found by its port."""
    monkeypatch.delenv("SPLITPLAN_URL", raising=False)
    monkeypatch.setenv("SPLITPLAN_PORT", service.url.rpartition(":")[2])
    return lambda *words: CliRunner().invoke(main, ["plan", *(str(word) for word in words)])


def result(answer: Result) -> Json:
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    return {"name": document["name"], "options": document["options"], **document["result"]}


@pytest.mark.slow
def test_one_plan_from_a_file_a_table_and_options(run: Run, tmp_path: Path) -> None:
    request = a_request(users=3, name="lobby", options={"seed": 3})
    _, users = as_csv(request)
    whole, table, terms, listed = (
        tmp_path / name for name in ("all.json", "fleet.csv", "terms.yaml", "fleet.yml")
    )
    whole.write_text(json.dumps(request))
    table.write_bytes(users)
    terms.write_text("channel: other\nserver: edge-gpu\noptions:\n  seed: 3\n")
    listed.write_text(json.dumps({"users": request["users"]}))
    told = result(run("robust", whole, "--json"))
    for words in (
        ("--users", table, *TERMS, "--set", "options.seed=3"),
        ("--users", table, *TERMS, "--set", "options={seed: 3}"),
        ("--users", table, "--request", terms, "--channel", "cell"),
        ("--users", listed, terms, "--channel", "cell"),
    ):
        assert result(run("robust", *words, "--name", "lobby", "--json")) == told
    dry = run("robust", "--users", table, *TERMS, "--dry-run", "--json")
    assert json.loads(dry.stdout)["object"] == "estimate"


def test_faults_of_a_table_are_told_with_their_lines(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "fleet.csv"
    table.write_bytes(as_csv(a_request())[1].replace(b"0.5", b"0.5 s"))
    answer = run("robust", "--users", table, *TERMS)
    assert answer.exit_code == 1
    assert "line 2, column deadline_s: must be a number, not '0.5 s'" in answer.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a REQUEST, or --users"),
        (["fleet.csv"], "fleet.csv is a table of users: --users fleet.csv"),
        (["all.json", "--request", "all.json"], "give one file"),
        (["all.json", "--users", "fleet.csv"], "all.json says users too"),
        (["--users", "fleet.xlsx"], "must end in one of .csv, .tsv, .parquet"),
        (["--users", "word.json"], "word.json is no list of users"),
        (["bad.yaml"], "bad.yaml is not YAML: line 2, column 1: 'a' is given twice"),
        (["list.yaml"], "list.yaml is not a YAML object"),
        (["all.json", "--set", "seed"], "say it as FIELD=VALUE"),
        (["all.json", "--set", "a..b=1"], "say it as FIELD=VALUE"),
        (["all.json", "--set", "options=[1,"], "the value cannot be read"),
    ],
)
def test_what_is_wrong_usage(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "all.json": '{"users": []}',
        "word.json": '"users"',
        "bad.yaml": "a: 1\na: 2\n",
        "list.yaml": "[]",
        "fleet.csv": "id\n",
        "fleet.xlsx": "",
    }.items():
        Path(name).write_text(text)
    with PlanningClient("http://127.0.0.1:1", patience_s=0.0) as nobody:
        answer = CliRunner().invoke(command, ["robust", *words], obj=nobody)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_the_service_is_where_the_port_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLITPLAN_URL", raising=False)
    monkeypatch.delenv("SPLITPLAN_PORT", raising=False)
    assert local_url() == "http://127.0.0.1:8000"
    monkeypatch.setenv("SPLITPLAN_PORT", "8123")
    assert local_url() == "http://127.0.0.1:8123"
    for port in ("0", "http", "70000"):
        monkeypatch.setenv("SPLITPLAN_PORT", port)
        answer = CliRunner().invoke(main, ["list"])
        assert (answer.exit_code, "no port to ask" in answer.stderr) == (2, True)
    monkeypatch.setenv("SPLITPLAN_URL", "http://127.0.0.1:1")  # it goes before
    answer = CliRunner().invoke(main, ["--patience", "0", "list"])
    assert "http://127.0.0.1:1 does not answer" in answer.stderr
