"""Places among the requests that may write."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from app.errors import DatabaseUnavailable
from app.http.places import Places


def test_no_project_takes_the_places_of_others() -> None:
    async def crowd() -> None:
        places = Places(most=4, of_one=3)
        async with AsyncExitStack() as held:
            for _ in range(3):
                await held.enter_async_context(places.place("large", 60.0))
            waiting = [asyncio.create_task(_once(places, "large")) for _ in range(50)]
            await asyncio.sleep(0.0)  # they are in line
            await _once(places, "small")  # and this goes through at once
            assert not any(task.done() for task in waiting)
            with pytest.raises(DatabaseUnavailable):
                await _once(places, "large", within_s=0.01)
            async with places.place(None, 60.0):  # all are taken
                with pytest.raises(DatabaseUnavailable):
                    await _once(places, "small", within_s=0.01)
        await asyncio.gather(*waiting)
        assert places._own == {}, "nothing is kept of who wants nothing"
        for _ in range(3):  # nothing was lost
            await _once(places, None)

    asyncio.run(crowd())


async def _once(places: Places, project: str | None, within_s: float = 60.0) -> None:
    async with places.place(project, within_s):
        await asyncio.sleep(0.0)
