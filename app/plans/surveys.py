"""Many plans of one family, made one after the other and told in a row of figures."""

import logging
from collections.abc import Callable, Iterator, Sequence

from app.drivers import AWAY
from app.errors import InvalidRequest
from app.plans.family import Json, Outcome, Outline, Prepare, Prepared
from solvers.outcome import RefutedAnswer
from solvers.progress import Cancelled, Progress

log = logging.getLogger(__name__)

_TOLD = 3


class OneByOne:
    """Every request by itself."""

    def __init__(self, outline: Callable[[Prepared, Progress], Outline]) -> None:
        self._outline = outline

    def outlines(
        self, bodies: Sequence[Json], prepare: Prepare, progress: Progress
    ) -> Iterator[tuple[int, Outline]]:
        """As `Survey` says."""
        for n, body in enumerate(bodies):
            if progress.over():
                return
            yield n, self._of_one(body, prepare, progress)

    def _of_one(self, body: Json, prepare: Prepare, progress: Progress) -> Outline:
        """What comes of a request; our own faults are an outcome too, their evidence is in the log.

        Raises Cancelled.
        """
        try:
            return self._outline(prepare(body), progress.part())
        except Cancelled:
            raise
        except InvalidRequest as refused:
            return invalid(refused)
        except RefutedAnswer:
            log.exception("the check refuted the solver")
            return Outline(status="failed", reason="the independent check contradicts the solver")
        except AWAY:
            raise
        except Exception:
            log.exception("a point failed")
            return Outline(status="failed", reason="the service failed: its log has the cause")


def of_any(prepared: Prepared, progress: Progress) -> Outline:
    """A plan of a family that says no more of it: as it would be answered."""
    return of_outcome(prepared.solve(progress))


def of_outcome(outcome: Outcome) -> Outline:
    """What an answer says of the plan as a whole."""
    result = outcome.result or {}
    figures = [*(result.get("objective") or {}).values()]
    certificate = result.get("certificate") or {}
    return Outline(
        status=outcome.status,
        objective=figures[0] if figures else None,
        lower_bound=certificate.get("lower_bound"),
        gap=outcome.gap,
        reason=None if outcome.infeasible is None else "no plan of it exists",
    )


def invalid(refused: InvalidRequest) -> Outline:
    """What is said of values that do not go together."""
    faults = [f"{fault.pointer or '/'} {fault.detail}" for fault in refused.errors[:_TOLD]]
    more = len(refused.errors) - len(faults)
    return Outline(
        status="invalid", reason="; ".join(faults) + (f"; and {more} more" if more else "")
    )
