"""What a process counts of itself."""

from app.telemetry.measures import Requests


def test_requests_are_added_up_when_they_are_told() -> None:
    requests = Requests()
    requests.in_progress = 2
    requests.count("GET", "/v1/plans", 200, 0.005)  # a bound is of its own bucket
    requests.count("GET", "/v1/plans", 404, 0.0051)
    requests.count("BREW", "/v1/plans", 499, 61.0)
    told = {
        (sample.name.removeprefix("splitplan_http_"), *sample.labels.values()): sample.value
        for family in requests.collect()
        for sample in family.samples
    }
    assert told["requests_in_progress",] == 2
    totals = {key[1:]: value for key, value in told.items() if key[0] == "requests_total"}
    assert totals == {
        ("GET", "/v1/plans", "2xx"): 1,
        ("GET", "/v1/plans", "4xx"): 1,
        ("other", "/v1/plans", "4xx"): 1,
    }
    latency = "request_duration_seconds"
    buckets = [
        told[f"{latency}_bucket", "GET", "/v1/plans", bound] for bound in ("0.005", "0.01", "+Inf")
    ]
    assert buckets == [1, 2, 2]
    assert told[f"{latency}_bucket", "other", "/v1/plans", "60.0"] == 0
    assert told[f"{latency}_count", "other", "/v1/plans"] == 1
    assert told[f"{latency}_sum", "GET", "/v1/plans"] == 0.005 + 0.0051
