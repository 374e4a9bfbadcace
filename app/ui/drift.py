"""What production saw against what was planned: plans, timings, observed times."""

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.evidence import standing
from app.measurements import held
from app.profiles import standing as profiles
from app.ui.rendering import page

_SHOWN = 50


def show(session: Session, request: Request) -> Response:
    """Plans of which devices reported, timings that are out of date, times that were tested."""
    return page(
        request.scope,
        "drift.html",
        plans=standing.newest(session, _SHOWN),
        stale=profiles.list_stale(session, _SHOWN),
        looks=held.newest(session, _SHOWN),
    )
