"""The metrics' own port: by which names it may be asked for."""

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app import metrics
from app.settings import Settings
from tests.support.loopback import free_port

ELSEWHERE = "page.example.org"


@pytest.mark.parametrize(
    ("allowed", "answered", "refused"),
    [
        ((), ("127.0.0.1", "localhost", "[::1]"), (ELSEWHERE, "127.0.0.1.nip.io")),
        (("plans.example.org",), ("127.0.0.1", "plans.example.org"), (ELSEWHERE,)),
        (("*",), (ELSEWHERE,), ()),
    ],
)
def test_a_page_of_a_stranger_does_not_read_the_metrics(
    allowed: tuple[str, ...], answered: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    port = free_port()
    metrics.serve(CollectorRegistry(), Settings(metrics_port=port, allowed_hosts=allowed))
    for hosts, status in ((answered, 200), (refused, 400)):
        for host in hosts:
            told = httpx.get(
                f"http://127.0.0.1:{port}/metrics", headers={"Host": host}, trust_env=False
            )
            assert told.status_code == status, host


def test_where_the_monitoring_comes_from_elsewhere_it_may_use_any_name() -> None:
    port = free_port()
    metrics.serve(CollectorRegistry(), Settings(metrics_port=port, metrics_host="0.0.0.0"))
    told = httpx.get(
        f"http://127.0.0.1:{port}/metrics", headers={"Host": "splitplan.default"}, trust_env=False
    )
    assert told.status_code == 200
