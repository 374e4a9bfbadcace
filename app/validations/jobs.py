"""A validation's way from accepted to ended, whoever is killed on it; see `app.plans.durable`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Float, cast, null, select, true, update
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import PlanNotFound
from app.plans import durable
from app.plans.durable import Ending, Taken, Teller, Work
from app.plans.jobs import insisting
from app.plans.progress import ProgressWriter, Report, Superseded
from app.plans.tables import PlanRow
from app.telemetry import traces
from app.validations import service
from app.validations.schemas import REPLAYED, ValidationRequest
from app.validations.tables import ValidationRow
from solvers.progress import Cancelled, Progress, Step, Stop

if TYPE_CHECKING:
    from app.validations.replaying import Findings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A validation that was taken, and what was asked of it."""

    taken: Taken
    plan_id: str
    asked: ValidationRequest

    def holds(self) -> ColumnElement[bool]:
        """Whether the right to end it stands, as a condition on the validation's row."""
        return durable.holds(ValidationRow, self.taken)


def claim(database: Database, taken: Taken) -> Claim | None:
    """A validation that was taken; None where it is someone else's by now."""
    wanted = select(ValidationRow.verdict, PlanRow.id).join(
        PlanRow, PlanRow.number == ValidationRow.plan_number
    )
    with database.reading() as session:
        found = session.execute(wanted.where(durable.holds(ValidationRow, taken))).one_or_none()
    if found is None:
        return None
    return Claim(taken, found.id, ValidationRequest.model_validate(found.verdict))


def run(database: Database, taken: Sequence[Taken], teller: Teller) -> None:
    """Replay plans and end the validations, whatever happens; what someone else has is left alone.

    Raises a database's error only after it was away for minutes: the validations are then still
    there for another attempt.
    """
    failed = partial(log.exception, "validation %s failed outside of its replay")
    durable.one_by_one("validation", _replay, failed, database, taken, teller)


def _replay(database: Database, piece: Taken) -> None:
    mine = insisting(lambda: claim(database, piece))
    if mine is None:
        return
    try:
        with ProgressWriter(f"validation {piece.work_id}", _report(database, mine)) as writer:
            outcome = _attempted(database, mine, writer.progress)
    except (Superseded, PlanNotFound):  # a plan that is deleted takes its validations along
        return
    insisting(lambda: finish(database, mine, outcome))


def finish(database: Database, mine: Claim, outcome: "Findings | Ending") -> bool:
    """End a validation; False (and nothing changes) where the claim does not hold any more."""
    with database.writing() as session:
        row = session.scalars(
            select(ValidationRow).where(mine.holds()).with_for_update()
        ).one_or_none()
        if row is None:
            return False
        if isinstance(outcome, Ending):
            _end(row, outcome)
        else:
            row.status, row.finished_at = REPLAYED, datetime.now(UTC)
            row.verdict, row.evidence = outcome.verdict, outcome.evidence
    return True


def cancel(session: Session, plan_id: str, number: int) -> ValidationRow:
    """Ask for a validation to be stopped; one that nobody works on ends at once, an ended one
    stays.

    Raises PlanNotFound, ValidationNotFound.
    """
    row = service.find(session, plan_id, number)
    session.refresh(row, with_for_update=True)
    if durable.ask_to_stop(row, Stop.DROP):
        _end(row, Ending("cancelled"))
    return row


def _attempted(database: Database, mine: Claim, progress: Progress) -> "Findings | Ending":
    """What a replay finds; its own faults are an outcome too, their evidence is in the log.

    Raises Superseded, PlanNotFound.
    """
    from app.validations.replaying import RefutedPlan, prepared, replayed

    try:
        ready = insisting(lambda: prepared(database, mine.plan_id, mine.asked))
        with traces.span("replay"), traces.stages() as stages:
            followed = progress if stages is None else progress.part(amend=stages.hear)
            return replayed(ready, followed)
    except (Superseded, PlanNotFound):
        raise
    except Cancelled:
        return Ending("cancelled")
    except RefutedPlan:
        log.exception("validation %s: the check refuted the plan", mine.taken.work_id)
        detail = (
            "The check contradicts the stored plan: a fault of the service. The log has the"
            " evidence."
        )
        return Ending("failed", "refuted", detail)
    except Exception:
        log.exception("validation %s failed", mine.taken.work_id)
        detail = (
            f"The service failed while replaying. The log has the cause, under"
            f" {mine.taken.work_id!r}."
        )
        return Ending("failed", "internal", detail)


def _report(database: Database, mine: Claim) -> Report:
    def tell(session: Session, news: Step) -> None:
        told = {"fraction": news.fraction, "stage": news.stage}
        session.execute(update(ValidationRow).where(mine.holds()).values(progress=told))

    return durable.reporting(database, ValidationRow, mine.taken, tell)


def _end(row: ValidationRow, ending: Ending) -> None:
    row.status, row.finished_at = ending.status, datetime.now(UTC)
    if ending.status == "failed":
        row.failure = {"reason": ending.reason, "detail": ending.detail}


def _end_from_outside(database: Database, validation_id: str, ending: Ending) -> None:
    with database.writing() as session:
        row = durable.unended(session, ValidationRow, validation_id)
        if row is not None:
            _end(row, ending)


VALIDATIONS = Work(
    noun="validation",
    rows=ValidationRow,
    lanes={"validation": true()},
    order=(ValidationRow.created_at, ValidationRow.id),
    limit_s=cast(null(), Float),  # what is asked of a replay bounds its time
    run=run,
    end=_end_from_outside,
    tell=lambda *_: None,  # nobody follows one
)
