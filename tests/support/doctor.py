"""What `splitplan doctor` finds, asked of its parts without looking at everything else."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from app.doctor.findings import Finding, State
from tests.support.operator import splitplan


def faults(found: Iterable[Finding]) -> str:
    """What is not well, a line each: check, state, words and mend."""
    return "\n".join(
        f"{each.check} {each.state}: {each.says} → {each.mend}"
        for each in found
        if each.state is not State.OK
    )


def told(exit_code: int, **settings: str) -> dict[str, dict[str, Any]]:
    """What the command says as JSON, the worst of each check."""
    ran = splitplan("doctor", "--json", **settings)
    assert ran.returncode == exit_code, ran.stdout
    order = [state.value for state in (State.OK, State.WARNING, State.WRONG)]
    checks = sorted(json.loads(ran.stdout)["checks"], key=lambda one: order.index(one["state"]))
    return {one["check"]: one for one in checks}


def change(file: Path, *statements: str) -> None:
    """Change a database behind the service's back."""
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
