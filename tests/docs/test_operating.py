"""The page for whoever is on call: what it says to type works, and what it names exists."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import open_database
from app.settings import Settings
from tests.support.servers import Service

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
CODE = "\n".join(path.read_text() for path in (Path(__file__).parents[2] / "app").rglob("*.py"))


def queries() -> list[tuple[str, str]]:
    """Each query of the page, with the comment above it."""
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    found = [
        re.fullmatch(r"\s*-- (.*?)\n(.*)", part, re.DOTALL)
        for part in block.split(";")
        if part.strip()
    ]
    return [(match[1], match[2]) for match in found if match is not None]


def test_every_query_runs(service: Service, worker: str, backend: str) -> None:
    database = open_database(service.settings.database_url)
    other = "SQLite" if backend == "postgresql" else "Postgres"
    ran = 0
    try:
        for comment, query in queries():
            if comment.startswith(other) or f"({other}" in comment:
                continue
            with database.reading() as session:
                session.execute(text(query)).all()
            ran += 1
    finally:
        database.engine.dispose()
    assert ran >= (8 if backend == "postgresql" else 3)


def test_every_setting_exists() -> None:
    (table,) = re.findall(r"## Settings.*?\n(\|.*?)\n\n", PAGE, re.DOTALL)
    named = {
        name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }
    named |= set(re.findall(r"SPLITPLAN_([A-Z_]+)", PAGE))
    assert len(named) > 10
    assert named <= {name.upper() for name in Settings.model_fields}


def test_every_line_of_the_log_is_said() -> None:
    (table,) = re.findall(r"(\| line in the log.*?)\n\n", PAGE, re.DOTALL)
    named = [
        line
        for row in table.splitlines()[2:]
        for line in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    assert len(named) > 10
    said = re.sub(r"%(\.\d+)?[sdf]|\{[^}]*\}", "…", CODE)
    for line in named:
        fragments = [
            part.strip()
            for part in re.split(r"…|\(psycopg|\(\d of \d\)|-9|\bN\b", line)
            if len(part.strip()) > 4
        ]
        if "semaphore" not in line:  # Python's own
            assert all(fragment in said for fragment in fragments), line


@pytest.mark.parametrize("pause", ["5 s, 30 s, 5 min, 30 min, 2 h, 5 h and 10 h"])
def test_webhooks_are_tried_as_it_says(pause: str) -> None:
    from app.webhooks import PAUSES_S

    unit = {"s": 1.0, "min": 60.0, "h": 3600.0}
    assert pause in PAGE
    assert [
        float(number) * unit[name] for number, name in re.findall(r"(\d+) (s|min|h)\b", pause)
    ] == list(PAUSES_S)
