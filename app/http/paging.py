"""Lists in pages: an opaque cursor, and the RFC 8288 Link beside it."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field, create_model

from app.errors import FieldError, InvalidRequest
from app.http.answers import rendered

Item = TypeVar("Item")

# Postgres refuses to look for what its integer columns cannot hold.
_LARGEST_KEY = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=1000, description="Items per page.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=500, description="`next_cursor` of the page before; absent for the first page."
    ),
]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item] = Field(description="What this page has of the list, in its order.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last."
    )


def page_of(item: type[BaseModel]) -> type[Page[Any]]:
    """The schema of pages of these, named for them: `Page[DeviceRevision]` is no name elsewhere."""
    return create_model(
        f"{item.__name__}Page",
        __base__=Page[item],  # type: ignore[valid-type]
        __module__=__name__,
        __doc__=Page.__doc__,
    )


def encode_cursor(*key: str | int) -> str:
    """The place after the item with this sort key."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: type) -> tuple[str | int, ...]:
    """The sort key in a cursor, whose parts must be of `types`.

    Raises InvalidRequest for any other text.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        key = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:  # not ASCII, not base64 or not JSON
        key = None
    ours = isinstance(key, list) and [type(part) for part in key] == list(types)
    if not ours or not all(_storable(part) for part in key):
        raise InvalidRequest(
            [
                FieldError(
                    "",
                    "is not a cursor of this list: pass next_cursor unchanged",
                    parameter="cursor",
                )
            ]
        )
    return tuple(key)


def number_in(cursor: str | None) -> int | None:
    """Where a page begins in a list that goes by numbers; None for the first one.

    Raises InvalidRequest.
    """
    return int(decode_cursor(cursor, int)[0]) if cursor else None


def _storable(part: str | int) -> bool:
    """Whether a database can compare its own keys with this."""
    return "\x00" not in part if isinstance(part, str) else 0 <= part <= _LARGEST_KEY


def cut_page(
    found: Sequence[Item], limit: int, key: Callable[[Item], str | int]
) -> tuple[Sequence[Item], str | None]:
    """The first `limit` of what a look for one more than that found, and the cursor after them;
    None where nothing is left.
    """
    if len(found) <= limit:
        return found, None
    return found[:limit], encode_cursor(key(found[limit - 1]))


def link_next(request: Request, response: Response, next_cursor: str | None) -> None:
    """Add `Link: <...>; rel="next"` unless this is the last page."""
    if next_cursor is not None:
        # A relative reference: it holds behind any proxy, whatever host the client used.
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def rendered_page(
    request: Request,
    found: Sequence[Item],
    limit: int,
    key: Callable[[Item], str | int],
    headers: dict[str, str] | None = None,
) -> Response:
    """A page of plain values, of a look for one more than `limit`, with the way to the next."""
    shown, following = cut_page(found, limit, key)
    response = rendered({"items": shown, "next_cursor": following}, 200, headers)
    link_next(request, response, following)
    return response
