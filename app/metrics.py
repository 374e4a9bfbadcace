"""What the service measures of itself, for Prometheus: what this web counts, and what the database
knows of the plans, the queue and the workers, the same from every web.
"""

import json
import logging
import platform
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    Text,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import workers
from app.db import Database
from app.errors import ConfigurationError, in_one_line
from app.experiments.tables import ExperimentBlockRow
from app.http.bodies import StrictRoute
from app.http.protection import called, only_for
from app.plans.schemas import ENDED, UNENDED
from app.plans.tables import DurableRow, PlanRow
from app.problems import documented
from app.settings import Settings
from app.telemetry import measures
from app.validations.tables import ValidationRow
from app.workers import WorkerRow
from solvers.compiled.library import described

log = logging.getLogger(__name__)

# However many ask, the database is asked so often at most.
_FRESH_S = 2.0
# Of ended plans no more are counted, so that looking costs milliseconds whatever is stored.
MOST_COUNTED = 100_000
# What stands in line, and by what the first of a line is found.
_LINES: dict[type[DurableRow], Any] = {
    PlanRow: PlanRow.number,
    ValidationRow: ValidationRow.created_at,
    ExperimentBlockRow: ExperimentBlockRow.created_at,
}

router = APIRouter(tags=["Health"], route_class=StrictRoute)


@dataclass(frozen=True, slots=True)
class Found:
    """A figure of the database: what it is, of what, and for workers what they have told."""

    what: str
    of: str
    value: float | None
    told: str | None


def look(session: Session) -> list[Found]:
    """What the database knows, in one statement that reads no more than so many rows."""
    asked = [*_of_plans(), *_of_lines(session), _of_webhooks(), _of_workers(session)]
    return [Found(*row) for row in session.execute(union_all(*asked, _of_size(session)))]


def _row(what: str, of: Any, value: Any, told: Any = None) -> Select[Any]:
    of = literal(of, String) if isinstance(of, str) else of
    told = cast(null(), Text) if told is None else told
    return select(literal(what, String), of, cast(value, Float(53)), told)


def _count(of: Select[Any]) -> ColumnElement[int]:
    some = of.limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _of_plans() -> Iterator[Select[Any]]:
    for status in sorted({*UNENDED, *ENDED}):
        some = select(PlanRow.number).where(PlanRow.status == status)
        yield _row("plans", status, _count(some))


def _of_lines(session: Session) -> Iterator[Select[Any]]:
    for rows, order in _LINES.items():
        line = select(rows.created_at).where(rows.status == "queued")
        yield _row("line", rows.__tablename__, _count(line))
        first = line.order_by(order).limit(1).scalar_subquery()
        yield _row("oldest", rows.__tablename__, _age_s(session, first))


def _age_s(session: Session, instant: ColumnElement[Any]) -> ColumnElement[float]:
    if session.get_bind().dialect.name == "postgresql":
        return workers.now_s(session) - func.extract("epoch", instant)
    return (func.julianday("now") - func.julianday(instant)) * 86_400.0


def _of_webhooks() -> Select[Any]:
    waits = PlanRow.webhook_waiting.is_(True), PlanRow.status.in_(ENDED)
    return _row("webhooks", "", _count(select(PlanRow.number).where(*waits)))


def _of_workers(session: Session) -> Select[Any]:
    silent_s = workers.now_s(session) - WorkerRow.beat_s
    return _row("worker", WorkerRow.id, silent_s, WorkerRow.told)


def _of_size(session: Session) -> Select[Any]:
    if session.get_bind().dialect.name == "postgresql":
        return _row("byte", "", func.pg_database_size(func.current_database()))
    pages = "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"
    return _row("byte", "", literal_column(pages))


