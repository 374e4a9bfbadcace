"""Answers written as they are, however many values they hold."""

from typing import Any

from fastapi import Response

from app import instants
from app.http.media import JSON


def rendered(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON of plain values."""
    return Response(instants.json(content), status, headers, JSON)
