"""What a process counts of itself; `app.metrics` tells it, and what the others have counted."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import orjson
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)

# From an answer that is kept to a plan that takes its time limit.
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_SOLVE_S = (0.005, 0.02, 0.05, 0.2, 0.5, 2.0, 5.0, 20.0, 60.0, 300.0, 1800.0)
_GAP = (0.0, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.2, 1.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time for each sample

WEB = CollectorRegistry()
"""Of a process that answers requests."""
WORKER = CollectorRegistry()
"""Of a worker and its solvers; kept with its row, so that every web can tell it."""

ProcessCollector(registry=WEB)
IN_PROGRESS = Gauge(
    "splitplan_http_requests_in_progress", "Requests that are being answered.", registry=WEB
)
_REQUESTS = Counter(
    "splitplan_http_requests",
    "Requests by the address of their operation; who left before the answer counts as 4xx.",
    ("method", "route", "status"),
    registry=WEB,
)
_LATENCY = Histogram(
    "splitplan_http_request_duration_seconds",
    "Time to the last byte of an answer [s]; of streams of events, to the first.",
    ("method", "route"),
    buckets=_REQUEST_S,
    registry=WEB,
)
_REFUSED = Counter(
    "splitplan_refused_by_limit",
    "Requests that met a limit, by the type of the problem.",
    ("type",),
    registry=WEB,
)


@dataclass(frozen=True, slots=True)
class Solve:
    """How a solver ended."""

    kind: str
    outcome: str
    solve_s: float
    gap: float | None


class Solves:
    """Solves as they are counted by whoever had them done."""

    def __init__(self, prefix: str, where: str, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            f"{prefix}_solve_duration_seconds",
            f"Time of the solver, its check and its baselines [s], {where}.",
            ("kind", "outcome"),
            buckets=_SOLVE_S,
            registry=registry,
        )
        self._gaps = Histogram(
            f"{prefix}_solve_gap_ratio",
            f"Proven relative gap of plans, {where}.",
            ("kind",),
            buckets=_GAP,
            registry=registry,
        )

    def count(self, solve: Solve) -> None:
        """Count one."""
        self._seconds.labels(solve.kind, solve.outcome).observe(solve.solve_s)
        if solve.gap is not None:
            self._gaps.labels(solve.kind).observe(solve.gap)


IN_WEB = Solves("splitplan_web", "in the web itself", WEB)
IN_WORKER = Solves("splitplan_worker", "in a worker's solvers", WORKER)
CRASHES = Counter("splitplan_worker_solver_crashes", "Solvers whose process died.", registry=WORKER)
DELIVERIES = Counter(
    "splitplan_worker_webhook_attempts",
    "Attempts to deliver a webhook: delivered, waiting for the next attempt, or failed for good.",
    ("status",),
    registry=WORKER,
)

Info("splitplan_worker_build", "What a worker runs.", registry=WORKER).info(
    {"version": version("splitplan")}
)

_children: dict[tuple[str, str, str], tuple[Any, Any]] = {}


def requested(method: str, route: str, status: int, elapsed_s: float) -> None:
    """Count a request."""
    key = (method if method in _METHODS else "other", route, f"{status // 100}xx")
    found = _children.get(key)
    if found is None:  # finding what a set of labels means takes longer than counting
        found = _children[key] = (_REQUESTS.labels(*key), _LATENCY.labels(*key[:2]))
    found[0].inc()
    found[1].observe(elapsed_s)


def met(limit: str) -> None:
    """Count a request that met a limit."""
    _REFUSED.labels(limit).inc()


_hear: Callable[[Solve], None] = IN_WEB.count


def solved(solve: Solve) -> None:
    """Tell how a solver of this process ended."""
    _hear(solve)


def tell(hear: Callable[[Solve], None]) -> None:
    """Have someone else count the solves of this process than the web that it is by default."""
    global _hear
    _hear = hear


# What the samples of a family are called after it.
_SUFFIXES = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_sum", "_count")}


def sample_names(family: Metric) -> list[str]:
    """What the samples of a family of a worker are called."""
    return [f"{family.name}{suffix}" for suffix in _SUFFIXES[family.type]]


def snapshot() -> str:
    """What a worker has counted so far, as JSON that `app.metrics` reads."""
    samples = [
        [sample.name, sample.labels, sample.value]
        for family in WORKER.collect()
        for sample in family.samples
    ]
    return orjson.dumps(samples).decode()
