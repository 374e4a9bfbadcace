"""The service as a Python object.

In a program::

    with PlanningClient("http://127.0.0.1:8000") as planning:
        plan = planning.solve("robust", request)
"""

from client.current import Current
from client.errors import Json, PlanningError, briefly
from client.evidence import Evidence
from client.experiments import POINT_TABLES, Experiments
from client.figures import Figures
from client.plans import ENDED, TABLES, Kind, Plans
from client.profiles import MEASUREMENT_TYPES, Collection, Profiles

__all__ = [
    "ENDED",
    "MEASUREMENT_TYPES",
    "POINT_TABLES",
    "TABLES",
    "Collection",
    "Json",
    "Kind",
    "PlanningClient",
    "PlanningError",
    "briefly",
]


class PlanningClient(Profiles, Plans, Current, Evidence, Experiments, Figures):
    """A connection to one planning service.

    Every method raises PlanningError, or httpx.TransportError without answer.

    While the service is away or busy (no connection, 429, 502, 503, 504), requests that are
    safe to repeat are sent again, after the pause it asks for or else after growing pauses.
    Planning requests and experiments are safe, since each carries an Idempotency-Key, and so are
    reports, which count once. What would be stored twice (profiles, models, measurements,
    validations) is sent again only where it is certain that nothing was begun. Each repetition is a
    warning of the logger `splitplan.client`.

    Parameters
    ----------
    url: address of the service
    timeout_s: the longest silence while an answer is awaited; the request's `time_limit_s` is what
        limits planning
    patience_s: how long a request is tried again before its failure is raised; 0: never
    api_key: sent as `Authorization: Bearer`, for services that ask for keys
    transport: how bytes travel; httpx's own by default
    """

    def ready(self) -> Json:
        """What `/readyz` says at this moment."""
        return self._json("GET", "/readyz", patience_s=0.0)
