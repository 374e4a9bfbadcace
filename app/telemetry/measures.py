"""What a process counts of itself; `app.metrics` tells it, and what the others have counted."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import accumulate

import orjson
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

# From an answer that is kept to a plan that takes its time limit.
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_BOUNDS = [*map(str, _REQUEST_S), "+Inf"]
_SOLVE_S = (0.005, 0.02, 0.05, 0.2, 0.5, 2.0, 5.0, 20.0, 60.0, 300.0, 1800.0)
_GAP = (0.0, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.2, 1.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time for each sample

WEB = CollectorRegistry()
"""Of a process that answers requests."""
WORKER = CollectorRegistry()
"""Of a worker and its solvers; kept with its row, so that every web can tell it."""

ProcessCollector(registry=WEB)


@dataclass(slots=True)
class _Seen:
    """Requests of a method to an operation."""

    statuses: list[int] = field(default_factory=lambda: [0] * 10)
    """How many, by the hundreds of their status."""
    latencies: list[int] = field(default_factory=lambda: [0] * (len(_REQUEST_S) + 1))
    """How many, by the first bound that they did not exceed."""
    sum_s: float = 0.0


class Requests(Collector):
    """The requests of a web, counted in its event loop alone, so that none waits for a lock; what
    they come to is added up when it is told.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self._seen: dict[tuple[str, str], _Seen] = {}

    def count(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one that was answered."""
        key = method if method in _METHODS else "other", route
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen()
        seen.statuses[status // 100] += 1
        seen.latencies[bisect_left(_REQUEST_S, elapsed_s)] += 1
        seen.sum_s += elapsed_s

    def collect(self) -> Iterable[Metric]:
        """What they come to."""
        yield GaugeMetricFamily(
            "splitplan_http_requests_in_progress",
            "Requests that are being answered.",
            self.in_progress,
        )
        counted = CounterMetricFamily(
            "splitplan_http_requests",
            "Requests by the address of their operation; who left before the answer counts as 4xx.",
            labels=("method", "route", "status"),
        )
        latencies = HistogramMetricFamily(
            "splitplan_http_request_duration_seconds",
            "Time to the last byte of an answer [s]; of streams of events, to the first.",
            labels=("method", "route"),
        )
        for key, seen in list(self._seen.items()):
            for hundreds, many in enumerate(seen.statuses):
                if many:
                    counted.add_metric((*key, f"{hundreds}xx"), many)
            told = zip(_BOUNDS, accumulate(seen.latencies), strict=True)
            latencies.add_metric(key, list(told), seen.sum_s)
        yield from (counted, latencies)


REQUESTS = Requests()
WEB.register(REQUESTS)
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
