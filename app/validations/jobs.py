"""A validation's way from accepted to ended, whoever is killed on it; see `app.plans.durable`."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import PlanNotFound
from app.plans import durable
from app.plans.durable import Ending, RunLimits, Waiting, Work
from app.plans.jobs import insisting
from app.plans.progress import ProgressWriter, Report, Standing, Superseded
from app.plans.schemas import UNENDED
from app.plans.tables import PlanRow
from app.telemetry import traces
from app.telemetry.origin import Origin
from app.validations import service
from app.validations.replaying import Findings, RefutedPlan, prepared, replayed
from app.validations.schemas import REPLAYED, ValidationRequest
from app.validations.tables import ValidationRow
from solvers.progress import Cancelled, Progress, Step, Stop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to end a validation, until someone else claims it."""

    validation_id: str
    plan_id: str
    attempt: int
    asked: ValidationRequest

    def holds(self) -> ColumnElement[bool]:
        """Whether the right stands, as a condition on the validation's row."""
        return durable.holds(ValidationRow, self.validation_id, self.attempt)


def claim(database: Database, validation_id: str) -> Claim | None:
    """Begin an attempt; None where the validation has ended (or ends here, since someone asked to
    stop it) or is gone.
    """
    with database.writing() as session:
        row = durable.unended(session, ValidationRow, validation_id)
        if row is None:
            return None
        if row.cancel is not None:
            _end(row, Ending("cancelled"))
            return None
        durable.begin(row)
        plan_id = session.scalars(select(PlanRow.id).where(PlanRow.number == row.plan_number)).one()
        asked = ValidationRequest.model_validate(row.verdict)
        return Claim(row.id, plan_id, row.attempt, asked)


def run(database: Database, validation_id: str) -> None:
    """Replay a plan and end the validation, whatever happens; one that someone else has is left
    alone.

    Raises a database's error only after it was away for minutes: the validation is then still there
    for another attempt.
    """
    mine = insisting(lambda: claim(database, validation_id))
    if mine is None:
        return
    try:
        with ProgressWriter(f"validation {validation_id}", _report(database, mine)) as writer:
            outcome = _attempted(database, mine, writer.progress)
    except (Superseded, PlanNotFound):  # a plan that is deleted takes its validations along
        return
    insisting(lambda: finish(database, mine, outcome))


def finish(database: Database, mine: Claim, outcome: Findings | Ending) -> bool:
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


def _attempted(database: Database, mine: Claim, progress: Progress) -> Findings | Ending:
    """What a replay finds; its own faults are an outcome too, their evidence is in the log.

    Raises Superseded, PlanNotFound.
    """
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
        log.exception("validation %s: the check refuted the plan", mine.validation_id)
        detail = (
            "The check contradicts the stored plan: a fault of the service. The log has the"
            " evidence."
        )
        return Ending("failed", "refuted", detail)
    except Exception:
        log.exception("validation %s failed", mine.validation_id)
        detail = (
            f"The service failed while replaying. The log has the cause, under"
            f" {mine.validation_id!r}."
        )
        return Ending("failed", "internal", detail)


def _report(database: Database, mine: Claim) -> Report:
    """How an attempt tells how far it has come, and learns whether it is still wanted."""
    asked = select(ValidationRow.cancel).where(mine.holds())

    def report(news: Step | None) -> Standing:
        if news is None:
            with database.reading() as session:
                found = session.execute(asked).one_or_none()
        else:
            told = {"fraction": news.fraction, "stage": news.stage}
            with database.writing() as session:
                found = session.execute(
                    update(ValidationRow)
                    .where(mine.holds())
                    .values(progress=told)
                    .returning(ValidationRow.cancel)
                ).one_or_none()
        if found is None:
            return Standing(holds=False)
        return Standing(holds=True, stop=Stop(found.cancel) if found.cancel else None)

    return report


def _end(row: ValidationRow, ending: Ending) -> None:
    row.status, row.finished_at = ending.status, datetime.now(UTC)
    if ending.status == "failed":
        row.failure = {"reason": ending.reason, "detail": ending.detail}


def _end_from_outside(database: Database, validation_id: str, ending: Ending) -> None:
    with database.writing() as session:
        row = durable.unended(session, ValidationRow, validation_id)
        if row is not None:
            _end(row, ending)


def _limits(database: Database, validation_id: str) -> RunLimits | None:
    """What is asked of a replay bounds its time, so it has no limit."""
    with database.reading() as session:
        row = session.execute(
            select(
                *(ValidationRow.attempt, ValidationRow.created_at),
                *(ValidationRow.request_id, ValidationRow.traceparent),
            ).where(ValidationRow.id == validation_id, ValidationRow.status.in_(UNENDED))
        ).one_or_none()
    if row is None:
        return None
    attempts, accepted_at, *origin = row
    limits = RunLimits(validation_id, None, attempts)
    return replace(limits, accepted_at=accepted_at, origin=Origin(*origin))


def hand_back(database: Database, validation_ids: Iterable[str]) -> None:
    """Put running validations back in line: their attempts end without an answer."""
    durable.hand_back(database, ValidationRow, validation_ids)


def _unended(database: Database, older_than_s: float, after: str) -> Sequence[Waiting]:
    wanted = select(ValidationRow.id, PlanRow.users).join(
        PlanRow, PlanRow.number == ValidationRow.plan_number
    )
    wanted = wanted.where(durable.lost(ValidationRow, older_than_s, after))
    with database.reading() as session:
        rows = session.execute(wanted.order_by(ValidationRow.id).limit(durable.PAGE))
        return [Waiting(*row) for row in rows]


VALIDATIONS = Work(
    noun="validation",
    rows=ValidationRow,
    lanes=("validation",),
    run=run,
    limits=_limits,
    end=_end_from_outside,
    hand_back=hand_back,
    unended=_unended,
)
