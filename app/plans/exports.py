"""Whole lists in columns, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from app.arrow import pa
from app.db import database_of
from app.http.media import VARY
from app.plans import columnar


def exported(
    request: Request, media_type: str, tables: Callable[[Session], Iterable[pa.Table]]
) -> StreamingResponse:
    """Tables of one schema as a file of a media type, written while they are read."""
    database = database_of(request)

    def pieces() -> Iterator[bytes]:
        # The session of the request ends before its answer is read.
        with database.reading() as session:
            yield from columnar.written(media_type, tables(session))

    return StreamingResponse(pieces(), 200, VARY, media_type)
