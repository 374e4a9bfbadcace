"""Background work begun and done by hand, as a worker does it."""

from collections.abc import Sequence
from dataclasses import replace

from app.db import Database
from app.plans import taking
from app.plans.durable import Taken, Work


class Silent:
    """Watches over nothing."""

    def at(self, work_id: str) -> None:
        """Whatever it is at."""

    def ended(self, work_ids: Sequence[str]) -> None:
        """Whatever has ended."""

    def broken(self, work_id: str) -> None:
        raise AssertionError(f"{work_id} can be neither read nor stored")

    def enough(self) -> bool:
        return False


def taken(database: Database, kind: Work, work_id: str) -> Taken | None:
    """A new attempt at a piece, whoever had it; None where it has ended."""
    database = replace(database, project=None)  # workers look after all of them
    only = replace(kind, lanes={"quick": kind.rows.id == work_id})
    taking.take_over(database, only, [])
    found = taking.take(database, only, "quick", "someone", 1)
    return found[0] if found else None


def worked_off(database: Database, kind: Work, work_id: str) -> None:
    """Do one piece, unless it has ended."""
    if (piece := taken(database, kind, work_id)) is not None:
        kind.run(replace(database, project=None), [piece], Silent())