class FromDatabase(Collector):
    """What the database knows, asked anew at most every two seconds, however many want to know."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._lock = threading.Lock()
        self._asked_at = -_FRESH_S
        self._kept: list[Metric] = []

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the database would be asked when the collector is registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The figures; without a database only that there is none."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_S:
                self._kept = list(self._collected())
                self._asked_at = time.monotonic()
            return self._kept

    def _collected(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("splitplan_database_up", "Whether the database answered.")
        try:
            with self._database.reading() as session:
                found = look(session)
        except SQLAlchemyError as away:
            log.warning("what the database knows cannot be measured: %s", in_one_line(away))
            up.add_metric((), 0.0)
        else:
            up.add_metric((), 1.0)
            yield from _gauges(found, self._settings.lease_s)
            yield from _of_worker_processes(found)
        yield up
        yield from self._disk()

    def _disk(self) -> Iterator[Metric]:
        url = self._database.engine.url
        if url.get_backend_name() == "sqlite":
            free = GaugeMetricFamily(
                "splitplan_database_free_bytes", "Room left on the disk of the database [byte]."
            )
            try:
                free.add_metric((), shutil.disk_usage(Path(str(url.database)).parent).free)
            except OSError:
                return
            yield free


# What a figure is called, what it says, and what it is of.
_GAUGES = {
    "plans": (
        "splitplan_plans",
        f"Plans that are stored, by status; counted up to {MOST_COUNTED}.",
        "status",
    ),
    "line": ("splitplan_queue_depth", "Pieces of work in line for a worker.", "work"),
    "oldest": (
        "splitplan_queue_oldest_age_seconds",
        "How long the oldest piece of work in line has waited [s]; 0: none waits.",
        "work",
    ),
    "webhooks": (
        "splitplan_webhooks_waiting",
        "Ended plans of which a receiver is still to be told.",
        "",
    ),
    "worker": (
        "splitplan_worker_silence_seconds",
        "How long ago a worker was heard of [s]; beyond its lease it is taken for dead.",
        "worker",
    ),
    "byte": ("splitplan_database_bytes", "Size of the database [byte].", ""),
}


def _gauges(found: Sequence[Found], lease_s: float) -> Iterator[Metric]:
    for what, (name, said, label) in _GAUGES.items():
        gauge = GaugeMetricFamily(name, said, labels=[label] if label else [])
        for each in found:
            if each.what == what:
                gauge.add_metric([each.of] if label else [], max(each.value or 0.0, 0.0))
        yield gauge
    alive = sum(each.what == "worker" and (each.value or 0.0) <= lease_s for each in found)
    yield GaugeMetricFamily("splitplan_workers_alive", "Workers heard of in a lease.", value=alive)
    yield GaugeMetricFamily("splitplan_lease_seconds", "The lease of workers [s].", value=lease_s)


def _of_worker_processes(found: Sequence[Found]) -> Iterator[Metric]:
    """What workers have counted, each under its name."""
    families: dict[str, Metric] = {}
    whole: list[Metric] = []
    for known in measures.WORKER.collect():
        whole.append(Metric(known.name, known.documentation, known.type))
        families |= dict.fromkeys(measures.sample_names(known), whole[-1])
    for each in found:
        for name, labels, value in json.loads(each.told or "[]"):
            if name in families:  # a worker of another release may count other things
                families[name].add_sample(name, labels | {"worker": each.of}, value)
    yield from whole


def registry(database: Database, settings: Settings) -> CollectorRegistry:
    """All that a web tells."""
    whole = CollectorRegistry()
    whole.register(measures.WEB)  # a registry is a collector of what it holds
    whole.register(FromDatabase(database, settings))
    whole.register(_Build())
    return whole


class _Build(Collector):
    """What runs here."""

    def collect(self) -> Iterable[Metric]:
        """One sample, whose labels say it."""
        kernel = described().partition(" ")[0]
        told = {"version": version("splitplan"), "python": platform.python_version()}
        build = InfoMetricFamily("splitplan_build", "What runs here, and who solves.")
        build.add_metric((), told | {"kernel": kernel})
        return [build]


def serve(told: CollectorRegistry, settings: Settings) -> None:
    """Tell it on the port of the metrics too, if there is one. Raises ConfigurationError."""
    if settings.metrics_port is None:
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        server, _ = start_http_server(port, host, told)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port} (SPLITPLAN_METRICS_PORT): {error.strerror}"
        ) from None
    whole = server.get_app()
    if whole is not None and (known := called(host, settings.allowed_hosts)) is not None:
        server.set_app(only_for(known, whole))


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="What the service measures of itself",
    response_class=Response,
    responses=documented()
    | {
        200: {
            "description": "The text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def metrics(request: Request) -> Response:
    """For Prometheus: requests, solves, plans, the queue, workers, the database.

    What the database knows is the same from every web; docs/monitoring.md explains each.
    """
    told: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(told), media_type=CONTENT_TYPE_PLAIN_0_0_4)
