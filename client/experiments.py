"""Experiments of a planning service: one request planned in many ways."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from client.connection import Connection, address
from client.errors import Json

UNENDED = frozenset({"queued", "running"})

POINT_TABLES = {
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
"""The media types of tables of points, by what people call them."""

_LOOK_S = 1.0


class Experiments(Connection):
    """What a service plans in many ways."""

    def experiment(
        self,
        request: Mapping[str, Any],
        *,
        key: str | None = None,
        wait: bool = True,
        told: Callable[[Json], object] | None = None,
    ) -> Json:
        """Plan every point of a grid, however long that takes: the experiment without its points.

        Parameters
        ----------
        request: `base`, `axes`, and what else `POST /v1/experiments` takes
        key: Idempotency-Key. One is made for each call; name one to have the same experiment again
            from another call.
        wait: until it has ended; otherwise it only has an `id` yet
        told: given the experiment each time it was looked at
        """
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        found = self._json("POST", "/v1/experiments", headers=headers, json=request, safe=True)
        while wait and found["status"] in UNENDED:
            if told is not None:
                told(found)
            time.sleep(_LOOK_S)
            found = self.show_experiment(found["id"])
        return found

    def show_experiment(self, experiment_id: str) -> Json:
        """An experiment as it stands: how far it has come, and its Pareto front so far."""
        return self._json("GET", address("v1", "experiments", experiment_id))

    def experiments(self) -> Iterator[Json]:
        """Experiments in brief, newest first."""
        return self._items("/v1/experiments")

    def points(self, experiment_id: str) -> Iterator[Json]:
        """The points that are there, in the order of the grid."""
        path = address("v1", "experiments", experiment_id, "points")
        return self._items(path, limit=1000)

    def point_table(self, experiment_id: str, form: str = "csv") -> bytes:
        """All points that are there as a file: `csv`, `arrow` or `parquet`."""
        path = address("v1", "experiments", experiment_id, "points")
        return self._send("GET", path, headers={"Accept": POINT_TABLES[form]}).content

    def differences(self, experiment_id: str) -> Iterator[Json]:
        """How values of axes differ from their first ones, over the seeds."""
        path = address("v1", "experiments", experiment_id, "differences")
        return self._items(path, limit=1000)

    def cancel_experiment(self, experiment_id: str, *, keep_best: bool = False) -> Json:
        """Stop an experiment; blocks that ended keep their points, with `keep_best` also those that
        are being worked on.
        """
        params = {"keep_best": "true"} if keep_best else {}
        path = address("v1", "experiments", experiment_id, "cancel")
        return self._json("POST", path, params=params, safe=True)

    def forget_experiment(self, experiment_id: str) -> None:
        """Delete an experiment that has ended."""
        self._send("DELETE", address("v1", "experiments", experiment_id))
