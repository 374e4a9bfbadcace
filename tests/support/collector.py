"""A real OTLP/HTTP endpoint."""

import gzip
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.loopback import Loopback, Quiet


class Collector(Loopback):
    """Whatever spans were sent, by name, with the process that sent them."""

    def __init__(self, status: int = 200) -> None:
        self.spans: list[tuple[str, Any]] = []
        mine = self.spans

        class Receive(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                    told = {each.key: each.value.string_value for each in of.resource.attributes}
                    for scope in of.scope_spans:
                        mine.extend((told["splitplan.process"], span) for span in scope.spans)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Receive)
        self.url = f"http://127.0.0.1:{self.port}"
