"""One trace from a request to the stages of its solver, whoever works on it (W3C Trace Context).

Off unless an OTLP endpoint is set: then nothing of OpenTelemetry is loaded. The context is carried
from process to process by the row of the work, so that whoever takes it up goes on in its trace.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from app.errors import ConfigurationError
from app.settings import Settings
from solvers.progress import Step

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

_TRACEPARENT, _TRACESTATE = "traceparent", "tracestate"
Attributes = Mapping[str, str | int | float | bool]

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def start(settings: Settings, process: str) -> None:
    """Trace from now on, if the settings say where to; what else there is to set is set by the
    variables OTEL_… of OpenTelemetry's SDK.

    Raises ConfigurationError where `splitplan[otel]` is not installed.
    """
    if settings.otlp_endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigurationError(
            "SPLITPLAN_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: install"
            " splitplan[otel], or unset it"
        ) from None
    global _provider, _tracer
    resource = Resource.create(
        {
            "service.name": "splitplan",
            "service.version": version("splitplan"),
            "splitplan.process": process,
        }
    )
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    # A solver that is killed loses what it has not sent: not much.
    _provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    _tracer = _provider.get_tracer("splitplan", version("splitplan"))


def stop() -> None:
    """Send what is left, and trace no more."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def span(name: str, parent: str | None = None, **about: str | int) -> AbstractContextManager[Any]:
    """A part of the work, within the one at hand or, from another process, within `parent`."""
    return nullcontext() if _tracer is None else _span(_tracer, name, parent, about)


@contextmanager
def _span(tracer: "Tracer", name: str, parent: str | None, about: Attributes) -> "Iterator[Span]":
    # Exceptions may carry what their caller sent: the log has them, a trace only their class.
    with tracer.start_as_current_span(
        name, _context(parent), attributes=_named(about), record_exception=False,
        set_status_on_exception=False,
    ) as begun:  # fmt: skip
        try:
            yield begun
        except Exception as failure:
            _failed(begun, type(failure).__name__)
            raise


def waited(since: datetime, parent: str | None, name: str, **about: str | int) -> None:
    """A wait that has ended just now."""
    if _tracer is not None:
        begun_ns = int(since.timestamp() * 1e9)
        _tracer.start_span(
            name, _context(parent), attributes=_named(about), start_time=begun_ns
        ).end()


def traceparent() -> str | None:
    """What continues the work at hand elsewhere; None where nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_TRACEPARENT)


def _context(parent: str | None, state: str | None = None) -> Any:
    if parent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {_TRACEPARENT: parent} | ({} if state is None else {_TRACESTATE: state})
    return TraceContextTextMapPropagator().extract(carrier)


def _named(about: Attributes) -> Attributes:
    return {f"splitplan.{name}": value for name, value in about.items()}


def _failed(span: "Span", kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def request(scope: Scope) -> "AbstractContextManager[Span | None]":
    """An HTTP request, within the caller's trace if it has one."""
    return nullcontext() if _tracer is None else _request(_tracer, scope)


@contextmanager
def _request(tracer: "Tracer", scope: Scope) -> "Iterator[Span]":
    from opentelemetry.trace import SpanKind

    found = {name: value.decode("latin-1") for name, value in _told(scope)}
    # Not the query: users may have put tokens there.
    attributes = {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
    }
    with tracer.start_as_current_span(
        str(scope["method"]),
        _context(found.get(_TRACEPARENT), found.get(_TRACESTATE)),
        kind=SpanKind.SERVER,
        attributes=attributes,
        record_exception=False,
    ) as begun:
        yield begun


def _told(scope: Scope) -> Iterator[tuple[str, bytes]]:
    for name, value in scope["headers"]:
        if name in (b"traceparent", b"tracestate"):
            yield name.decode(), value


def answered(span: "Span | None", method: str, route: str, status: int) -> None:
    """How a request ended."""
    if span is None:
        return
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        _failed(span, str(status))


class Stages:
    """The stages of a solver as parts of the work at hand, by what it tells of itself."""

    def __init__(self, tracer: "Tracer") -> None:
        from opentelemetry import context

        self._tracer = tracer
        self._within = context.get_current()
        self._stage: str | None = None
        self._span: Span | None = None

    def hear(self, step: Step) -> Step:
        """A step, which is handed on as it is."""
        if step.stage != self._stage:
            self.end()
            self._stage = step.stage
            self._span = self._tracer.start_span(f"solve: {step.stage}", self._within)
        return step

    def end(self) -> None:
        """The last stage has ended."""
        if self._span is not None:
            self._span.end()
        self._stage = self._span = None


@contextmanager
def stages() -> Iterator[Stages | None]:
    """What is told the steps of a solver; None where nothing is traced."""
    if _tracer is None:
        yield None
        return
    heard = Stages(_tracer)
    try:
        yield heard
    finally:
        heard.end()
