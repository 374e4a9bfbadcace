"""A plan's users as a table: searched, sorted and cut into pages by the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from app.plans import browsing
from app.plans.browsing import Sought
from app.plans.heads import Head
from app.ui import bars, columns
from app.ui.bars import Bar
from app.ui.columns import Column
from app.ui.words import step

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Wish(Sought):
    """What somebody asks of the table: whom, and which page of them."""

    page: int = 1

    @property
    def query(self) -> str:
        """The same as an address says it."""
        asked: dict[str, Any] = {}
        if self.text:
            asked["q"] = self.text
        if self.field is not None:
            asked["sort"] = self.field
        if self.descending:
            asked["order"] = "descending"
        if self.page > 1:
            asked["page"] = self.page
        return f"?{urlencode(asked)}#users" if asked else "?#users"


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column, which sorts."""

    column: Column
    sorted: str | None
    """`ascending`, `descending`, or None: by another."""
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """A user in the table."""

    id: str
    address: str
    cells: Sequence[tuple[str, bool]]
    """What is written in each column, and whether it is a number."""
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Table:
    """A page of users."""

    headings: Sequence[Heading]
    rows: Sequence[Row]
    found: int
    first: int
    wish: Wish
    pages: Mapping[str, str]
    """Where other pages are, by name."""
    has_bars: bool
    searched: bool
    """Whether it was searched and sorted as asked for."""


def table(session: Session, plan: Head, wish: Wish) -> Table:
    """The users of an ended plan, or of the reasons why it has no result."""
    shown = columns.of(plan.kind, has_result=plan.has_result)
    fields = {"id", *(column.field for column in shown)}
    wish = replace(wish, field=wish.field if wish.field in fields else None)
    start = (wish.page - 1) * SHOWN
    found = browsing.page(session, plan, wish, start, SHOWN)
    rows = [_row(user, shown) for user in found.users]
    return Table(
        headings=[_heading(column, wish) for column in (_ID, *shown)],
        rows=rows,
        found=found.found,
        first=start + 1,
        wish=wish,
        pages=_pages(wish, found.found),
        has_bars=any(row.bar is not None for row in rows),
        searched=found.sought,
    )


_ID = Column("User", "id", is_number=False)


def _row(user: dict[str, Any], shown: Sequence[Column]) -> Row:
    cells = [(column.text(user), column.is_number) for column in shown]
    return Row(user["id"], f"users/{step(user['id'])}", cells, bars.latency(user))


def _heading(column: Column, wish: Wish) -> Heading:
    here = wish.field == column.field
    following = Wish(wish.text, column.field, descending=here and not wish.descending)
    state = ("descending" if wish.descending else "ascending") if here else None
    return Heading(column, state, following.query)


def _pages(wish: Wish, found: int) -> dict[str, str]:
    last = max(1, -(-found // SHOWN))
    places: dict[str, int] = {}
    if wish.page > 1:
        places |= {"First": 1, "Previous": min(wish.page - 1, last)}
    if wish.page < last:
        places |= {"Next": wish.page + 1, "Last": last}
    return {name: replace(wish, page=page).query for name, page in places.items()}
