"""The pages of plans: the list."""

from operator import attrgetter
from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.http.paging import cut_page, number_in
from app.plans import service
from app.plans.families import FAMILIES
from app.ui.rendering import page
from app.ui.words import STATUSES

_SHOWN = 50


def show_list(
    session: Session, request: Request, wanted: dict[str, str | None], cursor: str | None
) -> Response:
    """Plans, newest first, of a status, kind and name."""
    before = number_in(cursor)
    found = service.list_plans(session, **wanted, before=before, limit=_SHOWN + 1)
    shown, following = cut_page(found, _SHOWN, attrgetter("number"))
    asked: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    here = request.url.replace(query="")
    return page(
        request.scope,
        "plans.html",
        plans=shown,
        wanted=wanted,
        filtered=bool(asked),
        is_later=cursor is not None,
        first=_with(here, asked),
        following=following and _with(here, asked | {"cursor": following}),
        statuses=[each for each in STATUSES if each != "revoked"],
        kinds=list(FAMILIES),
    )


def _with(here: Any, asked: dict[str, Any]) -> str:
    url = here.include_query_params(**asked)
    return f"{url.path}?{url.query}" if url.query else str(url.path)
