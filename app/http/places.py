"""Places among the requests that may write, of which no project takes all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.errors import DatabaseUnavailable

WRITERS = 28
"""So many requests that may write have a thread at a time, most of which wait for their turn at the
database: fewer than there are (`app.hands.MOST`), so that some are left for those who read. The
others wait without a thread, first come, first served.
"""
OF_ONE = 21
"""So many are of one project where there may be several: however many it sends, another's request
waits for those that are worked on, and not behind those that wait.
"""


@dataclass(slots=True)
class _Own:
    """The places of a project, and who has or wants one."""

    places: asyncio.Semaphore
    wanted: int = 0


class Places:
    """Places for requests."""

    def __init__(self, most: int = WRITERS, of_one: int = OF_ONE) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_one = of_one
        self._own: dict[str, _Own] = {}

    @asynccontextmanager
    async def place(self, project: str | None, within_s: float) -> AsyncIterator[None]:
        """A place for a request of a project, None where there is only one. Raises
        DatabaseUnavailable where none is free in time.
        """
        async with self._share(project) as own:
            try:
                async with asyncio.timeout(within_s):
                    await own.acquire()
                    try:
                        await self._all.acquire()
                    except BaseException:
                        own.release()
                        raise
            except TimeoutError:
                raise DatabaseUnavailable from None
            try:
                yield
            finally:
                self._all.release()
                own.release()

    @asynccontextmanager
    async def _share(self, project: str | None) -> AsyncIterator[asyncio.Semaphore]:
        """The places of a project, kept as long as somebody wants one."""
        if project is None:
            yield asyncio.Semaphore()
            return
        own = self._own.setdefault(project, _Own(asyncio.Semaphore(self._of_one)))
        own.wanted += 1
        try:
            yield own.places
        finally:
            own.wanted -= 1
            if not own.wanted:
                del self._own[project]
